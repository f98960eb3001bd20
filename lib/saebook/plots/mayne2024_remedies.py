"""The chapter's figures beyond the paper: remedies side by side, the gauge, the bias latent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from saebook.plots.style import COLORS, needs

WHERE_STYLE: dict[str, dict[str, Any]] = {
    "house SAE": {"color": COLORS["ours"], "marker": "o"},
    "made-up SAE": {"color": COLORS["accent"], "marker": "D", "facecolors": "none"},
}


def remedies(axes: Sequence[Axes], frame: pd.DataFrame, best_low: frozenset[str]) -> None:
    """Draw one panel a measure and one row a remedy; a dot is a median, a bar the quartiles.

    Args:
        axes: As many as measures, sharing the vertical axis.
        frame: Columns remedy, measure, where, median, low, high.
        best_low: Measures of which less is better; their panels say so.
    """
    needs(frame, ("remedy", "measure", "where", "median", "low", "high"), "remedies")
    names = list(dict.fromkeys(frame["remedy"]))
    for ax, (measure, rows) in zip(axes, frame.groupby("measure", sort=False), strict=True):
        _panel(ax, rows, names)
        better = "low" if measure in best_low else "high"
        ax.set_xlabel(f"{str(measure).replace(' ', chr(10), 1)}\n(best: {better})", fontsize=7)
    axes[0].set_yticks(range(len(names)), names, fontsize=8)
    axes[0].invert_yaxis()
    axes[0].figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2, fontsize=7
    )


def _panel(ax: Axes, rows: pd.DataFrame, names: Sequence[str]) -> None:
    for (where, style), shift in zip(WHERE_STYLE.items(), (-0.15, 0.15), strict=True):
        own = rows[rows["where"] == where]
        at = own["remedy"].map(list(names).index).to_numpy(float) + shift
        ax.hlines(at, own["low"], own["high"], color=style["color"], linewidth=1.2)
        ax.scatter(own["median"], at, s=18, label=where, **style)
    low, high = min(0.0, float(rows["low"].min())), max(1.0, float(rows["high"].max()))
    ax.set_xlim(max(low, -1.0) - 0.07, min(high, 1.5) + 0.07)
    ax.axvline(0, color=COLORS["control"], linewidth=0.6)
    ax.grid(True, axis="both")
    ax.tick_params(axis="x", labelsize=7)


def gauge_panels(axes: Sequence[Axes], text: pd.DataFrame, zero: pd.DataFrame) -> None:
    """Draw pre-activations on text after a gauge shift over those before, and those of zero.

    Args:
        axes: Two, with axes of their own.
        text: Columns SAE, before, after.
        zero: Columns SAE, latent, value.
    """
    styles = dict(zip(dict.fromkeys(zero["SAE"]), (("ours", "o"), ("bad", "^"), ("good", "s")),
                      strict=True))  # fmt: skip
    for name, rows in text.groupby("SAE", sort=False):
        color, marker = styles[name]
        axes[0].scatter(rows["before"], rows["after"], s=6, alpha=0.4, marker=marker,
                        color=COLORS[color], label=name)  # fmt: skip
    ends = [float(text["before"].min()), float(text["before"].max())]
    axes[0].plot(ends, ends, color=COLORS["paper"], linewidth=0.8)
    axes[0].set(xlabel="pre-activation on text, trained SAE", ylabel="after the shift")
    for name, rows in zero.groupby("SAE", sort=False):
        color, marker = styles[name]
        top = np.sort(rows["value"].to_numpy())[::-1][:12]
        axes[1].plot(range(1, len(top) + 1), top, marker=marker, color=COLORS[color], label=name)
    axes[1].set(xlabel="rank of the latent", ylabel="pre-activation of zero")
    axes[1].legend(fontsize=7)


def bias_histogram(ax: Axes, frame: pd.DataFrame) -> Axes:
    """Draw the bias-driven latent's pre-activation on text, and where zero and vectors lie.

    Args:
        ax: Axes to draw on.
        frame: Columns group, value; the first group is the text.
    """
    needs(frame, ("group", "value"), "bias_histogram")
    groups = {str(k): v.to_numpy(float) for k, v in frame.groupby("group", sort=False)["value"]}
    text, *others = groups
    ax.hist(groups[text], bins=60, density=True, color=COLORS["random"], label=text)
    styles = (("paper", ":", 3), ("ours", "-", 2), ("bad", "--", 2))
    for name, (color, line, order) in zip(others, styles, strict=True):
        for i, value in enumerate(groups[name]):
            label = None if i else name
            ax.axvline(
                value, color=COLORS[color], linestyle=line, linewidth=1.2, zorder=order, label=label
            )
    ax.set(xlabel="pre-activation of the bias-driven latent", ylabel="density")
    return ax
