"""Rows on sets of latents and on what is trained (C1 to C3, C12 to C15, C17)."""

from __future__ import annotations

from typing import Any

import numpy as np

from saebook.papers.zhang2026 import sts
from saebook.papers.zhang2026.cells import TARGET, Cell
from saebook.papers.zhang2026.evidence import Evidence, widened
from saebook.papers.zhang2026.plan import ALL_LATENTS, LATENT_COUNTS, MAIN, MIXES, WHICH
from saebook.papers.zhang2026.rows import Row, named_parts
from saebook.papers.zhang2026.worlds import SOURCES
from saebook.stats import pearson, t_interval
from saebook.testbed.lexicon import DOMAINS

TAUGHT = 5.0
"""Accuracy on the target, percent, below which no set of latents has taught anything."""


def concentrations(
    evidence: Evidence, cell: Cell, n: int | None = None
) -> tuple[float, float] | None:
    """Return the share of a cell's change in the top n latents and in as large a share of raw.

    Args:
        evidence: Records and choices.
        cell: A fine-tuning.
        n: Latents; by default the paper's share of the dictionary.

    Returns:
        None where the shift is not on record.
    """
    layer, name = evidence.default
    found = []
    width = len(evidence.change("skill", cell.source))
    share = (n or sts.n_by_ratio(width)) / width
    for sae in (name, "raw"):
        shift = evidence.records.shift(cell, layer, sae)
        if shift is None:
            return None
        variance = evidence.change("skill", cell.source, "variance", (layer, sae))
        found.append(sts.concentration(shift, variance, share))
    return found[0], found[1]


def concentration_row(evidence: Evidence) -> Row | None:
    """C1: share of the change in the top latents, and its lead over raw dimensions."""
    held = [concentrations(evidence, c) for c in evidence.cells("skill", MAIN)]
    null = [concentrations(evidence, c) for c in evidence.cells("null", MAIN)]
    pairs, still = [p for p in held if p], [p for p in null if p]
    if len(pairs) < 2 or not still:
        return None
    parts = {
        "share": t_interval([a for a, _ in pairs])._asdict(),
        "lead over raw": t_interval([a - b for a, b in pairs])._asdict(),
    }
    control = float(np.mean([a for a, _ in still]))
    return {
        **named_parts(parts),
        "n": len(pairs),
        "controls": {"share_after_null_fine_tuning": control},
        "detail": {"raw": float(np.mean([b for _, b in pairs]))},
    }


def overlap_row(evidence: Evidence) -> Row | None:
    """C2: overlap with the truly shifted latents, foreseen minus largest second moment."""
    layer, name = evidence.default
    leads, own, unrelated = [], [], []
    for cell in evidence.cells("skill", list(SOURCES)):
        shift = evidence.records.shift(cell, layer, name)
        if shift is None:
            continue
        overlaps = {
            pairing: sts.overlap(evidence.change("skill", cell.source, pairing), shift)
            for pairing in ("aligned", "second_moment", "unrelated")
        }
        leads.append(round(overlaps["aligned"] - overlaps["second_moment"], 6))
        own.append(overlaps["aligned"])
        unrelated.append(overlaps["unrelated"] - overlaps["aligned"])
    if len(leads) < 2:
        return None
    key = "overlap_with_demonstrations_of_an_unrelated_domain_minus_own"
    chance = sts.OVERLAP_TOP / len(evidence.change("skill", MAIN[0]))
    return {
        **t_interval(leads)._asdict(),
        "n": len(leads),
        "controls": {key: float(np.mean(unrelated))},
        "detail": {"overlap": float(np.mean(own)), "chance": chance},
    }


