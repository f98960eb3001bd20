"""The chapter's figures: tidy frames in, marks on given axes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from saebook.plots.style import COLORS, needs

ARM_STYLE: dict[str, dict[str, Any]] = {
    "BT(P)": {"color": COLORS["control"], "marker": "s"},
    "BT(F)": {"color": COLORS["accent"], "marker": "^"},
    "FAST": {"color": COLORS["ours"], "marker": "o"},
    "masked": {"color": COLORS["good"], "marker": "D"},
    "FAST cut": {"color": COLORS["sky"], "marker": "v"},
    "no header": {"color": COLORS["rose"], "marker": "<"},
    "random header": {"color": COLORS["rose"], "marker": ">"},
    "base SAE": {"color": COLORS["bad"], "marker": "P"},
    "BT(F) again": {"color": COLORS["accent"], "marker": "x"},
}
"""Colour and mark of each arm; never colour alone."""


def printed_gains(axes: Sequence[Axes], frame: pd.DataFrame) -> None:
    """Draw the gain of FAST over BT(F) in each printed cell, one panel an architecture.

    Args:
        axes: Two.
        frame: Output of the audit's `gains`.
    """
    needs(frame, ("architecture", "metric", "family", "over BT(F)"), "printed_gains")
    styles = {"Llama": ("o", COLORS["paper"]), "Qwen": ("^", COLORS["control"])}
    for ax, name in zip(axes, ("Standard", "JumpReLU"), strict=True):
        for x, metric in enumerate(("MSE", "MSE_st")):
            for shift, (family, (marker, color)) in zip((-0.15, 0.15), styles.items(), strict=True):
                where = (frame["metric"] == metric) & (frame["family"] == family)
                own = frame.loc[where & (frame["architecture"] == name), "over BT(F)"].to_numpy()
                at = x + shift + np.linspace(-0.08, 0.08, len(own))
                ax.scatter(at, own, marker=marker, s=16, facecolors="none", edgecolors=color,
                           label=family if x == 0 else None)  # fmt: skip
        ax.axhline(0, color=COLORS["control"], linewidth=0.8)
        ax.set_xticks([0, 1], ["all tokens", "special tokens"])
        ax.set_xlabel(f"{name} SAEs")
        ax.set_yscale("symlog", linthresh=0.5)
        ax.set_yticks([-1, 0, 1, 10], ["-1", "0", "1", "10"])
    axes[0].set_ylabel("gain over BT(F) [bits]")
    axes[0].legend()


def errors_by_arm(ax: Axes, frame: pd.DataFrame, arms: Sequence[str]) -> Axes:
    """Draw the log2 error of each arm in three readings, a mark a seed.

    Args:
        ax: Axes to draw on.
        frame: Columns arm, and log2 errors mse, mse_st and mse_varying.
        arms: Order of the arms.
    """
    readings = {"mse": "all tokens", "mse_st": "special tokens", "mse_varying": "without constants"}
    needs(frame, ("arm", *readings), "errors_by_arm")
    for i, arm in enumerate(arms):
        own = frame[frame["arm"] == arm]
        for x, metric in enumerate(readings):
            at = np.full(len(own), x + (i - (len(arms) - 1) / 2) * 0.11)
            style = ARM_STYLE[arm]
            ax.scatter(at, own[metric], s=22, label=arm if x == 0 else None, **style)
    ax.set_xticks(range(len(readings)), list(readings.values()))
    ax.set_ylabel("log2 error [bits]")
    ax.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def errors_by_sparsity(axes: Sequence[Axes], frame: pd.DataFrame, l0: float) -> None:
    """Draw the log2 error over the measured L0, one panel an architecture, a line an arm.

    Args:
        axes: Two.
        frame: Columns architecture, arm, l0 and mse (bits).
        l0: Where arms are compared, drawn as a line.
    """
    needs(frame, ("architecture", "arm", "l0", "mse"), "errors_by_sparsity")
    names = {"standard": "ReLU", "jumprelu": "JumpReLU"}
    for ax, (architecture, name) in zip(axes, names.items(), strict=True):
        own = frame[frame["architecture"] == architecture].sort_values("l0")
        for arm, rows in own.groupby("arm"):
            ax.plot(rows["l0"], rows["mse"], label=arm, **ARM_STYLE[str(arm)])
        ax.axvline(l0, color=COLORS["control"], linewidth=0.8)
        ax.set_xscale("log")
        ticks = [3, 10, 30, 100]
        ax.set_xticks(ticks, [str(tick) for tick in ticks], minor=False)
        ax.minorticks_off()
        ax.set_xlabel(f"L0 on held-out dialogues, {name} SAEs")
    axes[0].set_ylabel("log2 error [bits]")
    axes[0].legend()


def grid_gains(ax: Axes, table: pd.DataFrame) -> Axes:
    """Draw the data's gain against the packing's, a mark a cell, by family.

    Args:
        ax: Axes to draw on.
        table: Index with level family; a column an arm, log2 errors.
    """
    needs(table, ("BT(P)", "BT(F)", "FAST"), "grid_gains")
    markers: dict[str, str] = dict(zip(("qwen2", "llama", "gemma2"), "o^s", strict=True))
    colors = {"qwen2": COLORS["ours"], "llama": COLORS["accent"], "gemma2": COLORS["good"]}
    for family, rows in table.groupby(level="family"):
        name = str(family)
        ax.scatter(rows["BT(P)"] - rows["BT(F)"], rows["BT(F)"] - rows["FAST"], s=24, alpha=0.8,
                   marker=markers[name], color=colors[name], label=name)  # fmt: skip
    reach = max(ax.get_xlim()[1], ax.get_ylim()[1])
    ax.plot([0, reach], [0, reach], color=COLORS["control"], linewidth=0.8)
    ax.set(xlabel="gain by the text, BT(P) to BT(F) [bits]",
           ylabel="gain by the packing,\nBT(F) to FAST [bits]")  # fmt: skip
    ax.legend()
    return ax


def class_errors(ax: Axes, frame: pd.DataFrame, arms: Sequence[str]) -> Axes:
    """Draw the unexplained share by class of token and arm, means over seeds, log axis.

    Args:
        ax: Axes to draw on.
        frame: Columns arm and `fvu <class>`.
        arms: Order of the arms.
    """
    classes = [c for c in frame.columns if c.startswith("fvu ")]
    needs(frame, ("arm", *classes), "class_errors")
    for i, arm in enumerate(arms):
        own = frame[frame["arm"] == arm][classes].mean()
        at = np.arange(len(classes)) + (i - (len(arms) - 1) / 2) * 0.12
        ax.scatter(at, own, s=28, label=arm, **ARM_STYLE[arm])
    ax.set_xticks(range(len(classes)), [c.removeprefix("fvu ") for c in classes])
    ax.set_yscale("log")
    ax.set_ylabel("unexplained share of variance")
    ax.legend(fontsize=7, ncols=2)
    return ax


def quality_by_amount(ax: Axes, frame: pd.DataFrame) -> Axes:
    """Draw the mean change of answers over the amount of steering, a line a direction.

    Args:
        ax: Axes to draw on.
        frame: Columns direction, alpha (percent of the ordinary norm), change (nats).
    """
    needs(frame, ("direction", "alpha", "change"), "quality_by_amount")
    names = ("special token", "random", "ordinary token", "decoder bias")
    colors = (COLORS["ours"], COLORS["control"], COLORS["accent"], COLORS["good"])
    for name, color, marker in zip(names, colors, "os^D", strict=True):
        own = frame[frame["direction"] == name].groupby("alpha")["change"].mean()
        if len(own):
            ax.plot(own.index, own.to_numpy(), color=color, marker=marker, label=name)
    ax.axhline(0, color=COLORS["control"], linewidth=0.8)
    ax.set(
        xlabel="amount [% of the ordinary norm]", ylabel="change of answer quality\n[nats a token]"
    )
    ax.legend()
    return ax
