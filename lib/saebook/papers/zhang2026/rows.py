"""Rows on correlations over domains (C4 to C11, C16), in the shape in which they are recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from saebook.papers.zhang2026 import sts
from saebook.papers.zhang2026.baselines import baselines, strength
from saebook.papers.zhang2026.drawn import drawn_frame, drawn_summary
from saebook.papers.zhang2026.evidence import Evidence, Pair, widened
from saebook.papers.zhang2026.plan import FAMILIES, MAIN
from saebook.papers.zhang2026.saes import DEPTHS, SPARSITIES
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


def sparsity_row(evidence: Evidence) -> Row | None:
    """C8: r at the sparsest minus the densest SAE, mean over the main sources."""
    layer = evidence.config.layer
    names = [f"L0 {s:g}" for s in SPARSITIES]
    by_name = {
        name: list(evidence.pairs("skill", MAIN, sae=(layer, name)).values()) for name in names
    }
    default, again = evidence.default[1], f"{evidence.default[1]} seed 1"
    k = len(by_name[names[0]])
    both = [list(evidence.pairs("skill", MAIN, sae=(layer, n)).values()) for n in (default, again)]
    if not k or not all(both):
        return None
    pairs = [*by_name[names[0]], *by_name[names[-1]]]
    twins = [np.mean([pearson(*pair) for pair in own]) for own in both]
    return {
        **evidence.interval(pairs, lambda r: r[:k].mean(0) - r[k:].mean(0)),
        "n": evidence.n_seeds("skill", MAIN[0]),
        "controls": {"drop_between_two_seeds_of_one_sparsity": float(twins[0] - twins[1])},
        "detail": {
            name: float(np.mean([pearson(*p) for p in own])) for name, own in by_name.items()
        },
    }


def layers_row(evidence: Evidence) -> Row | None:
    """C9: largest minus smallest r over three depths, mean over the main sources."""
    name = evidence.default[1]
    pairs, flat, k = [], [], 0
    for layer in DEPTHS:
        own = evidence.pairs("skill", MAIN, sae=(layer, name))
        k = len(own)
        pairs += list(own.values())
        flat += list(evidence.pairs("format", MAIN, sae=(layer, name)).values())
    if not flat or len(pairs) < k * len(DEPTHS) or not k:
        return None

    def span(r: np.ndarray) -> np.ndarray:
        by_layer = r.reshape(len(DEPTHS), k, -1).mean(1)
        return by_layer.max(0) - by_layer.min(0)

    r = np.array([pearson(*pair) for pair in pairs]).reshape(len(DEPTHS), k).mean(1)
    return {
        **evidence.interval(pairs, span),
        "n": evidence.n_seeds("skill", MAIN[0]),
        "controls": {
            "range_in_the_format_world_mean_r": float(np.mean([pearson(*p) for p in flat]))
        },
        "detail": {str(layer): float(value) for layer, value in zip(DEPTHS, r, strict=True)},
    }


def rank_sets(change: np.ndarray, n: int, end: int | None = None) -> dict[str, np.ndarray]:
    """Return the top n latents, those up to `end` (ten times as many by default), and the rest."""
    order, end = sts.top(change, len(change)), end or 11 * n
    return {"top": order[:n], "middle": order[n:end], "low": order[end:]}


def rank_steps(
    evidence: Evidence, pairs: Mapping[str, Sequence[Pair]]
) -> dict[str, dict[str, float]]:
    """Return the steps of r from the top set to the middle to the low, means over their pairs."""
    k, flat = len(pairs["top"]), [pair for own in pairs.values() for pair in own]
    steps = {
        "top over middle": lambda r: r[:k].mean(0) - r[k : 2 * k].mean(0),
        "middle over low": lambda r: r[k : 2 * k].mean(0) - r[2 * k :].mean(0),
    }
    return {name: evidence.interval(flat, step) for name, step in steps.items()}


def rank_row(evidence: Evidence) -> Row | None:
    """C10: steps of r from the top set to the middle to the low, mean over the main sources."""
    pairs: dict[str, list[Pair]] = {"top": [], "middle": [], "low": []}
    shuffled: list[float] = []
    rng = np.random.default_rng(evidence.config.seed)
    for source, (_, size) in evidence.pairs("skill", MAIN).items():
        change = evidence.change("skill", source)
        n = len(evidence.chosen(change))
        for name, latents in rank_sets(change, n).items():
            pairs[name].append((evidence.scores("skill", source, chosen=latents), size))
        for _ in range(100):
            mixed = rank_sets(rng.permutation(change), n)
            a, b = (evidence.scores("skill", source, chosen=mixed[m]) for m in ("top", "middle"))
            shuffled.append(pearson(a, size) - pearson(b, size) if np.ptp(a) * np.ptp(b) else 0.0)
    if not pairs["top"]:
        return None
    return {
        **named_parts(rank_steps(evidence, pairs)),
        "n": evidence.n_seeds("skill", MAIN[0]),
        "controls": {"step_with_shuffled_ranks": float(np.mean(shuffled))},
        "detail": {name: [pearson(*pair) for pair in own] for name, own in pairs.items()},
    }


def baselines_row(evidence: Evidence) -> Row | None:
    """C11: r of STS_ICL minus the best baseline's, both means over the main sources."""
    sources = list(evidence.pairs("skill", MAIN))
    flat = list(evidence.pairs("format", MAIN))
    if not sources or not flat:
        return None
    table = baseline_pairs(evidence, "skill", sources)
    other = baseline_pairs(evidence, "format", flat)
    r_flat = {n: np.mean(strength(n, np.array([pearson(*p) for p in other[n]]))) for n in other}
    means = {n: float(np.mean(strength(n, _rs(pairs)))) for n, pairs in table.items()}
    return {
        **lead_interval(evidence, table),
        "n": evidence.n_seeds("skill", MAIN[0]),
        "controls": {
            "lead_in_the_format_world_over_prompt_length": float(
                r_flat["STS_ICL"] - r_flat["prompt length"]
            )
        },
        "detail": {"r": means, "r_in_the_format_world": {k: float(v) for k, v in r_flat.items()}},
    }


def lead_interval(evidence: Evidence, table: Mapping[str, Sequence[Pair]]) -> dict[str, float]:
    """Return r of the first score minus the best of the others, means over their pairs.

    Args:
        evidence: Records and choices.
        table: As `baseline_pairs` gives it.
    """
    names = list(table)

    def lead(r: np.ndarray) -> np.ndarray:
        by_name = r.reshape(len(names), len(table[names[0]]), -1)
        mean = np.stack([strength(n, by_name[i]).mean(0) for i, n in enumerate(names)])
        return mean[0] - mean[1:].max(0)

    return evidence.interval([pair for pairs in table.values() for pair in pairs], lead)


def _rs(pairs: Sequence[Pair]) -> np.ndarray:
    return np.array([pearson(*pair) for pair in pairs])


def baseline_pairs(evidence: Evidence, kind: Kind, sources: Sequence[str]) -> dict[str, list[Pair]]:
    """Return score and size of every source for STS_ICL (first) and each baseline."""
    found: dict[str, list[Pair]] = {"STS_ICL": list(evidence.pairs(kind, sources).values())}
    for source in sources:
        sizes = evidence.sizes(kind, source)
        assert sizes is not None
        for name, score in baselines(evidence, kind, source).items():
            found.setdefault(name, []).append((score, sizes))
    return found


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