def zeroing_row(evidence: Evidence) -> Row | None:
    """C3: what zeroing the shifted latents costs beyond zeroing latents as active as they are."""
    cell = Cell("skill", evidence.family, MAIN[0], 0, "before")
    held = {
        name: evidence.records.bits(cell, f"zero {name}")
        for name in ("none", "shifted", *(f"matched {i}" for i in range(5)))
    }
    bits = {name: b.astype(float) for name, b in held.items() if b is not None}
    if "shifted" not in bits:
        return None
    matched = np.mean([b for name, b in bits.items() if name.startswith("matched")], axis=0)
    costs = {name: float((bits["none"] - b).mean()) for name, b in bits.items()}
    return {
        **t_interval(matched - bits["shifted"])._asdict(),
        "n": len(matched),
        "controls": {
            "loss_difference_of_two_matched_random_sets": costs["matched 0"] - costs["matched 1"]
        },
        "detail": {"accuracy": float(bits["none"].mean()), "cost": costs},
    }


def _seed_values(evidence: Evidence, variant: str, exam: str) -> dict[int, float]:
    """Accuracy on an exam after each seed of a variant of the main source, percent."""
    found = {}
    for cell in evidence.cells("skill", MAIN[:1], variant):
        bits = evidence.records.bits(cell, exam)
        if bits is not None:
            found[cell.seed] = 100 * float(bits.mean())
    return found


def mixture_losses(evidence: Evidence) -> dict[str, dict[int, tuple[float, float]]]:
    """Return, by mixture and seed, the larger loss of the two domains and the target's accuracy.

    Percentage points; the two domains are those that the mixture's records hold.
    """
    found: dict[str, dict[int, tuple[float, float]]] = {}
    for mix in MIXES:
        cells = evidence.cells("skill", MAIN[:1], mix)
        for cell in cells:
            losses = []
            for domain in DOMAINS:
                after = evidence.records.bits(cell, domain)
                if after is not None:
                    before = evidence.records.before("skill", evidence.family, domain)
                    losses.append(100 * float(before.mean() - after.mean()))
            target = evidence.records.bits(cell, TARGET)
            if losses and target is not None:
                found.setdefault(mix, {})[cell.seed] = (max(losses), 100 * float(target.mean()))
    return found


def mixture_row(evidence: Evidence) -> Row | None:
    """C12: larger loss under the score's proportion minus equal shares, and the target's cost."""
    held = mixture_losses(evidence)
    kinds = ("mix-none", "mix-score", "mix-equal")
    seeds = sorted(set.intersection(*(set(held.get(kind, {})) for kind in kinds)))
    if len(seeds) < 2:
        return None
    lead = [held["mix-score"][s][0] - held["mix-equal"][s][0] for s in seeds]
    cost = [held["mix-none"][s][1] - held["mix-score"][s][1] for s in seeds]
    equal = [held["mix-equal"][s][0] for s in seeds]
    control = equal[0] - equal[1]
    parts = {
        "against equal shares": t_interval(lead)._asdict(),
        "cost on target": t_interval(cost)._asdict(),
    }
    return {
        **named_parts(parts),
        "n": len(seeds),
        "controls": {"difference_between_two_seeds_of_equal_shares": control},
        "detail": {kind: [list(v) for v in by_seed.values()] for kind, by_seed in held.items()},
    }


def selective_row(evidence: Evidence) -> Row | None:
    """C13: target accuracy with foreseen latents trained, minus matched random ones.

    None where no set of latents teaches anything: without a positive control nothing is decided.
    """
    parts, between, n = {}, [], 0
    for count, label in zip(LATENT_COUNTS, ("3.5 percent", "10.5 percent"), strict=True):
        held = {w: _seed_values(evidence, f"latents-{count}-{w}", TARGET) for w in WHICH}
        seeds = sorted(set.intersection(*(set(v) for v in held.values())))
        if len(seeds) < 2 or max(max(v.values()) for v in held.values()) < TAUGHT:
            return None
        n = len(seeds)
        lead = [held["foreseen"][s] - held["matched"][s] for s in seeds]
        parts[label] = t_interval(lead)._asdict()
        between += [held["matched"][s] - held["matched2"][s] for s in seeds]
    return {
        **named_parts(parts),
        "n": n,
        "controls": {"lead_of_one_matched_random_set_over_another": float(np.mean(between))},
        "detail": {"all latents": list(_seed_values(evidence, ALL_LATENTS, TARGET).values())},
    }


