"""Measurements in the shape in which a result is recorded: estimate, low, high, n, controls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from saebook.papers.mayne2024.arms import (
    KINDS,
    Arm,
    control_overlaps,
    median_overlap,
    norm_cells,
    overlap_cells,
)
from saebook.papers.mayne2024.effects import median_kept, share_kept
from saebook.papers.mayne2024.parameters import Parameters
from saebook.papers.mayne2024.signs import (
    LatentSigns,
    latent_signs,
    negative_share,
    significant_share_when_shuffled,
    silenced_on_the_positive_side,
    silenced_share,
)
from saebook.papers.mayne2024.spurious import (
    lit_latents,
    spurious_in_difference,
    spurious_share,
    spurious_when_random,
)
from saebook.papers.mayne2024.steerability import RANDOM, WITH_BIAS, WITHOUT_BIAS
from saebook.papers.mayne2024.vectors import percentile_without_the_mean, typical_percentile
from saebook.stats import Interval

Row = dict[str, Any]
Passes = Callable[[float], bool]
"""The ledger's rule for one cell."""
TOP_K = 40
"""Latents that count as relevant to a behaviour (R11)."""


def named(intervals: Mapping[str, Interval]) -> Row:
    """Estimate, low and high of several intervals, each by the intervals' names."""
    ends = ("estimate", "low", "high")
    return {end: {name: getattr(i, end) for name, i in intervals.items()} for end in ends}


def passing(cells: Mapping[str, Interval], passes: Passes) -> int:
    """How many cells pass by their estimates."""
    return sum(passes(cell.estimate) for cell in cells.values())


def norms_row(mean3: Arm, mean0: Arm, passes: Passes, config: Parameters) -> Row:
    """R4: percentile of each vector's norm; the controls ask what the mean alone would do.

    Args:
        mean3: House model with residual mean 3.
        mean0: House model without.
        passes: The ledger's rule for one cell.
        config: Resamples and seed.
    """
    cells = norm_cells(mean3, config.n_resamples, config.seed)
    bare = norm_cells(mean0, config.n_resamples, config.seed)
    ratios = {name: mean3.alpha(name) for name in mean3.contrasts}
    by_the_mean = {
        f"behaviours_passing_by_the_mean_alone_at_{where}": sum(
            passes(percentile_without_the_mean(arm.text, c)) for c in arm.contrasts.values()
        )
        for where, arm in (("mean3", mean3), ("mean0", mean0))
    }
    return {
        **named(cells),
        "n": len(mean3.text),
        "controls": {
            "percentile_of_a_typical_activation": typical_percentile(mean3.norms),
            **by_the_mean,
        },
        "detail": {
            "median_norm_over_vector_norm": ratios,
            "mean_share": mean3.mean_share,
            "behaviours_passing_at_mean0": passing(bare, passes),
        },
    }


def overlap_row(mean3: Arm, mean0: Arm, planted: Arm, passes: Passes, config: Parameters) -> Row:
    """R5: top-five overlap of SAE(v) with SAE(0) by behaviour; arguments as `norms_row`.

    `planted` is the arm whose SAE(0) is filled by a gauge shift: there the overlap has to show.
    """
    cells = overlap_cells(mean3, config.n_resamples, config.seed)
    bare = overlap_cells(mean0, config.n_resamples, config.seed)
    filled = overlap_cells(planted, config.n_resamples, config.seed)
    active = {arm.name: int((arm.at_zero > 0).sum()) for arm in (mean3, mean0, planted)}
    return {
        **named(cells),
        "n": config.n_pairs,
        "controls": {
            "behaviours_passing_at_mean0": passing(bare, passes),
            "behaviours_passing_with_planted_bias": passing(filled, passes),
        },
        "detail": {"active_at_zero": active},
    }


def meaningless_row(mean3: Arm, mean0: Arm, planted: Arm, config: Parameters) -> Row:
    """R14: the same overlap for random vectors and for shuffled labels; arms as `overlap_row`."""
    controls = {
        f"random_vector_overlap_{where}": meaningless_overlap(arm, KINDS[0], config).estimate
        for where, arm in (("at_mean0", mean0), ("with_planted_bias", planted))
    }
    return {
        **named({kind: meaningless_overlap(mean3, kind, config) for kind in KINDS}),
        "n": config.n_draws * len(mean3.contrasts),
        "controls": controls,
    }


