"""The chapter's figures: tidy frames in, marks on given axes out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from saebook.plots import COLORS

KIND_STYLE = {
    "steering vector": {"color": COLORS["ours"], "marker": "o"},
    "shuffled labels": {"color": COLORS["accent"], "marker": "s"},
    "random vector": {"color": COLORS["control"], "marker": "^"},
}
_MARKERS = "os^Dv*P"


def norm_histograms(axes: Sequence[Axes], text: pd.DataFrame, vectors: pd.DataFrame) -> None:
    """Draw one panel a model: norms of ordinary activations, and a tick for each vector.

    Args:
        axes: As many as models.
        text: Columns model, norm.
        vectors: Columns model, behaviour, norm.
    """
    for ax, (model, rows) in zip(axes, text.groupby("model", sort=False), strict=True):
        ax.hist(rows["norm"], bins=40, density=True, color=COLORS["random"], label="activations")
        own = vectors.loc[vectors["model"] == model, "norm"]
        for i, norm in enumerate(own):
            ax.axvline(norm, color=COLORS["ours"], linewidth=1, label=None if i else "vectors")
        ax.set(xlabel=f"norm in {model}", xlim=(0, None))
    axes[0].set_ylabel("density")
    axes[0].legend(loc="upper right", fontsize=7)


def against_zero(ax: Axes, frame: pd.DataFrame) -> Axes:
    """Draw each latent's value in SAE(v) over that in SAE(0); the diagonal is "nothing changed".

    Args:
        ax: Axes to draw on.
        frame: Columns behaviour, at_zero, value.
    """
    top = 1.05 * (frame[["at_zero", "value"]].to_numpy().max(initial=0.0) or 1.0)
    ax.plot([0, top], [0, top], color=COLORS["control"], linewidth=0.8)
    for marker, (name, rows) in zip(_MARKERS, frame.groupby("behaviour", sort=False), strict=False):
        ax.scatter(rows["at_zero"], rows["value"], marker=marker, s=16, alpha=0.7, label=name)
    ax.set(xlabel="activation in SAE(0)", ylabel="activation in SAE(v)")
    if frame.empty:
        ax.text(0.5, 0.5, "no latent is active in either", ha="center", transform=ax.transAxes)
    return ax


def overlap_by_model(ax: Axes, frame: pd.DataFrame, k: int = 5) -> Axes:
    """Draw shared latents by model, a row of marks for each kind of vector.

    Args:
        ax: Axes to draw on.
        frame: Columns model, kind, behaviour, shared.
        k: Length of the compared lists.
    """
    models = list(dict.fromkeys(frame["model"]))
    for shift, (kind, style) in zip((-0.2, 0.0, 0.2), KIND_STYLE.items(), strict=True):
        rows = frame[frame["kind"] == kind]
        spread = 0.02 * (rows.groupby("model").cumcount().to_numpy() - 3)
        at = rows["model"].map(models.index).to_numpy(float) + shift + spread
        ax.scatter(
            at,
            rows["shared"],
            s=18,
            alpha=0.8,
            label=kind,
            color=style["color"],
            marker=style["marker"],
        )
    ax.set_xticks(range(len(models)), models)
    ax.set(ylim=(-0.3, k + 0.3), ylabel=f"latents shared with SAE(0), of {k}")
    ax.legend(fontsize=7)
    return ax


def projections(ax: Axes, frame: pd.DataFrame) -> Axes:
    """Draw one latent's pre-activation on prompts as histograms and on vectors as lines.

    Args:
        ax: Axes to draw on.
        frame: Columns group, value, as `projection_frame` returns them.
    """
    held = {name: rows.to_numpy() for name, rows in frame.groupby("group", sort=False)["value"]}
    prompts = [held.pop("positive prompts"), held.pop("negative prompts")]
    values = np.concatenate(prompts)
    bins = np.linspace(float(values.min()), float(values.max()), 31).tolist()
    ax.hist(prompts[0], bins=bins, color=COLORS["ours"], alpha=0.6, label="positive prompts")
    ax.hist(
        prompts[1], bins=bins, color=COLORS["bad"], alpha=0.6, hatch="//", label="negative prompts"
    )
    for (name, value), line in zip(held.items(), (":", "-", "--"), strict=True):
        ax.axvline(value[0], color=COLORS["paper"], linestyle=line, linewidth=1.2, label=name)
    ax.set(xlabel="pre-activation of the latent", ylabel="prompts")
    ax.legend(fontsize=7, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    return ax
