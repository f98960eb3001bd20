"""R4 to R11 and R14 of the ledger's paper block: the paper's own latents on its own SAE."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from saebook.papers.mayne2024 import fingerprint, tables
from saebook.papers.mayne2024.arms import KINDS, Arm, norm_cells, overlap_cells
from saebook.papers.mayne2024.bias_latent import (
    BiasLatent,
    natural_end,
    on_text,
    scaled_ratios,
    text_projection,
    vector_projections,
)
from saebook.papers.mayne2024.overlap import shared_top
from saebook.papers.mayne2024.parameters import Parameters
from saebook.papers.mayne2024.rows import Row, all_signs, meaningless_overlap, named, negative_row
from saebook.papers.mayne2024.signs import LatentSigns
from saebook.papers.mayne2024.spurious import firing_rates
from saebook.papers.mayne2024.vectors import (
    Contrast,
    shuffled_signs,
    spread_interval,
    typical_percentile,
)
from saebook.stats import Interval, proportion_interval

RELEVANT = 100
"""Latents that count as relevant to a behaviour (Table 2)."""
N_ORDINARY = 1_000
"""Ordinary activations whose codes are held against SAE(0)."""
MAIN = tables.CORRIGIBLE
BIAS = BiasLatent(tables.BIAS_LATENT, tables.BIAS_PRINTED, active=True)


def all_rows(arm: Arm, threshold: Tensor, config: Parameters) -> dict[str, Row]:
    """Rows R4 to R11 and R14, as `Results.record` takes them.

    Args:
        arm: The paper's model and SAE, with the behaviours of Table 1 among its pairs.
        threshold: Of the SAE [d_sae].
        config: Draws, resamples and seed.

    Raises:
        ValueError: The SAE is too narrow to have the printed latents.
    """
    signs = all_signs(arm, config)
    own = next(s for s in signs if s.behaviour == MAIN)
    return {
        "R4": norm_row(arm, config),
        "R5": overlap_row(arm, config),
        "R6": printed_values_row(arm, threshold, config),
        "R7": projections_row(arm, config),
        "R8": scaled_row(arm, config),
        "R9": silenced_row(arm, own, config),
        "R10": spurious_row(arm, own, config),
        "R11": in_latents(negative_row(arm, signs, config, RELEVANT)),
        "R14": meaningless_row(arm, config),
    }


def norm_row(arm: Arm, config: Parameters) -> Row:
    """R4: percentile of the corrigibility vector's norm."""
    cells = norm_cells(arm, config.n_resamples, config.seed)
    return {
        **cells[MAIN]._asdict(),
        "n": len(arm.text),
        "controls": {"percentile_of_a_typical_activation": typical_percentile(arm.norms)},
        "detail": {
            "by_behaviour": {name: cell.estimate for name, cell in cells.items()},
            "median_norm_over_vector_norm": {name: arm.alpha(name) for name in cells},
        },
    }


def overlap_row(arm: Arm, config: Parameters) -> Row:
    """R5: top-five overlap with SAE(0), at any value, of the behaviours of Table 1."""
    printed = replace(arm, contrasts={name: arm.contrasts[name] for name in tables.BEHAVIOURS})
    return {
        **named(overlap_cells(printed, config.n_resamples, config.seed, within=None)),
        "n": len(arm.contrasts[MAIN].positive),
        "controls": {"overlap_of_an_ordinary_activation": ordinary_overlap(arm)},
    }


def printed_values_row(arm: Arm, threshold: Tensor, config: Parameters) -> Row:
    """R6: largest difference from the printed columns, pairs resampled."""
    found, spread = {}, []
    for name in tables.BEHAVIOURS:
        contrast, printed = arm.contrasts[name], tables.TABLE_1[name]
        found[name] = fingerprint.match_column(arm.encoded(contrast.vector), printed)
        codes = arm.sae.encode(contrast.resampled(config.n_resamples, config.seed))
        spread.append([fingerprint.match_column(c, printed).largest_difference for c in codes])
    own = max(match.largest_difference for match in found.values())
    zero = fingerprint.zero_column(arm.sae.b_enc, threshold)
    return {
        **spread_interval(own, torch.tensor(spread).amax(0))._asdict(),
        "n": len(arm.contrasts[MAIN].positive),
        "controls": {"difference_of_the_zero_vector": zero.largest_difference},
        "detail": {name: list(match.latents) for name, match in found.items()},
    }


def projections_row(arm: Arm, config: Parameters) -> Row:
    """R7: text along latent 4888, in its printed biases, and the vector, in activation units."""
    text = text_projection(arm, BIAS)
    in_biases = vector_projections(arm, BIAS, config.n_resamples, config.seed)
    fires = float((on_text(arm, BIAS.latent)[0] > 0).double().mean())
    return {
        **named({"text": text, "vector": _times(in_biases[MAIN], BIAS.bias)}),
        "n": len(arm.text),
        "controls": {"share_of_text_tokens_on_which_4888_fires": fires},
        "detail": {name: BIAS.bias * cell.estimate for name, cell in in_biases.items()},
    }


