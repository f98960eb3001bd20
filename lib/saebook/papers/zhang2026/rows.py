"""Rows on correlations over domains (C4 to C7, C16), in the shape in which they are recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from saebook.papers.zhang2026 import sts
from saebook.papers.zhang2026.drawn import drawn_frame, drawn_summary
from saebook.papers.zhang2026.evidence import Evidence, Pair, widened
from saebook.papers.zhang2026.plan import FAMILIES, MAIN
from saebook.papers.zhang2026.worlds import SOURCES, Kind, examined_anew, relatedness
from saebook.stats import pearson
from saebook.testbed.lexicon import DOMAINS

Row = dict[str, Any]


def _mean(r: np.ndarray) -> np.ndarray:
    return r.mean(0)


def named_parts(cells: Mapping[str, Mapping[str, float]]) -> Row:
    """Turn {part: {estimate, low, high}} into {estimate: {part: …}, low: …, high: …}."""
    ends = ("estimate", "low", "high")
    return {end: {name: cell[end] for name, cell in cells.items()} for end in ends}


def _r_cells(evidence: Evidence, pairs: Mapping[str, Pair]) -> dict[str, dict[str, float]]:
    return {name: evidence.interval([pair], lambda r: r[0]) for name, pair in pairs.items()}


def _n(evidence: Evidence, kind: Kind, sources: Sequence[str]) -> int:
    """Domains times seeds behind the source with the fewest seeds."""
    return len(DOMAINS) * min(evidence.n_seeds(kind, source) for source in sources)


def details(evidence: Evidence, kind: Kind, sources: Sequence[str], score: str = "ICL") -> Row:
    """Return the whole set of figures that stand beside each correlation, by source."""
    found = {}
    for source, (x, size) in evidence.pairs(kind, sources, score).items():
        made = sts.correlate(
            x, size, seed=evidence.config.seed, n_resamples=evidence.config.n_resamples
        )
        related = np.array([relatedness(source)[d] for d in DOMAINS])
        found[source] = {
            **made._asdict(),
            "left_out": DOMAINS[made.left_out],
            "r_relatedness": pearson(related, size),
            "seeds": evidence.n_seeds(kind, source),
        }
    return found


def main_row(evidence: Evidence) -> Row | None:
    """C4: r of STS_ICL in the skill world by source, with the format worlds as controls."""
    pairs = evidence.pairs("skill", MAIN)
    other = evidence.pairs("format", MAIN)
    deals = drawn_frame(evidence)
    if not pairs or not other or deals.empty:
        return None
    mean = drawn_summary(deals)["r"]
    return {
        **named_parts(_r_cells(evidence, pairs)),
        "n": _n(evidence, "skill", list(pairs)),
        "controls": {
            "r_in_the_format_world": float(np.mean([pearson(*pair) for pair in other.values()])),
            "mean_r_over_ten_drawn_format_worlds": float(mean["as asked"]),
            "mean_r_over_the_same_with_every_query_cut_before_the_reasoning_ends": float(
                mean["cut alike"]
            ),
        },
        "detail": {score: details(evidence, "skill", MAIN, score) for score in ("ICL", "act")},
    }


def stability_row(evidence: Evidence) -> Row | None:
    """C5: standard deviation over families of r, without minus with demonstrations."""
    pairs: list[Pair] = []
    for score in ("act", "ICL"):
        for family in FAMILIES:
            own = replace(evidence, family=family).pairs("skill", MAIN[:1], score)
            pairs += list(own.values())
    if len(pairs) < 2 * len(FAMILIES):
        return None
    k = len(FAMILIES)

    def difference(r: np.ndarray) -> np.ndarray:
        return r[:k].std(0, ddof=1) - r[k:].std(0, ddof=1)

    rng = np.random.default_rng(evidence.config.seed)
    r = np.array([pearson(*pair) for pair in pairs])
    swapped = []
    for _ in range(400):
        turn = rng.random(k) < 0.5
        swapped.append(np.where(turn, r[k:], r[:k]).std(ddof=1))
        swapped[-1] -= np.where(turn, r[:k], r[k:]).std(ddof=1)
    return {
        **evidence.interval(pairs, difference),
        "n": k * evidence.n_seeds("skill", MAIN[0]),
        "controls": {"difference_after_swapping_the_two_scores_at_random": float(np.mean(swapped))},
        "detail": {"act": r[:k].tolist(), "ICL": r[k:].tolist()},
    }


def robust_row(evidence: Evidence) -> Row | None:
    """C6: smallest r when one domain is left out, over the main sources."""
    pairs, other = evidence.pairs("skill", MAIN), evidence.pairs("format", MAIN)
    if not pairs or not other:
        return None
    return {
        **smallest_interval(evidence, list(pairs.values())),
        "n": _n(evidence, "skill", list(pairs)),
        "controls": {
            "smallest_r_in_the_format_world": _smallest(other.values(), np.arange(len(DOMAINS)))
        },
    }


def smallest_interval(evidence: Evidence, pairs: Sequence[Pair]) -> dict[str, float]:
    """Return the smallest leave-one-domain-out r over pairs, with its bootstrap over domains."""
    n = len(pairs[0][0])
    draws = np.random.default_rng(evidence.config.seed).integers(
        n, size=(min(evidence.config.n_resamples, 400), n)
    )
    values = [_smallest(pairs, np.arange(n)), *(_smallest(pairs, draw) for draw in draws)]
    return widened(np.array(values))


def _smallest(pairs: Any, draw: np.ndarray) -> float:
    """Smallest leave-one-domain-out r of the drawn domains, over pairs."""
    lowest = []
    for x, size in pairs:
        kept = [draw[draw != domain] for domain in np.unique(draw)]
        lowest += [sts.rows_r(x[k][None], size[k][None])[0] for k in kept]
    return float(np.nanmin(lowest))


def sources_row(evidence: Evidence, passes: Callable[[float], bool]) -> Row | None:
    """C7: r by every source but the main one; `passes` is the ledger's rule for a cell."""
    others = [s for s in SOURCES if s != MAIN[0]]
    pairs, flat = evidence.pairs("skill", others), evidence.pairs("format", others)
    if not pairs:
        return None
    passing = sum(passes(pearson(*pair)) for pair in flat.values())
    return {
        **named_parts(_r_cells(evidence, pairs)),
        "n": _n(evidence, "skill", list(pairs)),
        "controls": {"sources_passing_in_the_format_world": passing},
        "detail": {"sources_in_the_format_world": list(flat)},
    }


def sign_row(evidence: Evidence) -> Row | None:
    """C16: |r| of STS_ICL with the sign of the change where half of the domains gain."""
    held = [s for s in MAIN if evidence.sizes("signed", s) is not None]
    if not held:
        return None
    signs = np.array([1.0 if d in examined_anew() else -1.0 for d in DOMAINS])
    pairs = [(evidence.scores("signed", source), signs) for source in held]
    size = [
        pearson(np.array([relatedness(s)[d] for d in DOMAINS]), evidence.sizes("signed", s))  # type: ignore[arg-type]
        for s in held
    ]
    found = evidence.interval(pairs, lambda r: np.abs(r.mean(0)))
    deltas = [evidence.records.deltas("signed", evidence.family, s) for s in held]
    gains = [int((d.mean(0) > 0).sum()) for d in deltas if d is not None]
    return {
        **found,
        "n": _n(evidence, "signed", held),
        "controls": {"r_of_skill_relatedness_with_size": float(np.mean(size))},
        "detail": {"domains_that_gain": gains},
    }
