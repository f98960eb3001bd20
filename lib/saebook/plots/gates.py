"""The gates of the testbed as a figure: where each value lies against its bounds."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes

from saebook.plots.style import COLORS, needs

_MARK = {True: ("o", COLORS["good"], "holds"), False: ("X", COLORS["bad"], "fails")}


def gates_figure(ax: Axes, frame: pd.DataFrame) -> Axes:
    """Draw a row a gate: value against its bounds, scaled so that the bounds span 0 to 1.

    A gate with one bound is scaled by that bound (by 1 where the bound is 0): the bound lies at 0
    (least) or 1 (most). Values outside -1 to 2 are drawn at the edge with their number.

    Args:
        ax: Axes to draw on.
        frame: Columns `label`, `value`, `low`, `high` (infinite where there is no bound) and
            `passed`.
    """
    needs(frame, ("label", "value", "low", "high", "passed"), "gates_figure")
    ax.axvspan(0, 1, color=COLORS["good"], alpha=0.10, zorder=0)
    rows = frame.to_dict("records")
    for at, row in enumerate(reversed(rows)):
        marker, color, _ = _MARK[bool(row["passed"])]
        place = _place(float(row["value"]), float(row["low"]), float(row["high"]))
        ax.scatter(place, at, marker=marker, color=color, s=36, zorder=3)
        ax.annotate(
            f"{row['value']:.3g}", (place, at), xytext=(6, 0), textcoords="offset points",
            va="center", fontsize=7,
        )  # fmt: skip
    for marker, color, word in _MARK.values():
        ax.scatter([], [], marker=marker, color=color, label=word)
    ax.set_yticks(range(len(rows)), [row["label"] for row in reversed(rows)])
    ax.set_xticks([0, 1], ["least", "most"])
    ax.set(xlim=(-1.2, 2.4), xlabel="value against its bounds")
    ax.grid(False)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return ax


def _place(value: float, low: float, high: float) -> float:
    if math.isnan(value):
        return -1.0
    if math.isfinite(low) and math.isfinite(high) and high > low:
        scaled = (value - low) / (high - low)
    elif math.isfinite(high):
        scaled = 1 + (value - high) / (abs(high) or 1.0)
    else:
        scaled = (value - low) / (abs(low) or 1.0)
    return min(2.0, max(-1.0, scaled))