def scaled_row(arm: Arm, config: Parameters) -> Row:
    """R8: latent 4888 in SAE(alpha v), over the end of its range on text."""
    ratios = scaled_ratios(arm, BIAS, config.n_resamples, config.seed)
    typical = float(on_text(arm, BIAS.latent)[0].median()) / natural_end(arm, BIAS.latent)
    return {
        **ratios[MAIN]._asdict(),
        "n": len(arm.contrasts[MAIN].positive),
        "controls": {"ratio_of_a_typical_activation": typical},
        "detail": {name: ratio.estimate for name, ratio in ratios.items()},
    }


def silenced_row(arm: Arm, signs: LatentSigns, config: Parameters) -> Row:
    """R9: latent 14004 on prompts, along the vector, and in the vector's code at both norms."""
    latent, contrast = tables.SILENCED_LATENT, arm.contrasts[MAIN]
    difference = (signs.difference, signs.high, signs.low)  # of positive minus negative
    parts = {
        "negative minus positive": Interval(*(-float(end[latent]) for end in difference)),
        **_along(arm, contrast, latent, config),
        "SAE(v)": _in_code(arm, contrast, latent, 1.0, config),
        "SAE(alpha v)": _in_code(arm, contrast, latent, arm.alpha(MAIN), config),
    }
    change = arm.sae.encode(contrast.positive) - arm.sae.encode(contrast.negative)
    flips = shuffled_signs(len(change), config.n_resamples, config.seed)
    shuffled = (flips @ change[:, latent] / len(change)).abs().quantile(0.975)
    return {
        **named(parts),
        "n": len(change),
        "controls": {"difference_under_shuffled_labels": float(shuffled)},
    }


def spurious_row(arm: Arm, signs: LatentSigns, config: Parameters) -> Row:
    """R10: latent 3517 on prompts, along the vector, and in the code of the scaled vector."""
    latent, contrast, alpha = tables.SPURIOUS_LATENT, arm.contrasts[MAIN], arm.alpha(MAIN)
    n = len(contrast.positive)
    fires = max(float(rate[latent]) for rate in firing_rates(arm, MAIN))
    parts = {
        "firing rate": proportion_interval(round(fires * n), n),
        **_along(arm, contrast, latent, config),
        "SAE(alpha v)": _in_code(arm, contrast, latent, alpha, config),
    }
    random = arm.sae.encode(alpha * contrast.random(config.n_draws, config.seed))[:, latent]
    return {
        **named(parts),
        "n": n,
        "controls": {"SAE_of_a_random_vector": float(random.median())},
        "detail": {"SAE(v)": float(signs.encoded[latent])},
    }


def meaningless_row(arm: Arm, config: Parameters) -> Row:
    """R14: top-five overlap with SAE(0) of vectors that mean nothing."""
    return {
        **named({kind: meaningless_overlap(arm, kind, config) for kind in KINDS}),
        "n": config.n_draws * len(arm.contrasts),
        "controls": {"overlap_of_an_ordinary_activation": ordinary_overlap(arm)},
    }


def ordinary_overlap(arm: Arm) -> float:
    """Median top-five overlap with SAE(0) of ordinary activations, evenly spaced over the text."""
    some = arm.text[:: max(1, len(arm.text) // N_ORDINARY)][:N_ORDINARY]
    return float(shared_top(arm.at_zero, arm.sae.encode(some)).float().quantile(0.5))


def in_latents(row: Row) -> Row:
    """R11 with its shares as numbers of latents out of `RELEVANT`."""
    counts = {
        end: {name: RELEVANT * share for name, share in row[end].items()}
        for end in ("estimate", "low", "high")
    }
    return {**row, **counts}


def _along(arm: Arm, contrast: Contrast, latent: int, config: Parameters) -> dict[str, Interval]:
    direction = arm.sae.W_enc[:, latent]
    spread = contrast.resampled(config.n_resamples, config.seed) @ direction
    return {"projection of the vector": spread_interval(contrast.vector @ direction, spread)}


def _in_code(
    arm: Arm, contrast: Contrast, latent: int, scale: float, config: Parameters
) -> Interval:
    """A latent in the code of the vector times `scale`, pairs resampled."""
    spread = arm.sae.encode(scale * contrast.resampled(config.n_resamples, config.seed))
    return spread_interval(arm.encoded(scale * contrast.vector)[latent], spread[:, latent])


def _times(interval: Interval, factor: float) -> Interval:
    return Interval(*(factor * end for end in interval))
