"""The chapter's figures: tidy frames in, marks on given axes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from saebook.plots.style import COLORS, needs

PLACES: dict[tuple[str, str], dict[str, Any]] = {
    ("base", "documents"): {"color": COLORS["control"], "marker": "s"},
    ("base", "dialogues"): {"color": COLORS["accent"], "marker": "^"},
    ("instruct", "documents"): {"color": COLORS["sky"], "marker": "D"},
    ("instruct", "dialogues"): {"color": COLORS["ours"], "marker": "o"},
}


def by_block(ax: Axes, frame: pd.DataFrame, y: str, label: str) -> Axes:
    """Draw a measure over blocks, a line a model and text.

    Args:
        ax: Axes to draw on.
        frame: Columns layer, model, text and `y`.
        y: Column to draw.
        label: Its name with unit.
    """
    needs(frame, ("layer", "model", "text", y), "by_block")
    for (model, text), style in PLACES.items():
        own = frame[(frame["model"] == model) & (frame["text"] == text)].sort_values("layer")
        ax.plot(own["layer"], own[y], label=f"{model}, {text}", **style)
    ax.set_xticks(sorted(frame["layer"].unique()))
    ax.set(xlabel="block", ylabel=label)
    ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def transfer_ratios(ax: Axes, frame: pd.DataFrame, most: float) -> Axes:
    """Draw how much worse base SAEs fit the instruct model over blocks, a line a form.

    Args:
        ax: Axes to draw on.
        frame: Columns layer and one a form: JumpReLU; JumpReLU, mean moved back; TopK.
        most: Largest ratio that the gate allows, the upper edge of the band.
    """
    styles = {
        "JumpReLU": ("o", COLORS["ours"]),
        "JumpReLU, mean moved back": ("D", COLORS["sky"]),
        "TopK": ("^", COLORS["accent"]),
    }
    needs(frame, ("layer", *styles), "transfer_ratios")
    ax.axhspan(1, most, color=COLORS["control"], alpha=0.15, linewidth=0)
    for form, (marker, color) in styles.items():
        ax.plot(frame["layer"], frame[form], marker=marker, color=color, label=form)
    ax.set_xticks(sorted(frame["layer"].unique()))
    ax.set(xlabel="block", ylabel="unexplained variance,\ninstruct over base")
    ax.set_ylim(bottom=0)
    ax.legend(fontsize=7)
    return ax


def readings(ax: Axes, frame: pd.DataFrame, columns: Sequence[str]) -> Axes:
    """Draw several readings of explained variance over blocks.

    Args:
        ax: Axes to draw on.
        frame: Columns layer and those named.
        columns: Readings, in the order of the legend.
    """
    needs(frame, ("layer", *columns), "readings")
    colors = (COLORS["ours"], COLORS["accent"], COLORS["good"])
    for name, color, marker in zip(columns, colors, "o^s", strict=True):
        ax.plot(frame["layer"], frame[name], color=color, marker=marker, label=name)
    ax.set_xticks(sorted(frame["layer"].unique()))
    ax.set(xlabel="block", ylabel="explained variance")
    ax.legend(fontsize=7)
    return ax


def by_position(ax: Axes, frame: pd.DataFrame, trained: int, y: str, label: str) -> Axes:
    """Draw a measure over the position in the context, a line an SAE.

    Args:
        ax: Axes to draw on.
        frame: Columns sae, start (of 64 positions) and `y`.
        trained: Tokens of the short training context, drawn as a line.
        y: Column to draw.
        label: Its name with unit.
    """
    needs(frame, ("sae", "start", y), "by_position")
    styles = {"short context": ("o", COLORS["ours"]), "full context": ("s", COLORS["control"])}
    for name, (marker, color) in styles.items():
        own = frame[frame["sae"] == name].sort_values("start")
        ax.plot(own["start"] + 32, own[y], marker=marker, color=color, label=name)
    ax.axvline(trained, color=COLORS["control"], linewidth=0.8, linestyle="--")
    ax.set(xlabel="position [tokens]", ylabel=label, ylim=(0, 1.15 * frame[y].max()))
    ax.legend()
    return ax


def two_widths(ax: Axes, frame: pd.DataFrame, y: str, label: str) -> Axes:
    """Draw a measure over blocks for both widths.

    Args:
        ax: Axes to draw on.
        frame: Columns layer, sae and `y`.
        y: Column to draw.
        label: Its name with unit.
    """
    needs(frame, ("layer", "sae", y), "two_widths")
    for name, marker, color in (("narrow", "o", COLORS["ours"]), ("wide", "^", COLORS["accent"])):
        own = frame[frame["sae"] == name].sort_values("layer")
        ax.plot(own["layer"], own[y], marker=marker, color=color, label=name)
    ax.set(xlabel="block", ylabel=label)
    ax.legend()
    return ax


def bridge(ax: Axes, frame: pd.DataFrame) -> Axes:
    """Draw the mean squared error by kind of token, a mark an SAE, log axis.

    Args:
        ax: Axes to draw on.
        frame: Columns class, sae, error, n (summed by dialogue).
    """
    needs(frame, ("class", "sae", "error", "n"), "bridge")
    sums = frame.groupby(["class", "sae"])[["error", "n"]].sum()
    mean = (sums["error"] / sums["n"]).unstack()
    styles = {"base": ("s", COLORS["accent"]), "FAST": ("o", COLORS["ours"]),
              "FAST again": ("D", COLORS["sky"])}  # fmt: skip
    for shift, (name, (marker, color)) in zip((-0.1, 0.0, 0.1), styles.items(), strict=True):
        ax.scatter(np.arange(len(mean)) + shift, mean[name], marker=marker, color=color, label=name)
    ax.set_xticks(range(len(mean)), [str(c) for c in mean.index])
    ax.set_yscale("log")
    ax.set_xlim(-0.5, len(mean) - 0.5)
    ax.set_ylabel("squared error a token")
    ax.legend()
    return ax
