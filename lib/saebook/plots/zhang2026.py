"""The chapter's figures: tidy frames in, marks on given axes out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from saebook.plots import COLORS
from saebook.plots.style import needs

_MARKERS = "os^Dv*P"


def score_against_size(ax: Axes, frame: pd.DataFrame, names: int = 5) -> Axes:
    """Draw each domain's |change in accuracy| over its score, the largest by name.

    Args:
        ax: Axes to draw on.
        frame: Columns domain, sts, size (percentage points).
        names: Domains written out, those with the largest change.
    """
    needs(frame, ("domain", "sts", "size"), "score_against_size")
    ax.scatter(frame["sts"], frame["size"], color=COLORS["ours"], s=22)
    top = max(ax.get_ylim()[1], 1.05 * float(frame["size"].max())) if len(frame) else 1.0
    ax.set(xlabel="score of the domain", ylim=(0, top))
    middle = (frame["sts"].min() + frame["sts"].max()) / 2
    named = frame.nlargest(names, "size")
    for right in (False, True):
        own = named[(named["sts"] > middle) == right]
        heights = _apart(own["size"].tolist(), 0.045 * top)
        for domain, x, y, height in zip(
            own["domain"], own["sts"], own["size"], heights, strict=True
        ):
            ax.annotate(
                domain,
                (x, y),
                xytext=(
                    -5 if right else 5,
                    (height - y) / top * 72 * ax.bbox.height / ax.figure.dpi,
                ),
                textcoords="offset points",
                ha="right" if right else "left",
                va="center",
                fontsize=6,
            )
    return ax


def _apart(values: list[float], gap: float) -> list[float]:
    """Falling values, each lowered until it lies a gap below the one before."""
    found: list[float] = []
    for value in values:
        found.append(min(value, found[-1] - gap) if found else value)
    return found


def leave_one_out_fan(ax: Axes, frame: pd.DataFrame) -> Axes:
    """Draw r over all points and without each one in turn, a row a group.

    Args:
        ax: Axes to draw on.
        frame: Columns group, left_out (empty for the whole), r.
    """
    needs(frame, ("group", "left_out", "r"), "leave_one_out_fan")
    groups = list(dict.fromkeys(frame["group"]))
    for at, group in enumerate(groups):
        own = frame[frame["group"] == group]
        whole = own.loc[own["left_out"] == "", "r"]
        less = own[own["left_out"] != ""]
        ax.plot([less["r"].min(), less["r"].max()], [at, at], color=COLORS["random"], linewidth=3)
        label = "one domain left out" if at == 0 else None
        ax.scatter(less["r"], [at] * len(less), color=COLORS["ours"], s=14, zorder=3, label=label)
        label = "all domains" if at == 0 else None
        ax.scatter(whole, [at] * len(whole), color=COLORS["paper"], marker="D", s=26, zorder=4,
                   label=label)  # fmt: skip
        worst = less.loc[less["r"].idxmin()]
        ax.annotate(f"without {worst['left_out']}", (worst["r"], at), xytext=(0, 6),
                    textcoords="offset points", ha="left", fontsize=6)  # fmt: skip
    ax.set_yticks(range(len(groups)), groups)
    ax.set(xlabel="Pearson r", xlim=(min(-0.5, frame["r"].min() - 0.1), 1.05),
           ylim=(-0.6, len(groups) - 0.3))  # fmt: skip
    ax.axvline(0, color=COLORS["control"], linewidth=0.8)
    ax.grid(axis="x")
    ax.legend(fontsize=7, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    return ax


def ranked_bars(ax: Axes, frame: pd.DataFrame, beside: pd.DataFrame | None = None) -> Axes:
    """Draw a correlation for each score, largest on top, with its interval.

    Args:
        ax: Axes to draw on.
        frame: Columns name, r, low, high, ours (bool: the score under test, hatched).
        beside: Columns name, r: the same scores in another world, as open diamonds.
    """
    needs(frame, ("name", "r", "low", "high", "ours"), "ranked_bars")
    own = frame.sort_values("r").reset_index(drop=True)
    colors = [COLORS["ours"] if ours else COLORS["random"] for ours in own["ours"]]
    bars = ax.barh(own.index, own["r"], color=colors, height=0.7)
    for bar, ours in zip(bars, own["ours"], strict=True):
        bar.set_hatch("//" if ours else "")
    reach = np.abs(own[["low", "high"]].to_numpy().T - own["r"].to_numpy())
    ax.errorbar(own["r"], own.index, xerr=reach, fmt="none", ecolor=COLORS["paper"], elinewidth=0.9)
    if beside is not None:
        at = [own.index[own["name"] == name][0] for name in beside["name"]]
        ax.scatter(beside["r"], at, marker="D", s=24, facecolors="none", edgecolors=COLORS["bad"],
                   zorder=4, label="format world")  # fmt: skip
        ax.legend(fontsize=7, loc="lower right")
    ax.set_yticks(own.index, own["name"])
    ax.axvline(0, color=COLORS["control"], linewidth=0.8)
    ax.set(xlabel="Pearson r with |change in accuracy|")
    ax.grid(axis="x")
    return ax


def paired_dots(ax: Axes, frame: pd.DataFrame, unit: str = "", line: str = "seed") -> Axes:
    """Draw one dot a seed under each condition, dots of a seed joined.

    Args:
        ax: Axes to draw on.
        frame: Columns condition, seed, value.
        unit: Label of the y axis.
        line: What a line is, for the legend.
    """
    needs(frame, ("condition", "seed", "value"), "paired_dots")
    conditions = list(dict.fromkeys(frame["condition"]))
    for marker, (seed, own) in zip(cycle(_MARKERS), frame.groupby("seed", sort=True), strict=False):
        rows = own.set_index("condition").reindex(conditions)["value"]
        ax.plot(range(len(conditions)), rows, marker=marker, linewidth=0.9, label=f"{line} {seed}")
    ax.set_xticks(range(len(conditions)), conditions)
    ax.set(ylabel=unit)
    ax.legend(fontsize=6, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def by_step(
    ax: Axes, frame: pd.DataFrame, x: str, groups: Sequence[str], legend: bool = True
) -> Axes:
    """Draw r over the values of one choice (sparsity, layer, rank), a line a group.

    Args:
        ax: Axes to draw on.
        frame: Columns group, r and `x`.
        x: Name of the choice; its values are equally spaced, in the order of the frame.
        groups: Groups in the order of the legend.
        legend: Whether this panel carries the legend and the label of the y axis.
    """
    needs(frame, ("group", "r", x), "by_step")
    values = list(dict.fromkeys(frame[x]))
    for marker, group in zip(_MARKERS, groups, strict=False):
        own = frame[frame["group"] == group].set_index(x).reindex(values)["r"]
        ax.plot(range(len(values)), own, marker=marker, label=group)
    ax.set_xticks(range(len(values)), [str(value) for value in values])
    ax.axhline(0, color=COLORS["control"], linewidth=0.8)
    ax.set(xlabel=x, ylabel="Pearson r" if legend else "", ylim=(-1.05, 1.05))
    if legend:
        ax.legend(fontsize=6)
    return ax
