"""Rows on what the correlation depends on (C8 to C11): sparsity, layer, rank, and other scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from saebook.papers.zhang2026 import sts
from saebook.papers.zhang2026.baselines import baselines, strength
from saebook.papers.zhang2026.evidence import Evidence, Pair
from saebook.papers.zhang2026.plan import MAIN
from saebook.papers.zhang2026.rows import Row, named_parts
from saebook.papers.zhang2026.saes import DEPTHS, SPARSITIES
from saebook.papers.zhang2026.worlds import Kind
from saebook.stats import pearson


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
