"""One figure for all answers: how far each measurement lies from its line, in tolerances."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from saebook.book.answers import Answer
from saebook.claims import Verdict
from saebook.claims.results import Record
from saebook.claims.rules import AnyRule, CountAtLeast, Measured, SimpleRule, leaves
from saebook.claims.schema import Test

LOW, HIGH = -1.0, 4.0
"""Ends of the axis; what lies beyond is drawn at the end with an arrow."""
GAP = 0.6
"""Inches between two panels, for the numbers under the upper one."""
MARKERS = {
    Verdict.REPRODUCED: "o",
    Verdict.DIRECTION_ONLY: "^",
    Verdict.NOT_REPRODUCED: "X",
    Verdict.INCONCLUSIVE: "s",
}
"""In the order of the legend; a shape each, for colour never speaks alone."""
TITLES = {"audit": "audit", "testbed": "testbed", "paper": "paper scale"}


@dataclass(frozen=True)
class Bar:
    """One answered row: the distance of its deciding number from the line, and its interval."""

    name: str
    block: str
    verdict: Verdict
    low: float
    at: float
    high: float


def bars(answers: Iterable[Answer]) -> list[Bar]:
    """The rows that carry a measurement, each by the number that decides it.

    A row whose rule was changed after the run has no line to be measured against, and is left out.
    """
    found = []
    for answer in answers:
        held = answer.claim.block(answer.block)
        if answer.record is None or answer.is_amended or not isinstance(held, Test):
            continue
        low, at, high = _deciding(held.test, answer.record)
        found.append(Bar(answer.name, answer.block, answer.verdict, low, at, high))
    return found


def _deciding(rule: AnyRule, record: Record) -> tuple[float, float, float]:
    """Distances of the leaf on which the verdict hangs: the worst part, or the k-th best cell."""
    scaled = [distances(simple, m) for _, simple, m in leaves(rule, record.quantity())]
    scaled.sort(key=lambda ends: ends[1])
    if isinstance(rule, CountAtLeast):
        return scaled[min(rule.k, len(scaled)) - 1]
    return scaled[-1]


def distances(rule: SimpleRule, m: Measured) -> tuple[float, float, float]:
    """(low, estimate, high) in tolerances; up to 1 passes, from either side of a band alike."""
    ends = sorted((rule.scaled(m.low), rule.scaled(m.high)))
    at = rule.scaled(m.estimate)
    lower, upper = rule.bounds()
    if math.isinf(lower) or math.isinf(upper):
        return ends[0], at, ends[1]
    nearest = 0.0 if ends[0] <= 0 <= ends[1] else min(map(abs, ends))
    return nearest, abs(at), max(map(abs, ends))


def draw(found: list[Bar]) -> bytes:
    """The figure as SVG, the same bytes for the same bars.

    Args:
        found: At least one bar.
    """
    import matplotlib as mpl

    blocks = [block for block in TITLES if any(bar.block == block for bar in found)]
    counts = [sum(bar.block == block for bar in found) for block in blocks]
    style: dict[Any, Any] = {"svg.hashsalt": "saebook", "font.size": 9, "svg.fonttype": "path"}
    with mpl.rc_context(style):
        from matplotlib.figure import Figure

        height = 0.9 + 0.24 * sum(counts) + GAP * len(blocks)
        figure = Figure(figsize=(6.4, height))
        axes = figure.subplots(
            len(blocks),
            1,
            sharex=True,
            squeeze=False,
            height_ratios=[n + 1 for n in counts],
            gridspec_kw={"hspace": GAP * len(blocks) / height},
        )[:, 0]
        for block, ax in zip(blocks, axes, strict=True):
            _panel(ax, block, [bar for bar in found if bar.block == block])
        _finish(figure, axes, found)
        stream = io.BytesIO()
        figure.savefig(
            stream, format="svg", bbox_inches="tight", facecolor="white", metadata={"Date": None}
        )
    return stream.getvalue()


def _panel(ax, block: str, rows: list[Bar]) -> None:
    ax.axvspan(LOW, 1, color="#009E73", alpha=0.10, lw=0)
    ax.axvline(1, color="black", lw=1, ls="--")
    for y, bar in enumerate(reversed(rows)):
        colour = _colour(bar.verdict)
        low, at, high = (min(max(x, LOW), HIGH) for x in (bar.low, bar.at, bar.high))
        ax.plot([low, high], [y, y], color=colour, lw=1.8, solid_capstyle="butt")
        ax.plot(at, y, MARKERS[bar.verdict], color=colour, ms=6)
        for end, beyond in ((LOW, bar.low < LOW), (HIGH, bar.high > HIGH)):
            if beyond:
                ax.plot(end, y, "<" if end == LOW else ">", color=colour, ms=4, clip_on=False)
    ax.set_yticks(range(len(rows)), [bar.name for bar in reversed(rows)])
    ax.set_ylim(-0.7, len(rows) - 0.3)
    ax.set_ylabel(TITLES[block])
    ax.tick_params(axis="y", length=0)


def _finish(figure, axes, found: list[Bar]) -> None:
    for ax in axes:
        ax.set_xlim(LOW, HIGH)
        ax.tick_params(axis="x", labelbottom=True)
        ax.spines[["top", "right", "left"]].set_visible(False)
    axes[-1].set_xlabel("distance from the target or the line, in tolerances (up to 1 passes)")
    seen = [v for v in MARKERS if any(bar.verdict is v for bar in found)]
    for v in seen:
        axes[0].plot([], [], MARKERS[v], color=_colour(v), label=v.value)
    figure.legend(
        *axes[0].get_legend_handles_labels(),
        loc="lower center",
        ncols=len(seen),
        frameon=False,
        bbox_to_anchor=(0.5, 1.0),
        bbox_transform=axes[0].transAxes,
        handletextpad=0.2,
    )


def _colour(verdict: Verdict) -> str:
    from saebook.plots.style import VERDICT_STYLE  # pyplot: a second to import

    return VERDICT_STYLE[verdict.value]["color"]


def alt_text(found: list[Bar]) -> str:
    """What the figure shows, for who cannot see it."""
    counts = [(v.value, sum(bar.verdict is v for bar in found)) for v in MARKERS]
    words = ", ".join(f"{n} {word}" for word, n in counts if n)
    inside = sum(bar.at <= 1 for bar in found)
    return (
        f"Distance in tolerances of {len(found)} answered rows with their intervals: {words}. "
        f"{inside} estimates lie on the passing side of the line at 1."
    )
