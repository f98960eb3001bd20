"""Rows of the ledger's paper block, from what was measured on the published models.

Where a row speaks of every model, the model on which it does worst counts, part by part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from saebook.hub.entries import published_sae
from saebook.papers.zhang2026 import sts
from saebook.papers.zhang2026.audit import EXTREMES
from saebook.papers.zhang2026.evidence import Evidence, Pair
from saebook.papers.zhang2026.published import SOURCE
from saebook.papers.zhang2026.rows import Row, named_parts, smallest_interval
from saebook.papers.zhang2026.rows_dependence import (
    baseline_pairs,
    lead_interval,
    rank_sets,
    rank_steps,
)
from saebook.papers.zhang2026.rows_latents import concentrations
from saebook.stats import proportion_interval, t_interval

Part = dict[str, float]
"""estimate, low and high."""
Parts = dict[str, Part]
Measure = Callable[[Evidence], Parts]
WHOLE = "whole"
"""Name of the part of a row that has no parts."""
MIDDLE_END = 10
"""Times the top set, where the paper's middle ranks end: 101 to 1000."""


def published_rows(held: Sequence[Evidence]) -> dict[str, Row]:
    """Return every row that published models can answer, as `Results.record` takes them.

    Args:
        held: Of each model.

    Raises:
        ValueError: No model.
    """
    if not held:
        raise ValueError("no model was measured")
    n_seeds = min(evidence.n_seeds("skill", SOURCE) for evidence in held)
    n = {"C4": 8 * n_seeds, "C6": 8 * n_seeds, "C16": 14 * n_seeds, "C17": held[0].n_latents}
    made = {
        claim: _row({e.family: measure(e) for e in held}, n.get(claim) or n_seeds)
        for claim, measure in MEASURES.items()
    }
    made["C16"] = _row({e.family: signed(e) for e in held}, n["C16"], worst=max)
    swept = {e.family: sparsity_drop(e) for e in held if len(_saes(e)) > 1}
    return made | ({"C8": _row(swept, n_seeds)} if swept else {})


def _row(by_model: Mapping[str, Parts], n: int, worst: Callable[..., Any] = min) -> Row:
    """Take each part from the model whose estimate is the worst; all stand in the detail."""
    names = next(iter(by_model.values()))
    chosen = {
        name: worst((parts[name] for parts in by_model.values()), key=lambda p: p["estimate"])
        for name in names
    }
    ends = named_parts(chosen) if WHOLE not in chosen else chosen[WHOLE]
    return {**ends, "n": n, "detail": {model: dict(parts) for model, parts in by_model.items()}}


def _part(interval: Any) -> Part:
    return dict(interval._asdict())


def _r(r: np.ndarray) -> np.ndarray:
    return r[0]


def pair(evidence: Evidence, score: str = "ICL", **choice: Any) -> Pair:
    """Return score and mean |change| of each domain, [14] both.

    Raises:
        ValueError: No fine-tuning is there.
    """
    sizes = evidence.sizes("skill", SOURCE)
    if sizes is None:
        raise ValueError(f"no fine-tuning of {evidence.family} is there")
    return evidence.scores("skill", SOURCE, score, **choice), sizes


def on_extremes(own: Pair) -> Pair:
    """Keep the four domains that change most and the four that change least, as the paper does."""
    order = np.argsort(-own[1], kind="stable")
    ends = np.r_[order[:EXTREMES], order[-EXTREMES:]]
    return own[0][ends], own[1][ends]


def concentration(evidence: Evidence) -> Parts:
    """C1: share of the change in the scored number of latents, and its lead over raw."""
    cells = evidence.cells("skill", [SOURCE])
    shares = [s for c in cells if (s := concentrations(evidence, c, evidence.n_latents))]
    return {
        "share": _part(t_interval([own for own, _ in shares])),
        "lead over raw": _part(t_interval([own - raw for own, raw in shares])),
    }


