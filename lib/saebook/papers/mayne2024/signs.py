"""Latents that fire more on negative prompts, which an encoder cannot show (section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from saebook.papers.mayne2024.arms import SparseCoder
from saebook.papers.mayne2024.vectors import Contrast, resample_weights, shuffled_signs
from saebook.stats import Interval, cluster_bootstrap, proportion_interval
from saebook.steering import strongest

COLUMNS = 1_024
"""Latents whose resampled means are held at once; torch takes quantiles of 2^24 numbers at most."""


@dataclass(frozen=True, eq=False)
class LatentSigns:
    """What each latent does on a behaviour's pairs and in the encoded vector, [d_sae] each."""

    behaviour: str
    difference: Tensor
    """Mean activation on positives minus on negatives."""
    low: Tensor
    high: Tensor
    """95 % interval of the difference, pairs resampled."""
    projection: Tensor
    """W_enc v, the signed shift that the vector gives the pre-activation."""
    encoded: Tensor
    """SAE(v)."""
    encoded_scaled: Tensor
    """SAE(alpha v), the vector at a typical activation norm."""

    @property
    def negative(self) -> Tensor:
        """Mask of latents that fire more on negatives and that v points against."""
        return (self.high < 0) & (self.projection < 0)

    @property
    def positive(self) -> Tensor:
        """Mask of latents that fire more on positives and that v points along."""
        return (self.low > 0) & (self.projection > 0)

    @property
    def silenced(self) -> Tensor:
        """Mask of latents that are exactly zero in SAE(v) and in SAE(alpha v)."""
        return (self.encoded == 0) & (self.encoded_scaled == 0)


def latent_signs(
    sae: SparseCoder, contrast: Contrast, alpha: float, draws: int, seed: int
) -> LatentSigns:
    """Compare each latent's behaviour on prompts with its place in the encoded vector.

    Args:
        sae: The SAE.
        contrast: Activations at the option letter.
        alpha: Factor that brings v to a typical activation norm.
        draws: Bootstrap resamples of the pairs.
        seed: Of the resamples.
    """
    change = sae.encode(contrast.positive) - sae.encode(contrast.negative)
    low, high = paired_interval(change, draws, seed)
    vector = contrast.vector
    return LatentSigns(
        contrast.behaviour,
        change.mean(0),
        low,
        high,
        vector @ sae.W_enc,
        sae.encode(vector[None])[0],
        sae.encode(alpha * vector[None])[0],
    )


def paired_interval(change: Tensor, draws: int, seed: int) -> tuple[Tensor, Tensor]:
    """Percentile 95 % interval of the mean of every column of `change` [n, m], rows resampled."""
    weights, ends = resample_weights(len(change), draws, seed), torch.tensor([0.025, 0.975])
    parts = [torch.quantile(weights @ part, ends, dim=0) for part in change.split(COLUMNS, dim=1)]
    low, high = torch.cat(parts, dim=1)
    return low, high


def silenced_share(signs: list[LatentSigns], draws: int, seed: int) -> tuple[Interval, int]:
    """Share of negative-side latents that the encoded vector shows as zero, and their number (R9).

    The interval is the wider of Wilson's over latents and a bootstrap over whole behaviours,
    because a latent that matters for several behaviours is counted in each.

    Raises:
        ValueError: No latent fires reliably more on negatives.
    """
    hits = [s.silenced[s.negative].double().numpy() for s in signs]
    names = [s.behaviour for s in signs]
    return pooled_share(hits, names, draws, seed, "that fires reliably more on negatives")


def pooled_share(
    hits: Sequence[np.ndarray], behaviours: Sequence[str], draws: int, seed: int, which: str
) -> tuple[Interval, int]:
    """Share of hits pooled over behaviours, with its interval, and how many latents stand behind.

    Args:
        hits: For each behaviour 0 or 1 for each of its latents.
        behaviours: Their names, the clusters of the bootstrap.
        draws: Bootstrap resamples.
        seed: Of the resamples.
        which: Which latents these are, for the error.

    Raises:
        ValueError: There is no such latent.
    """
    values = np.concatenate(hits)
    if not len(values):
        raise ValueError(f"there is no latent {which}; raise n_pairs or n_tokens")
    wilson = proportion_interval(int(values.sum()), len(values))
    clusters = [name for name, own in zip(behaviours, hits, strict=True) for _ in own]
    low, high = wilson.low, wilson.high
    if len(set(clusters)) > 1:
        spread = cluster_bootstrap(values, clusters, seed=seed, n_resamples=draws)
        low, high = min(low, spread.low), max(high, spread.high)
    return Interval(wilson.estimate, low, high), len(values)


def silenced_on_the_positive_side(signs: list[LatentSigns]) -> float:
    """Share of positive-side latents that are zero in SAE(alpha v): R9's control.

    Raises:
        ValueError: No latent fires reliably more on positives.
    """
    zero = torch.cat([s.encoded_scaled[s.positive] == 0 for s in signs])
    if not len(zero):
        raise ValueError("no latent fires reliably more on positives; raise n_pairs or n_tokens")
    return float(zero.double().mean())


def negative_share(difference: Tensor, k: int) -> Interval:
    """Share of the k latents of largest |difference| whose difference is negative (R11).

    A latent whose difference is exactly zero has no sign and is never among them, so where fewer
    than k latents differ the share is over those. The interval is Wilson's, latents as items.

    Raises:
        ValueError: No latent differs at all.
    """
    top = strongest(difference, k)
    return proportion_interval(int((difference[top] < 0).sum()), len(top))


def significant_share_when_shuffled(
    sae: SparseCoder, contrast: Contrast, k: int, draws: int, seed: int
) -> float:
    """Share of the top k whose interval excludes 0 when labels are shuffled within pairs."""
    change = sae.encode(contrast.positive) - sae.encode(contrast.negative)
    shuffled = change * shuffled_signs(len(change), 1, seed)[0][:, None]
    low, high = paired_interval(shuffled, draws, seed)
    top = strongest(shuffled.mean(0), k)
    return float(((low[top] > 0) | (high[top] < 0)).double().mean())
