"""Latents that light up though nothing in the prompts does (R10), and the opposed pairs behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from saebook.papers.mayne2024.arms import Arm
from saebook.papers.mayne2024.signs import LatentSigns, pooled_share
from saebook.stats import Interval
from saebook.steering import strongest

QUIET = 0.05
"""A latent that fires on fewer than 5 % of positive and of negative prompts fires on neither."""


def firing_rates(arm: Arm, behaviour: str) -> tuple[Tensor, Tensor]:
    """Share of positive and of negative prompts on which each latent fires, [d_sae] each."""
    contrast = arm.contrasts[behaviour]
    sides = (contrast.positive, contrast.negative)
    positive, negative = ((arm.sae.encode(side) > 0).float().mean(0) for side in sides)
    return positive, negative


def quiet(arm: Arm, behaviour: str, below: float = QUIET) -> Tensor:
    """Mask [d_sae] of latents that fire on fewer than `below` of both kinds of prompt."""
    positive, negative = firing_rates(arm, behaviour)
    return (positive < below) & (negative < below)


def lit_latents(arm: Arm, signs: LatentSigns) -> Tensor:
    """Mask [d_sae] of latents active in SAE(alpha v) and not in SAE(0)."""
    return (signs.encoded_scaled > 0) & (arm.at_zero == 0)


def spurious_share(
    arm: Arm, signs: Sequence[LatentSigns], draws: int, seed: int
) -> tuple[Interval, int]:
    """Share of the lit latents that fire on neither kind of prompt, and their number (R10).

    Pooled over behaviours; the interval as in `signs.pooled_share`.

    Raises:
        ValueError: No latent is lit by any vector.
    """
    hits = [quiet(arm, s.behaviour)[lit_latents(arm, s)].double().numpy() for s in signs]
    return pooled_share(hits, [s.behaviour for s in signs], draws, seed, "lit by a scaled vector")


def spurious_in_difference(
    arm: Arm, signs: Sequence[LatentSigns], wanted: Mapping[str, int]
) -> float:
    """The same share among the strongest latents of the difference of encodings, R10's control.

    Args:
        arm: The model's arm.
        signs: Of every behaviour.
        wanted: How many latents to look at by |mean difference|, by behaviour; latents that do
            not differ at all are never among them.
    """
    found = [quiet(arm, s.behaviour)[strongest(s.difference, wanted[s.behaviour])] for s in signs]
    return float(torch.cat(found).double().mean())


def spurious_when_random(arm: Arm, draws: int, seed: int) -> float:
    """The same share for random vectors of a typical activation's norm, pooled over behaviours."""
    hits = []
    for i, (name, contrast) in enumerate(arm.contrasts.items()):
        codes = arm.sae.encode(arm.alpha(name) * contrast.random(draws, seed + i))
        lit = (codes > 0) & (arm.at_zero == 0)
        hits.append(quiet(arm, name).expand_as(lit)[lit])
    pooled = torch.cat(hits)
    return float(pooled.double().mean()) if len(pooled) else 0.0


def opposed_pairs(arm: Arm, signs: Sequence[LatentSigns], below: float = QUIET) -> pd.DataFrame:
    """For each behaviour the negative-side latent and lit latent that oppose each other most.

    A row a behaviour that has both: silenced (the latent that fires more on negatives), lit (the
    one that SAE(alpha v) shows though it hardly fires on prompts), their cosine in the encoder and
    in the decoder, the silenced latent's mean on negatives minus positives, the lit latent's
    higher firing rate on the two kinds of prompt, and its value in SAE(alpha v). Like latents
    14004 and 3517 of the paper.
    """
    rows = []
    for s in signs:
        lit = (lit_latents(arm, s) & quiet(arm, s.behaviour, below)).nonzero().flatten()
        down = s.negative.nonzero().flatten()
        if len(lit) and len(down):
            rows.append(_most_opposed(arm, s, down, lit))
    columns = [
        "behaviour", "silenced", "lit", "encoder cosine", "decoder cosine",
        "fires more on negatives by", "highest firing rate", "SAE(αv)",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _most_opposed(arm: Arm, signs: LatentSigns, down: Tensor, lit: Tensor) -> tuple:
    encoder = torch.nn.functional.normalize(arm.sae.W_enc.T, dim=1)
    decoder = torch.nn.functional.normalize(arm.sae.W_dec, dim=1)
    cosines = encoder[down] @ encoder[lit].T
    i, j = np.unravel_index(int(cosines.argmin()), tuple(cosines.shape))
    first, second = int(down[i]), int(lit[j])
    rate = max(float(r[second]) for r in firing_rates(arm, signs.behaviour))
    return (
        signs.behaviour, first, second, float(cosines[i, j]),
        float(decoder[first] @ decoder[second]), -float(signs.difference[first]), rate,
        float(signs.encoded_scaled[second]),
    )  # fmt: skip
