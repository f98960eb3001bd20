"""Figures of the small world: concept frequencies and labelled heat maps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from saebook.plots.style import COLORS, needs

_CYCLE = ("ours", "accent", "good", "rose", "bad", "sky", "paper", "control")
_MARKERS = "os^Dv*PX"


def concept_zipf(ax: Axes, frame: pd.DataFrame, kinds: tuple[str, ...] = ()) -> Axes:
    """Draw concept frequency over rank, both logarithmic: all concepts, and chosen kinds apart.

    Args:
        ax: Axes to draw on.
        frame: Columns `concept`, `kind` and `share` (share of tokens at which it holds).
        kinds: Kinds drawn as lines of their own, at most eight.
    """
    needs(frame, ("concept", "kind", "share"), "concept_zipf")
    seen = frame[frame["share"] > 0]
    if seen.empty:
        raise ValueError("concept_zipf: no concept occurs; sample more texts")
    _ranked(
        ax, np.asarray(seen["share"], dtype=float), color=COLORS["random"], label="all", linewidth=4
    )
    for i, kind in enumerate(kinds):
        rows = np.asarray(seen.loc[seen["kind"] == kind, "share"], dtype=float)
        color, marker = COLORS[_CYCLE[i % 8]], _MARKERS[i % 8]
        _ranked(ax, rows, color=color, label=kind, marker=marker, markersize=3, linewidth=1)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set(xlabel="rank", ylabel="share of tokens")
    ax.legend()
    return ax


def labelled_heat(ax: Axes, table: pd.DataFrame, label: str, numbers: bool = True) -> Axes:
    """Draw a table as shaded cells with their numbers, dark for high.

    Args:
        ax: Axes to draw on.
        table: Numbers; index and columns become the tick labels.
        label: What the shade means, with its unit.
        numbers: Whether each cell carries its number in hundredths.
    """
    if table.empty:
        raise ValueError("labelled_heat got an empty table; there is nothing to draw")
    values = table.to_numpy(float)
    image = ax.imshow(values, cmap="Blues", vmin=0, aspect="auto")
    ax.set_xticks(range(table.shape[1]), table.columns, rotation=40, ha="right")
    ax.set_yticks(range(table.shape[0]), table.index)
    ax.grid(False)
    if numbers:
        dark = np.nanmax(values) / 2
        for (row, column), value in np.ndenumerate(values):
            ink = "white" if value > dark else "black"
            text = {"ha": "center", "va": "center", "fontsize": 7, "color": ink}
            ax.text(column, row, f"{100 * value:.0f}", **text)
    ax.figure.colorbar(image, ax=ax, label=label, shrink=0.8)
    return ax


def _ranked(ax: Axes, shares: np.ndarray, **style: Any) -> None:
    ordered = np.sort(shares)[::-1]
    ax.plot(np.arange(1, len(ordered) + 1), ordered, **style)
