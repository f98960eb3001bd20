"""The gates of the testbed as a figure: where each value lies against its bounds."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

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


def gate_grid(ax: Axes, recorded: pd.DataFrame, live: pd.DataFrame | None = None) -> Axes:
    """Draw gates down and models across: each value, with a cross where it fails.

    Args:
        ax: Axes to draw on.
        recorded: Columns `gate`, `model`, `value` and `passed`, at most one row a cell.
        live: The same gates measured again; a second line in their cells. Its order comes first.
    """
    parts = [recorded] if live is None else [recorded, live]
    for part in parts:
        needs(part, ("gate", "model", "value", "passed"), "gate_grid")
    both = pd.concat(parts[::-1])
    at = {
        kind: {name: i for i, name in enumerate(both[kind].unique())} for kind in ("gate", "model")
    }
    lift = 0.0 if live is None else 0.17
    for part, shift, size in zip(parts, (-lift, lift), (7.5, 6), strict=False):
        for row in part.itertuples():
            place = at["model"][row.model], at["gate"][row.gate]
            _cell(ax, place, row, shift, size, framed=part is recorded)
    ax.set_xticks(range(len(at["model"])), list(at["model"]), rotation=40, ha="left")
    ax.set_yticks(range(len(at["gate"])), list(at["gate"]))
    ax.set(xlim=(-0.5, len(at["model"]) - 0.5), ylim=(len(at["gate"]) - 0.5, -0.5))
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.grid(False)
    return ax


def _cell(
    ax: Axes, place: tuple[int, int], row: Any, shift: float, size: float, framed: bool
) -> None:
    """One value; a cross and a darker shade say that it fails."""
    _, color, _ = _MARK[bool(row.passed)]
    if framed:
        corner = place[0] - 0.47, place[1] - 0.45
        shade = 0.15 if row.passed else 0.35
        ax.add_patch(Rectangle(corner, 0.94, 0.9, color=color, alpha=shade, linewidth=0))
    digits = 2 if abs(row.value) < 1 else 3
    text = f"{row.value:.{digits}g}" + ("" if row.passed else " ✗")
    ink = COLORS["paper"] if framed else "#444444"
    style = {"fontsize": size, "color": ink, "style": "normal" if framed else "italic"}
    ax.text(place[0], place[1] + shift, text, ha="center", va="center", **style)


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
