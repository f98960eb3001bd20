"""One look for the whole book: sizes, one palette (Okabe and Ito's), one mark an architecture."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDE = (7.2, 3.2)
SQUARE = (4.0, 4.0)
COLUMN = (5.5, 3.2)

COLORS = {
    "paper": "#000000",
    "ours": "#0072B2",
    "control": "#999999",
    "random": "#BBBBBB",
    "good": "#009E73",
    "bad": "#D55E00",
    "accent": "#E69F00",
    "sky": "#56B4E9",
    "rose": "#CC79A7",
}
"""The paper's value is always black; a negative control always grey."""

ARCH_STYLE = {
    "standard": {"color": "#0072B2", "marker": "o", "label": "ReLU"},
    "gated": {"color": "#E69F00", "marker": "s", "label": "Gated"},
    "topk": {"color": "#009E73", "marker": "^", "label": "TopK"},
    "batchtopk": {"color": "#CC79A7", "marker": "D", "label": "BatchTopK"},
    "jumprelu": {"color": "#D55E00", "marker": "v", "label": "JumpReLU"},
}
"""Colour, marker and name of each SAE architecture; never colour alone."""

VERDICT_STYLE = {
    "reproduced": {"color": "#009E73", "symbol": "✓"},
    "direction only": {"color": "#56B4E9", "symbol": "↗"},
    "not reproduced": {"color": "#D55E00", "symbol": "✗"},
    "inconclusive": {"color": "#E69F00", "symbol": "?"},
    "not attempted": {"color": "#999999", "symbol": "–"},
    "not applicable": {"color": "#BBBBBB", "symbol": "·"},
    "rehearsed": {"color": "#CC79A7", "symbol": "◌"},
}
"""Colour and symbol of each verdict word."""


def use_style() -> None:
    """Set the book's look for every figure drawn after this call."""
    mpl.rcParams.update(
        {
            "figure.figsize": COLUMN,
            "figure.dpi": 120,
            "savefig.bbox": "tight",
            "figure.constrained_layout.use": True,
            "font.size": 9,
            "font.family": "sans-serif",
            "text.usetex": False,
            "lines.linewidth": 1.8,
            "lines.markersize": 5,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.grid.axis": "y",
            "axes.axisbelow": True,
            "grid.alpha": 0.3,
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "svg.hashsalt": "saebook",
            "axes.prop_cycle": cycler(
                color=[COLORS[k] for k in ("ours", "accent", "good", "rose", "bad", "sky")]
            ),
        }
    )


def figure(
    size: tuple[float, float] = COLUMN, columns: int = 1, sharey: bool = True
) -> tuple[Figure, list[Axes]]:
    """Return a new figure and its axes in one row, the y axis shared unless told otherwise."""
    made, axes = plt.subplots(1, columns, figsize=size, sharey=sharey, squeeze=False)
    return made, list(axes[0])


def needs(frame: pd.DataFrame, columns: Iterable[str], who: str) -> None:
    """Check that a frame has rows and the named columns.

    Raises:
        ValueError: Names the missing columns, or says that the frame is empty.
    """
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ValueError(f"{who} needs columns {missing}; the frame has {list(frame.columns)}")
    if frame.empty:
        raise ValueError(f"{who} got a frame without rows; there is nothing to draw")


def style_of(name: object) -> dict[str, Any]:
    """Return colour, marker and label of an architecture, or the book's own for any other name."""
    plain = {"color": COLORS["ours"], "marker": "o", "label": str(name)}
    return dict(ARCH_STYLE.get(str(name), plain))
