"""Eight ways to describe a steering vector in an SAE's latents (section 5 of the discussion).

A description is a number for each latent; whether it may be negative depends on the way.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from saebook.papers.mayne2024.arms import SparseCoder
from saebook.papers.mayne2024.pursuit import nonnegative_pursuit, signed_lasso, signed_pursuit
from saebook.papers.mayne2024.vectors import Contrast, resample_weights

REMEDIES = (
    "encode",
    "bias subtracted",
    "scaled",
    "mean-centred",
    "difference of encodings",
    "pursuit, non-negative",
    "pursuit, signed",
    "lasso, signed",
)
UNSIGNED = frozenset({"encode", "scaled", "pursuit, non-negative"})
"""Ways that cannot give a latent a negative number."""


@dataclass(frozen=True, eq=False)
class Case:
    """One vector to describe: an SAE, the pairs, and what ordinary text is like."""

    name: str
    sae: SparseCoder
    contrast: Contrast
    mean: Tensor
    """Mean of ordinary activations [d_in]."""
    typical: float
    """Their median norm."""
    truth: Tensor
    """Sign that each latent ought to have [d_sae]: 1, -1, or 0 where none is known.
    Scaled by how much the latent truly differs, so that the strongest can be picked."""

    @property
    def change(self) -> Tensor:
        """SAE(a+) - SAE(a-), pair by pair [n_pairs, d_sae]."""
        return self.sae.encode(self.contrast.positive) - self.sae.encode(self.contrast.negative)

    def describe(self, k: int) -> dict[str, Tensor]:
        """Each remedy's description of the vector, [d_sae]."""
        pairs = torch.full((1, len(self.contrast.positive)), 1 / len(self.contrast.positive))
        return {name: found[0] for name, found in self._described(pairs, k).items()}

    def describe_resampled(self, k: int, draws: int, seed: int) -> dict[str, Tensor]:
        """The same for vectors from pairs drawn with replacement, [draws, d_sae]."""
        return self._described(resample_weights(len(self.contrast.positive), draws, seed), k)

    def _described(self, weights: Tensor, k: int) -> dict[str, Tensor]:
        encode, W_dec = self.sae.encode, self.sae.W_dec
        v = weights @ self.contrast.differences
        zero = encode(torch.zeros_like(v[:1]))
        found = (
            encode(v),
            encode(v) - zero,
            encode(v / v.norm(dim=1, keepdim=True) * self.typical),
            encode(self.mean + v) - encode(self.mean[None]),
            weights @ self.change,
            nonnegative_pursuit(W_dec, v, k),
            signed_pursuit(W_dec, v, k),
            signed_lasso(W_dec, v, k),
        )
        return dict(zip(REMEDIES, found, strict=True))