def meaningless_overlap(arm: Arm, kind: str, config: Parameters) -> Interval:
    """Median over behaviours of the overlap with SAE(0) of one of `KINDS` of vectors (R14)."""
    overlaps = control_overlaps(arm, kind, config.n_draws, config.seed)
    return median_overlap(overlaps, config.n_resamples, config.seed)


def all_signs(arm: Arm, config: Parameters) -> list[LatentSigns]:
    """Every behaviour's latents on prompts and in the encoded vector (section 3.2)."""
    return [
        latent_signs(arm.sae, contrast, arm.alpha(name), config.n_resamples, config.seed)
        for name, contrast in arm.contrasts.items()
    ]


def silenced_row(signs: Sequence[LatentSigns], config: Parameters) -> Row:
    """R9: share of negative-side latents that the encoded vector shows as zero."""
    share, n = silenced_share(list(signs), config.n_resamples, config.seed)
    control = silenced_on_the_positive_side(list(signs))
    counts = {s.behaviour: int(s.negative.sum()) for s in signs}
    return {
        **share._asdict(),
        "n": n,
        "controls": {"share_silenced_on_the_positive_side": control},
        "detail": {"negative_latents": counts},
    }


def spurious_row(arm: Arm, signs: Sequence[LatentSigns], config: Parameters) -> Row:
    """R10: of the latents that the scaled vector lights, the share that prompts never light."""
    share, n = spurious_share(arm, signs, config.n_resamples, config.seed)
    lit = {s.behaviour: int(lit_latents(arm, s).sum()) for s in signs}
    strongest = dict.fromkeys(lit, TOP_K)
    return {
        **share._asdict(),
        "n": n,
        "controls": {
            "share_in_the_difference_of_encodings": spurious_in_difference(arm, signs, strongest),
            "share_lit_by_a_random_vector": spurious_when_random(arm, config.n_draws, config.seed),
        },
        "detail": {
            "lit_latents": lit,
            "share_in_the_difference_at_as_many": spurious_in_difference(arm, signs, lit),
        },
    }


def negative_row(
    arm: Arm, signs: Sequence[LatentSigns], config: Parameters, top_k: int = TOP_K
) -> Row:
    """R11: share of the most different latents that fire more on negatives, by behaviour."""
    cells = {s.behaviour: negative_share(s.difference, top_k) for s in signs}
    shuffled = [
        significant_share_when_shuffled(
            arm.sae, contrast, top_k, config.n_resamples, config.seed + i
        )
        for i, contrast in enumerate(arm.contrasts.values())
    ]
    other = {
        str(k): {s.behaviour: negative_share(s.difference, k).estimate for s in signs}
        for k in (top_k // 2, 2 * top_k)
    }
    differing = {s.behaviour: int((s.difference != 0).sum()) for s in signs}
    return {
        **named(cells),
        "n": min(top_k, *differing.values()),
        "controls": {"significant_share_under_shuffled_labels": sum(shuffled) / len(shuffled)},
        "detail": {"share_at_other_k": other, "latents_that_differ": differing},
    }


def kept_row(frame: pd.DataFrame, steered: Sequence[str], config: Parameters) -> Row:
    """R13: steerability that the SAE's reconstruction keeps, over the behaviours that steer.

    Args:
        frame: Output of `steer_all`.
        steered: Behaviours that the vector itself steers; all where it steers none, in which case
            the gate has failed and the row is inconclusive whatever comes out.
        config: Measure, resamples and seed.
    """
    over = list(steered) or frame["behaviour"].unique().tolist()
    kept = {
        name: median_kept(
            share_kept(frame, name, over, config.measure), config.n_resamples, config.seed
        )
        for name in (WITH_BIAS, WITHOUT_BIAS, RANDOM)
    }
    control = kept.pop(RANDOM).estimate
    return {
        **named(kept),
        "n": config.n_prompts,
        "controls": {"share_kept_by_a_random_direction": control},
        "detail": {"steered": list(steered), "measure": config.measure},
    }
