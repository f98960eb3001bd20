"""The chapter's figures: tidy frames in, marks on given axes or HTML out."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, Protocol

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from saebook.plots.style import COLORS, needs, style_of
from saebook.plots.tokens import Markup, token_heat

READING_STYLE: tuple[dict[str, Any], ...] = (
    {"color": COLORS["control"], "marker": "s", "linestyle": "--"},
    {"color": COLORS["ours"], "marker": "o", "linestyle": "-"},
)
METHOD_STYLE: dict[str, dict[str, Any]] = {
    "no selection": {"color": COLORS["paper"], "marker": "o"},
    "output score": {"color": COLORS["accent"], "marker": "s"},
    "token confidence": {"color": COLORS["ours"], "marker": "D"},
    "random ranking": {"color": COLORS["control"], "marker": "^"},
}
L0_TICKS = (2, 3, 5, 10, 20, 30)
_LINES = ("-", "--", ":", "-.")
_MARKERS = "os^Dv*P"


def latent_bins(ax: Axes, frame: pd.DataFrame) -> Axes:
    """Draw mean steering score over the rank of interpretability, a line a reading.

    Args:
        ax: Axes to draw on.
        frame: Columns reading, rank (share), score, low, high.
    """
    needs(frame, ("reading", "rank", "score", "low", "high"), "latent_bins")
    for i, ((name, rows), style) in enumerate(
        zip(frame.groupby("reading", sort=False), READING_STYLE, strict=False)
    ):
        reach = [rows["score"] - rows["low"], rows["high"] - rows["score"]]
        ax.errorbar(rows["rank"] + 0.01 * i, rows["score"], yerr=reach, label=name, **style)
    ax.set(
        xlabel="rank of the latent's interpretability in its SAE",
        ylabel="steering score",
        xlim=(0, 1),
        ylim=(0, None),
    )
    ax.legend()
    return ax


def sae_scatter(ax: Axes, saes: pd.DataFrame) -> Axes:
    """Draw every SAE: interpretability across, utility up, L0 as the mark's size.

    Args:
        ax: Axes to draw on.
        saes: Columns mu, g, architecture, valid_l0.
    """
    needs(saes, ("mu", "g", "architecture", "valid_l0"), "sae_scatter")
    for name, rows in saes.groupby("architecture", sort=False):
        sizes = 12 + 4 * rows["valid_l0"]
        ax.scatter(rows["mu"], rows["g"], s=sizes, alpha=0.7, **style_of(name))
    ax.set(xlabel="interpretability (detection accuracy)", ylabel="utility (steering score)")
    legend = ax.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    for handle in legend.legend_handles:
        getattr(handle, "set_sizes", lambda sizes: None)([30])
    return ax


def tau_by_sparsity(ax: Axes, frame: pd.DataFrame) -> Axes:
    """Draw tau at each sparsity level, ours with intervals and the paper's beside them.

    Args:
        ax: Axes to draw on.
        frame: Columns sparsity, ours, low, high, paper.
    """
    needs(frame, ("sparsity", "ours", "low", "high", "paper"), "tau_by_sparsity")
    at = np.arange(len(frame))
    reach = [frame["ours"] - frame["low"], frame["high"] - frame["ours"]]
    ax.axhline(0, color=COLORS["control"], linewidth=0.8)
    ax.errorbar(at - 0.08, frame["ours"], yerr=reach, fmt="o", color=COLORS["ours"],
                label="testbed")  # fmt: skip
    ax.scatter(at + 0.08, frame["paper"], s=40, facecolors="none", edgecolors=COLORS["paper"],
               label="paper, same L0 over width", zorder=3)  # fmt: skip
    ax.set_xticks(at, [f"{level:g}" for level in frame["sparsity"]])
    ax.set(xlabel="target L0", ylabel="Kendall's tau-b", ylim=(-1.1, 1.5))
    ax.legend(fontsize=7, ncols=2, loc="upper left")
    return ax


def lifts(ax: Axes, frame: pd.DataFrame) -> Axes:
    """Draw the score under each method of selection, by architecture.

    Args:
        ax: Axes to draw on.
        frame: Columns architecture, method, score, low, high.
    """
    needs(frame, ("architecture", "method", "score", "low", "high"), "lifts")
    order = list(dict.fromkeys(frame["architecture"]))
    for i, (name, rows) in enumerate(frame.groupby("method", sort=False)):
        at = np.array([order.index(a) for a in rows["architecture"]]) + 0.16 * (i - 1.5)
        reach = [rows["score"] - rows["low"], rows["high"] - rows["score"]]
        style: dict[str, Any] = {
            "marker": "o",
            "color": COLORS["ours"],
            **METHOD_STYLE.get(str(name), {}),
        }
        ax.errorbar(at, rows["score"], yerr=reach, linestyle="none", label=str(name), **style)
    ax.set_xticks(range(len(order)), [str(style_of(a)["label"]) for a in order])
    ax.set(ylabel="steering score", ylim=(0, 1.25 * float(frame["high"].max()) or 1.0))
    ax.legend(fontsize=7, ncols=4, loc="upper left")
    return ax


def lines_by(ax: Axes, frame: pd.DataFrame, by: str, y: str, ylabel: str) -> Axes:
    """Draw a measure over the steering factor, one labelled line for each value of `by`.

    Args:
        ax: Axes to draw on.
        frame: Columns factor, `by` and `y`.
        by: What tells lines apart.
        y: The measure.
        ylabel: Its name and unit.
    """
    needs(frame, ("factor", by, y), "lines_by")
    for i, (name, rows) in enumerate(frame.groupby(by, sort=False)):
        ax.plot(
            rows["factor"], rows[y], marker=_MARKERS[i % len(_MARKERS)],
            linestyle=_LINES[i % len(_LINES)], label=str(name),
        )  # fmt: skip
    ax.set(xlabel="factor (multiples of the largest activation)", ylabel=ylabel, ylim=(0, None))
    ax.legend(fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    return ax


def delta_histogram(ax: Axes, frame: pd.DataFrame, bounds: Sequence[float]) -> Axes:
    """Draw Delta Token Confidence of latents over that of random directions.

    Args:
        ax: Axes to draw on.
        frame: Columns kind, delta (nats).
        bounds: Least and largest possible value.
    """
    needs(frame, ("kind", "delta"), "delta_histogram")
    bins = np.linspace(frame["delta"].min(), frame["delta"].max(), 51).tolist()
    looks = ({"color": COLORS["ours"], "alpha": 0.6}, {"color": COLORS["paper"], "fill": False})
    for (kind, rows), look in zip(frame.groupby("kind", sort=False), looks, strict=False):
        filled = "stepfilled" if "alpha" in look else "step"
        ax.hist(rows["delta"], bins=bins, density=True, histtype=filled, label=str(kind), **look)
    ax.axvline(bounds[0], color=COLORS["control"], linestyle=":", linewidth=1,
               label="least possible")  # fmt: skip
    ax.axvline(0, color=COLORS["control"], linewidth=0.8)
    ax.set(xlabel="change of token confidence (nats; left: surer)", ylabel="density")
    ax.legend(fontsize=7)
    return ax


def labels_by_l0(ax: Axes, frame: pd.DataFrame) -> Axes:
    """Draw detection accuracy over the measured L0 under each kind of labels.

    Args:
        ax: Axes to draw on.
        frame: Columns l0, labels, accuracy.
    """
    needs(frame, ("l0", "labels", "accuracy"), "labels_by_l0")
    colors = (COLORS["bad"], COLORS["ours"], COLORS["control"])
    for (name, rows), color, mark in zip(
        frame.groupby("labels", sort=False), colors, "so^", strict=False
    ):
        ax.scatter(rows["l0"], rows["accuracy"], s=18, color=color, marker=mark, label=str(name))
    ax.axhline(10 / 14, color=COLORS["paper"], linestyle=":", linewidth=1,
               label='always "none", published labels')  # fmt: skip
    ax.set_xscale("log")
    ax.set_xticks(L0_TICKS, [f"{tick:g}" for tick in L0_TICKS])
    ax.xaxis.set_minor_locator(NullLocator())
    least = min(0.3, float(frame["accuracy"].min()) - 0.03)
    ax.set(xlabel="measured L0", ylabel="detection accuracy", ylim=(least, 1.02))
    ax.legend(fontsize=7, loc="lower left")
    return ax


class CardLike(Protocol):
    """What `latent_card` needs."""

    latent: int
    concept: str
    concept_f1: float
    words: list[tuple[str, float]]
    lens: list[str]
    windows: list[tuple[list[str], list[float]]]
    samples: list[tuple[float, str, tuple[int, int, int]]]


def latent_card(card: CardLike) -> Markup:
    """Show a latent: its texts with shaded words, its words, logit lens and steered samples."""
    words = ", ".join(f"{escape(w)} ({p:.2f})" for w, p in card.words) or "none"
    heats = "".join(token_heat(*window, unit="activation").html for window in card.windows)
    samples = "".join(
        f"<tr><td>{factor:g}</td><td style='text-align:left'>{escape(text)}</td>"
        f"<td>{c} {i} {f}</td></tr>"
        for factor, text, (c, i, f) in card.samples
    )
    return Markup(
        f"<details open><summary><b>latent {card.latent}</b>: {escape(card.concept)} "
        f"(F1 {card.concept_f1:.2f})</summary>"
        f"<p><i>fires on</i></p>{heats}"
        f"<p><i>explained by</i> {words}<br><i>logit lens</i> "
        f"{escape(', '.join(card.lens[:10]))}</p>"
        "<table><thead><tr><th>factor</th><th>steered text</th>"
        f"<th>concept, instruction, fluency</th></tr></thead><tbody>{samples}</tbody></table>"
        "</details>"
    )
