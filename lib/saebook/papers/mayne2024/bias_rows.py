"""Rows on the bias-driven latent (R7, R8), and what a planted bias does to all bias rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd
import torch

from saebook.papers.mayne2024.arms import KINDS, Arm, control_overlaps, overlap_cells
from saebook.papers.mayne2024.bias_latent import (
    bias_latent,
    scaled_ratios,
    text_cosine,
    text_projection,
    vector_projections,
)
from saebook.papers.mayne2024.gauge import (
    emptying_shift,
    planting_shift,
    regauge,
    steady_direction,
)
from saebook.papers.mayne2024.parameters import Parameters
from saebook.papers.mayne2024.rows import Passes, Row, named, passing
from saebook.stats import Interval

PLANTED, EMPTIED = "planted", "emptied"


def planted_arms(arm: Arm) -> dict[str, Arm]:
    """The arm's SAE twice more, with SAE(0) filled and with SAE(0) emptied by a gauge shift.

    Ours, not the paper's: the same codes on ordinary text up to what `code_changes` reports.
    """
    vectors = torch.stack([c.vector for c in arm.contrasts.values()])
    direction = steady_direction(arm.text, across=vectors)  # so that no vector moves along it
    shifts = {
        PLANTED: planting_shift(arm.sae, arm.text, vectors),
        EMPTIED: emptying_shift(arm.sae),
    }
    return {
        name: replace(arm, name=name, sae=regauge(arm.sae, direction, shift))
        for name, shift in shifts.items()
    }


def projections_row(mean3: Arm, mean0: Arm, config: Parameters) -> Row:
    """R7: where text and the vectors lie along the bias-driven latent, in units of its bias.

    Of the seven vectors the one that lowers the latent most speaks.
    """
    found = bias_latent(mean3)
    text = text_projection(mean3, found)
    vectors = vector_projections(mean3, found, config.n_resamples, config.seed)
    lowest = min(vectors.values(), key=lambda interval: interval.estimate)
    parts = {"text": text, "vector": lowest}
    cosines = {
        arm.name: text_cosine(arm, latent)
        for arm, latent in ((mean3, found), (mean0, bias_latent(mean0)))
    }
    return {
        **named(parts),
        "n": len(mean3.text),
        "controls": {"text_cosine_at_mean0_over_mean3": cosines[mean0.name] / cosines[mean3.name]},
        "detail": {
            "latent": found.latent,
            "bias": found.bias,
            "text_cosine": cosines,
            "text_projection_at_mean0": text_projection(mean0, bias_latent(mean0)).estimate,
            "by_behaviour": {name: i.estimate for name, i in vectors.items()},
        },
    }


def scaled_row(mean3: Arm, mean0: Arm, passes: Passes, config: Parameters) -> Row:
    """R8: the bias-driven latent in SAE(alpha v), over the end of its range on ordinary text."""
    cells = _ratios(mean3, config)
    bare = _ratios(mean0, config)
    return {
        **named(cells),
        "n": config.n_pairs,
        "controls": {"behaviours_passing_at_mean0": passing(bare, passes)},
        "detail": {"latent": bias_latent(mean3).latent},
    }


def _ratios(arm: Arm, config: Parameters) -> dict[str, Interval]:
    """Cells of R8; a latent that is not active at zero is not driven by the bias and gives 0."""
    found = bias_latent(arm)
    ratios = scaled_ratios(arm, found, config.n_resamples, config.seed)
    return ratios if found.active else dict.fromkeys(ratios, Interval(0.0, 0.0, 0.0))


def gauge_frame(
    arms: Mapping[str, Arm], passes: Mapping[str, Passes], config: Parameters
) -> pd.DataFrame:
    """The bias rows on each arm: how many behaviours pass R5 and R8, and what R7 and R14 read.

    R7 is missing where no latent is active at zero and there is no bias to measure in.

    Args:
        arms: By the name of the SAE.
        passes: The ledger's rule for one cell of R5 and of R8.
        config: Draws, resamples and seed.
    """
    rows = {name: _gauged(arm, passes, config) for name, arm in arms.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("SAE")


def _gauged(arm: Arm, passes: Mapping[str, Passes], config: Parameters) -> dict[str, float]:
    found, seed = bias_latent(arm), config.seed
    random = control_overlaps(arm, KINDS[0], config.n_draws, seed)
    read = {
        "active in SAE(0)": int((arm.at_zero > 0).sum()),
        "R5: behaviours passing": passing(overlap_cells(arm, 50, seed), passes["R5"]),
        "R14: overlap of a random vector": float(random.float().mean()),
        "R8: behaviours passing": passing(_ratios(arm, config), passes["R8"]),
    }
    if not found.active:
        return read
    vectors = vector_projections(arm, found, 50, seed)
    return read | {
        "R7: text, in biases": text_projection(arm, found).estimate,
        "R7: lowest vector, in biases": min(i.estimate for i in vectors.values()),
    }