def reinforced_row(evidence: Evidence) -> Row | None:
    """C14: what the true shift of reinforcement learning adds, and the drop in overlap.

    Seeds of the two kinds of training are paired in their order.
    """
    layer, name = evidence.default
    source = MAIN[0]
    change = evidence.change("skill", source)
    overlaps: dict[str, list[float]] = {}
    for variant in ("sft", "rl"):
        for cell in evidence.cells("skill", [source], variant):
            shift = evidence.records.shift(cell, layer, name)
            if shift is not None:
                overlaps.setdefault(variant, []).append(sts.overlap(change, shift))
    sizes = evidence.sizes("skill", source, "rl")
    shifts = [
        evidence.records.shift(c, layer, name) for c in evidence.cells("skill", [source], "rl")
    ]
    if sizes is None or min(len(overlaps.get(v, [])) for v in ("sft", "rl")) < 2:
        return None
    true = np.mean([shift for shift in shifts if shift is not None], axis=0)
    pairs = [
        (evidence.scores("skill", source, chosen=evidence.chosen(true)), sizes),
        (evidence.scores("skill", source), sizes),
    ]
    sft, rl = overlaps["sft"], overlaps["rl"]
    drop = t_interval([a - b for a, b in zip(sft, rl, strict=False)])._asdict()
    parts = {"correlation": evidence.interval(pairs, lambda r: r[0] - r[1]), "overlap": drop}
    control = sft[0] - sft[1]
    return {
        **named_parts(parts),
        "n": len(overlaps["rl"]),
        "controls": {"overlap_difference_between_two_supervised_seeds": control},
        "detail": {"r": [pearson(*p) for p in pairs], "overlaps": overlaps},
    }


def pairing_row(evidence: Evidence) -> Row | None:
    """C17: overlap of the lists by aligned and by unaligned comparison, over sources."""
    both, halves, detail = [], [], {}
    for source in SOURCES:
        change = {
            name: evidence.change("skill", source, name)
            for name in (
                "aligned", "unaligned", "last", "masked", "second_moment",
                "first_half", "second_half",
            )
        }  # fmt: skip
        both.append(sts.overlap(change["aligned"], change["unaligned"]))
        halves.append(sts.overlap(change["first_half"], change["second_half"]))
        for name in ("last", "masked"):
            detail.setdefault(f"aligned and {name}", []).append(
                sts.overlap(change["aligned"], change[name])
            )
        moment = sts.overlap(change["unaligned"], change["second_moment"])
        detail.setdefault("unaligned and second moment", []).append(moment)
    return {
        **t_interval(both)._asdict(),
        "n": len(both),
        "controls": {"overlap_of_two_aligned_halves": float(np.mean(halves))},
        "detail": {name: float(np.mean(values)) for name, values in detail.items()},
    }


def labels_row(evidence: Evidence, best: dict[int, str], source: str, skill: str) -> Row | None:
    """C15: share of foreseen latents that stand for the source's skill, over that of all.

    Args:
        evidence: Records and choices.
        best: The best concept of every live latent, see `labels.best_concepts`.
        source: Source domain.
        skill: The skill that the source changes.
    """
    wanted = {f"skill/{skill}", f"topic/{source}"}
    live = sorted(best)
    hits = np.array([best[j] in wanted for j in live], dtype=float)
    if not hits.any():
        return None
    ranked = [int(j) for j in sts.top(evidence.change("skill", source), sts.OVERLAP_TOP)]
    chosen = np.array([j in set(ranked) for j in live])
    rng = np.random.default_rng(evidence.config.seed)
    ratios: list[Any] = [hits[chosen].mean() / hits.mean()]
    own = hits[chosen]
    ratios += [
        rng.choice(own, len(own)).mean() / hits.mean() for _ in range(evidence.config.n_resamples)
    ]
    random = [rng.choice(hits, len(own), replace=False).mean() / hits.mean() for _ in range(400)]
    return {
        **widened(np.array(ratios)),
        "n": int(chosen.sum()),
        "controls": {"ratio_for_random_latents": float(np.mean(random))},
        "detail": {"base_share": float(hits.mean()), "share": float(own.mean())},
    }
