"""The latent that the bias drives: where text and vectors lie along it (R7), and scaled (R8)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from saebook.papers.mayne2024.arms import Arm
from saebook.papers.mayne2024.vectors import spread_interval
from saebook.stats import Interval

RARE = 0.999
"""Quantile of a latent's activation on ordinary text that counts as the end of its range."""
CHUNK = 2_048
"""Tokens encoded at once: with 65,536 latents their codes take half a gigabyte."""


@dataclass(frozen=True)
class BiasLatent:
    """The strongest latent of SAE(0), or the one of largest bias where none is active."""

    latent: int
    bias: float
    """Its encoder bias, which is its pre-activation at zero."""
    active: bool
    """Whether it is active at zero."""


def bias_latent(arm: Arm) -> BiasLatent:
    """Find the latent that stands for the paper's 4888 in an arm."""
    zero = arm.at_zero
    active = bool((zero > 0).any())
    latent = int((zero if active else arm.sae.b_enc).argmax())
    return BiasLatent(latent, float(arm.sae.b_enc[latent]), active)


def text_projection(arm: Arm, found: BiasLatent) -> Interval:
    """Mean over ordinary tokens of W_enc.a, in units of the latent's bias (R7).

    The interval is mean plus or minus 1.96 standard errors over tokens; negative where text
    cancels the bias.
    """
    projected = arm.text @ arm.sae.W_enc[:, found.latent] / abs(found.bias)
    mean = float(projected.mean())
    reach = 1.96 * float(projected.std()) / len(projected) ** 0.5
    return Interval(mean, mean - reach, mean + reach)


def text_cosine(arm: Arm, found: BiasLatent) -> float:
    """Mean over ordinary tokens of the cosine with the latent's encoder direction.

    Unlike `text_projection` it needs no bias as its unit.
    """
    direction = arm.sae.W_enc[:, found.latent]
    return float((arm.text @ direction / (arm.norms * direction.norm())).mean())


def vector_projections(arm: Arm, found: BiasLatent, draws: int, seed: int) -> dict[str, Interval]:
    """W_enc.v in units of the latent's bias, by behaviour, pairs resampled (R7)."""
    direction = arm.sae.W_enc[:, found.latent] / abs(found.bias)
    return {
        name: spread_interval(c.vector @ direction, c.resampled(draws, seed) @ direction)
        for name, c in arm.contrasts.items()
    }


def scaled_ratios(arm: Arm, found: BiasLatent, draws: int, seed: int) -> dict[str, Interval]:
    """SAE(alpha v) of the latent over the end of its range on ordinary text, by behaviour (R8).

    The end is the 99.9th percentile on text, or the weakest activation that the SAE shows there
    at all where the latent fires on fewer than one token in a thousand. alpha brings each vector,
    resampled ones included, to the median activation norm.
    """
    end = natural_end(arm, found.latent)
    typical = arm.norms.median()

    def ratio(vectors: Tensor) -> Tensor:
        scaled = vectors / vectors.norm(dim=1, keepdim=True) * typical
        return arm.sae.encode(scaled)[:, found.latent] / end

    return {
        name: spread_interval(ratio(c.vector[None])[0], ratio(c.resampled(draws, seed)))
        for name, c in arm.contrasts.items()
    }


def natural_end(arm: Arm, latent: int) -> float:
    """99.9th percentile of a latent on ordinary text, at least the SAE's weakest activation."""
    own, weakest = on_text(arm, latent)
    return max(float(own.quantile(RARE)), weakest)


def on_text(arm: Arm, latent: int) -> tuple[Tensor, float]:
    """A latent's activation on ordinary text [n_tokens], and the SAE's weakest one anywhere there.

    The weakest is infinite where nothing fires at all.
    """
    own, weakest = [], torch.inf
    for part in arm.text.split(CHUNK):
        codes = arm.sae.encode(part)
        own.append(codes[:, latent])
        weakest = min(weakest, float(codes.where(codes > 0, torch.inf).min()))
    return torch.cat(own), weakest