def overlap(evidence: Evidence) -> Parts:
    """C2: latents that foreseen and true shift have in common, and their lead, in latents."""
    layer, name = evidence.default
    n = evidence.n_latents or sts.OVERLAP_TOP
    lists = [evidence.change("skill", SOURCE, which) for which in ("aligned", "second_moment")]
    shifts = [
        shift
        for cell in evidence.cells("skill", [SOURCE])
        if (shift := evidence.records.shift(cell, layer, name)) is not None
    ]
    own, loud = ([n * sts.overlap(one, shift, n) for shift in shifts] for one in lists)
    lead = [a - b for a, b in zip(own, loud, strict=True)]
    return {"overlap": _part(t_interval(own)), "lead": _part(t_interval(lead))}


def main(evidence: Evidence) -> Parts:
    """C4: r of both scores on the eight extremes, and of STS_ICL on all domains."""
    pairs = {
        "act": on_extremes(pair(evidence, "act")),
        "ICL": on_extremes(pair(evidence)),
        "ICL on all domains": pair(evidence),
    }
    return {name: evidence.interval([own], _r) for name, own in pairs.items()}


def robustness(evidence: Evidence) -> Parts:
    """C6: smallest r over both scores when one of the eight domains is left out."""
    pairs = [on_extremes(pair(evidence, score)) for score in ("act", "ICL")]
    return {WHOLE: smallest_interval(evidence, pairs)}


def _saes(evidence: Evidence) -> list[tuple[int, str]]:
    """SAEs of a model by the order of their latents' mean number, sparsest first."""
    names = evidence.records.named(evidence.family, (f"change/skill/{SOURCE}/",))
    keys = {(int(n.split("/")[3]), n.split("/")[4]) for n in names}
    return sorted((k for k in keys if k[1] != "raw"), key=lambda k: published_sae(k[1]).l0 or 0)


def sparsity_drop(evidence: Evidence) -> Parts:
    """C8: r on the eight extremes at the sparsest SAE minus that at the densest."""
    ends = _saes(evidence)
    pairs = []
    for sae in (ends[0], ends[-1]):
        chosen = evidence.chosen(evidence.change("skill", SOURCE, sae=sae))
        pairs.append(on_extremes(pair(evidence, sae=sae, chosen=chosen)))
    return {WHOLE: evidence.interval(pairs, lambda r: r[0] - r[1])}


def ranks(evidence: Evidence) -> Parts:
    """C10: steps of r from the top latents to the next ranks to the rest."""
    change = evidence.change("skill", SOURCE)
    n = len(evidence.chosen(change))
    sets = rank_sets(change, n, MIDDLE_END * n)
    pairs = {name: [pair(evidence, chosen=latents)] for name, latents in sets.items()}
    return rank_steps(evidence, pairs)


def lead(evidence: Evidence) -> Parts:
    """C11: r of STS_ICL minus that of the best baseline."""
    return {WHOLE: lead_interval(evidence, baseline_pairs(evidence, "skill", [SOURCE]))}


def signed(evidence: Evidence) -> Parts:
    """C16: r of STS_ICL with the signed change, over all domains."""
    deltas = evidence.records.deltas("skill", evidence.family, SOURCE)
    if deltas is None:
        raise ValueError(f"no fine-tuning of {evidence.family} is there")
    return {WHOLE: evidence.interval([(pair(evidence)[0], deltas.mean(0))], _r)}


def pairing(evidence: Evidence) -> Parts:
    """C17: share of the predicted latents that aligned and unaligned comparison share."""
    n = evidence.n_latents or sts.OVERLAP_TOP
    aligned, other = (evidence.change("skill", SOURCE, w) for w in ("aligned", "unaligned"))
    return {WHOLE: _part(proportion_interval(round(n * sts.overlap(aligned, other, n)), n))}


MEASURES: Mapping[str, Measure] = {
    "C1": concentration,
    "C2": overlap,
    "C4": main,
    "C6": robustness,
    "C10": ranks,
    "C11": lead,
    "C17": pairing,
}
