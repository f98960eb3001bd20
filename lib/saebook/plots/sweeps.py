"""Curves and comparisons over SAEs, coefficients and layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from saebook.plots.style import COLORS, needs, style_of


def pareto(ax: Axes, frame: pd.DataFrame, x: str = "l0", y: str = "fvu_pooled") -> Axes:
    """Draw one curve an architecture over sparsity, with interval bars where given.

    Args:
        ax: Axes to draw on.
        frame: Columns `architecture`, `x` and `y`; `low` and `high` are the interval of `y`.
        x: Sparsity column; its axis is logarithmic.
        y: Quality column.
    """
    needs(frame, ("architecture", x, y), "pareto")
    for name, rows in frame.groupby("architecture", sort=False):
        rows = rows.sort_values(x)
        _line(ax, rows, x, y, **style_of(name))
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set(xlabel=_words(x), ylabel=_words(y))
    ax.legend()
    return ax


def paper_vs_ours(ax: Axes, frame: pd.DataFrame, unit: str = "") -> Axes:
    """Draw the paper's value (hollow, black) and ours (filled, with its interval) a row each.

    Args:
        ax: Axes to draw on.
        frame: Columns `label`, `paper`, `ours`, `low`, `high`; `paper` may be missing in a row.
        unit: Unit of the horizontal axis.
    """
    needs(frame, ("label", "paper", "ours", "low", "high"), "paper_vs_ours")
    at = np.arange(len(frame))[::-1]
    ours = frame["ours"].to_numpy(float)
    ax.errorbar(ours, at, xerr=_reach(frame, ours), fmt="o", color=COLORS["ours"], label="ours")
    hollow = {"facecolors": "none", "edgecolors": COLORS["paper"], "zorder": 3}
    ax.scatter(frame["paper"].to_numpy(float), at, s=46, label="paper", **hollow)
    ax.set_yticks(at, frame["label"])
    ax.set_xlabel(unit)
    ax.grid(True, axis="x")
    ax.legend()
    return ax


def coeff_sweep(ax: Axes, frame: pd.DataFrame, y: str = "estimate", by: str | None = None) -> Axes:
    """Draw an outcome over the steering coefficient, one labelled line for each value of `by`.

    Args:
        ax: Axes to draw on.
        frame: Columns `coeff` and `y`, `by` if given, and optionally `low` and `high`.
        y: Outcome column.
        by: Column that separates the lines.
    """
    _curves(ax, frame, "coeff", y, by, "coeff_sweep")
    ax.axvline(0, color=COLORS["control"], linewidth=0.8)
    ax.set_xlabel("coefficient")
    return ax


def layer_profile(
    ax: Axes, frame: pd.DataFrame, y: str = "estimate", by: str | None = None
) -> Axes:
    """Draw an outcome over layers (block index), one labelled line for each value of `by`.

    Args:
        ax: Axes to draw on.
        frame: Columns `layer` and `y`, `by` if given, and optionally `low` and `high`.
        y: Outcome column.
        by: Column that separates the lines.
    """
    _curves(ax, frame, "layer", y, by, "layer_profile")
    ax.set_xticks(sorted(frame["layer"].unique()))
    ax.set_xlabel("layer")
    return ax


_MARKERS = "os^Dv*PX"
_CYCLE = ("ours", "accent", "good", "rose", "bad", "sky", "control", "paper")


def _curves(ax: Axes, frame: pd.DataFrame, x: str, y: str, by: str | None, who: str) -> None:
    """Draw `y` over `x`, one line for each value of `by`."""
    needs(frame, (x, y, *([by] if by else [])), who)
    for style, rows in _lines(frame, by):
        _line(ax, rows.sort_values(x), x, y, **style)
    ax.set_ylabel(_words(y))
    if by:
        ax.legend()


def _lines(frame: pd.DataFrame, by: str | None) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    """Style and rows of each line; colour and marker change together."""
    if by is None:
        return [({"color": COLORS["ours"], "marker": "o", "label": None}, frame)]
    return [
        ({"color": COLORS[_CYCLE[i % 8]], "marker": _MARKERS[i % 8], "label": str(name)}, rows)
        for i, (name, rows) in enumerate(frame.groupby(by, sort=False))
    ]


def _line(ax: Axes, rows: pd.DataFrame, x: str, y: str, **style: Any) -> None:
    values = rows[y].to_numpy(float)
    if {"low", "high"} <= set(rows.columns):
        ax.errorbar(rows[x], values, yerr=_reach(rows, values), capsize=2, **style)
    else:
        ax.plot(rows[x], values, **style)


def _reach(rows: pd.DataFrame, values: np.ndarray) -> np.ndarray:
    """Lengths of the interval's two arms [2, n]; an interval need not hold its estimate."""
    low, high = rows["low"].to_numpy(float), rows["high"].to_numpy(float)
    return np.clip(np.stack([values - low, high - values]), 0, None)


def _words(column: str) -> str:
    return {"l0": "L0 (latents a token)", "fvu_pooled": "FVU (pooled)"}.get(
        column, column.replace("_", " ")
    )
