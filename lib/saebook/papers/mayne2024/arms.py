"""One arm of a comparison: a model, an SAE of one of its layers, its pairs and ordinary text."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from saebook.papers.mayne2024.overlap import CLOSE, shared_top
from saebook.papers.mayne2024.parameters import Parameters
from saebook.papers.mayne2024.sources import Source
from saebook.papers.mayne2024.vectors import (
    Contrast,
    capture_contrasts,
    mean_share,
    norm_percentile,
    ordinary_activations,
    spread_interval,
)
from saebook.stats import Interval
from saebook.subjects import Subject

KINDS = ("random vector", "shuffled labels")
"""Vectors that mean nothing: v's norm in a uniform direction; v from labels swapped at random."""
RELIABLE = 0.8
"""Cosine of two half-sample vectors from which a vector counts as reliable."""


class SparseCoder(Protocol):
    """What the chapter needs of an SAE: sae-lens's names and shapes."""

    @property
    def W_enc(self) -> Tensor:
        """Encoder [d_in, d_sae]."""
        ...

    @property
    def b_enc(self) -> Tensor:
        """Encoder bias [d_sae]."""
        ...

    @property
    def W_dec(self) -> Tensor:
        """Decoder [d_sae, d_in]."""
        ...

    @property
    def b_dec(self) -> Tensor:
        """Decoder bias [d_in]."""
        ...

    def encode(self, x: Tensor) -> Tensor:
        """Latent activations [..., d_sae] of activations [..., d_in]."""
        ...


@dataclass(frozen=True, eq=False)
class Arm:
    """Everything measured on one model and layer, in tensors on the CPU."""

    name: str
    sae: SparseCoder
    text: Tensor
    """Activations of ordinary text, BOS left out, [n_tokens, d_model]."""
    contrasts: dict[str, Contrast]
    layer: int = 0
    """Block whose output all of this is."""

    @property
    def norms(self) -> Tensor:
        """Norms of ordinary activations [n_tokens]."""
        return self.text.norm(dim=1)

    @property
    def mean_share(self) -> float:
        """||mean||^2 / E||a||^2 of ordinary activations."""
        return mean_share(self.text)

    @cached_property
    def at_zero(self) -> Tensor:
        """SAE(0), [d_sae]."""
        return self.sae.encode(torch.zeros(1, self.text.shape[1]))[0]

    def encoded(self, vector: Tensor) -> Tensor:
        """SAE of one vector [d_model], [d_sae]."""
        return self.sae.encode(vector[None])[0]

    def alpha(self, behaviour: str) -> float:
        """Factor that brings a behaviour's vector to the median activation norm."""
        return float(self.norms.median() / self.contrasts[behaviour].vector.norm())

    def reliable_behaviours(self, seed: int) -> int:
        """Behaviours whose half-sample vectors have a cosine of at least 0.8."""
        cosines = [c.split_half_cosine(seed) for c in self.contrasts.values()]
        return sum(cosine >= RELIABLE for cosine in cosines)


def measure_arm(subject: Subject, source: Source, sae: SparseCoder, config: Parameters) -> Arm:
    """Read a source's ordinary text and all behaviours' pairs at the parameters' layer.

    Raises:
        ValueError: A layer out of range, or too little text.
    """
    acts = ordinary_activations(
        subject, source, config.layer, config.n_text_tokens, config.seed + 1
    )
    contrasts = capture_contrasts(subject, source, config.layer, config.n_pairs, config.seed)
    return Arm(subject.name, sae, acts, contrasts, config.layer)


def norm_cells(arm: Arm, draws: int, seed: int) -> dict[str, Interval]:
    """Percentile of each behaviour's vector norm among activation norms (R4)."""
    norms = arm.norms
    return {name: norm_percentile(norms, c, draws, seed) for name, c in arm.contrasts.items()}


def overlap_cells(
    arm: Arm, draws: int, seed: int, within: float | None = CLOSE
) -> dict[str, Interval]:
    """Top-five overlap of SAE(v) with SAE(0), by behaviour (R5).

    The interval holds the 2.5 and 97.5 % quantiles over vectors from resampled pairs.

    Args:
        arm: The model's arm.
        draws: Bootstrap resamples of the pairs.
        seed: Of the resamples.
        within: Relative change that a shared latent may show, or None for any.
    """
    return {name: _overlap(arm, c, draws, seed, within) for name, c in arm.contrasts.items()}


def _overlap(arm: Arm, contrast: Contrast, draws: int, seed: int, within: float | None) -> Interval:
    zero = arm.at_zero
    own = int(shared_top(zero, arm.encoded(contrast.vector), within=within))
    spread = shared_top(zero, arm.sae.encode(contrast.resampled(draws, seed)), within=within)
    return spread_interval(own, spread)


def control_overlaps(arm: Arm, kind: str, draws: int, seed: int) -> Tensor:
    """Top-five overlaps with SAE(0) of vectors that mean nothing, [behaviours, draws] (R14).

    Args:
        arm: The house model's arm.
        kind: One of `KINDS`.
        draws: Vectors a behaviour.
        seed: Of the vectors.

    Raises:
        ValueError: An unknown kind.
    """
    makers = dict(zip(KINDS, (Contrast.random, Contrast.shuffled), strict=True))
    if kind not in makers:
        raise ValueError(f"unknown control {kind!r}; known: {', '.join(makers)}")
    zero = arm.at_zero
    made = [makers[kind](c, draws, seed + i) for i, c in enumerate(arm.contrasts.values())]
    return torch.stack([shared_top(zero, arm.sae.encode(vectors)) for vectors in made])


def median_overlap(overlaps: Tensor, draws: int, seed: int) -> Interval:
    """Median over behaviours of the mean overlap [behaviours, vectors], vectors resampled.

    The bootstrap draws whole vectors within each behaviour; bounds are its 95 % quantiles.
    """
    generator = torch.Generator().manual_seed(seed)
    n_behaviours, n = overlaps.shape
    drawn = torch.randint(n, (draws, n_behaviours, n), generator=generator)
    resampled = overlaps.float().expand(draws, -1, -1).gather(2, drawn).mean(2)
    medians = resampled.quantile(0.5, dim=1)
    return spread_interval(statistics.median(overlaps.float().mean(1).tolist()), medians)
