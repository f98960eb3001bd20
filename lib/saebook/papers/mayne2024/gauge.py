"""SAE(0) is a gauge: what an SAE says about zero is not fixed by what it was trained on.

Let u be a direction along which ordinary activations hardly vary, scaled so that x.u is about 1 on
them. Then for any shift s of the latents

    W_enc' = W_enc - u s^T,    b_enc' = b_enc + s

leaves every pre-activation on ordinary text (nearly) as it was, because x.W_enc' + b_enc' =
x.W_enc + b_enc + s (1 - x.u). Decoder and thresholds stay. So the codes, the reconstruction and
with them the SAE's loss are (nearly) the same, while the pre-activation of zero has moved by s: the
zero vector lies where no training token is, and the loss has no say about it. Where the mean is
large and steady there is such a direction, u = m / |m|^2; the steadiest of all is
u = S^-1 m / (m S^-1 m), S the covariance of the activations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from saebook.papers.mayne2024.arms import SparseCoder
from saebook.papers.mayne2024.fingerprint import jumprelu
from saebook.reconstruction import fvu_pooled, l0

RIDGE = 1e-4
"""Share of the mean variance added to every direction before the covariance is inverted."""
STEPS = (1.4, 1.3, 1.2, 1.1, 1.0)
"""Sizes of the planted bias latents, in units of the weakest, so that they have an order."""


@dataclass(frozen=True, eq=False)
class JumpReLUWeights:
    """A JumpReLU SAE as plain tensors; b_dec is not subtracted from its input."""

    W_enc: Tensor
    b_enc: Tensor
    W_dec: Tensor
    b_dec: Tensor
    threshold: Tensor

    def encode(self, x: Tensor) -> Tensor:
        """JumpReLU(x W_enc + b_enc), [..., d_sae]."""
        return jumprelu(x @ self.W_enc + self.b_enc, self.threshold)

    def decode(self, acts: Tensor) -> Tensor:
        """Activations times W_dec, plus b_dec, [..., d_in]."""
        return acts @ self.W_dec + self.b_dec


def steady_direction(text: Tensor, across: Tensor | None = None) -> Tensor:
    """Direction u [d_in] along which text [n, d_in] varies least, with mean(x.u) = 1.

    u = S^-1 C (C^T S^-1 C)^-1 e_1, where S is the covariance (with a small ridge) and the columns
    of C are the mean m and the vectors that u has to be orthogonal to; without any, u is
    S^-1 m / (m S^-1 m).

    Args:
        text: Ordinary activations [n, d_in].
        across: Vectors [k, d_in] to which u is orthogonal.

    Raises:
        ValueError: The mean is zero, so that no direction has x.u = 1.
    """
    mean = text.mean(0)
    if not bool(mean.norm() > 0):
        raise ValueError("the activations have no mean; no direction is steady at 1")
    held = mean[None] if across is None else torch.cat([mean[None], across])
    S = torch.cov(text.T).double()
    S += RIDGE * S.diagonal().mean() * torch.eye(len(mean), dtype=S.dtype)
    solved = torch.linalg.solve(S, held.double().T)
    wanted = torch.zeros(len(held), dtype=S.dtype)
    wanted[0] = 1.0
    return (solved @ torch.linalg.solve(held.double() @ solved, wanted)).to(text)


def thresholds(sae: SparseCoder) -> Tensor:
    """Thresholds [d_sae] of a JumpReLU SAE; zeros for a ReLU SAE, which is JumpReLU at zero.

    Raises:
        ValueError: The SAE is neither of the two.
    """
    own = getattr(sae, "threshold", None)
    if own is not None:
        return own
    config = getattr(sae, "cfg", None)
    if config is not None and config.architecture() == "standard":
        return torch.zeros_like(sae.b_enc)
    raise ValueError("only a JumpReLU or ReLU SAE can be regauged; this one is neither")


def regauge(sae: SparseCoder, direction: Tensor, shift: Tensor) -> JumpReLUWeights:
    """Move SAE(0)'s pre-activations by `shift` and leave those of ordinary text where they are.

    Args:
        sae: A JumpReLU or ReLU SAE.
        direction: u [d_in], with x.u near 1 on ordinary activations; see `steady_direction`.
        shift: s [d_sae], in units of activation.

    Raises:
        ValueError: The SAE is neither JumpReLU nor ReLU, or the shapes do not fit.
    """
    threshold = thresholds(sae)
    if sae.W_enc.shape != (len(direction), len(shift)):
        raise ValueError(
            f"W_enc is {tuple(sae.W_enc.shape)}, direction and shift are "
            f"{len(direction)} and {len(shift)} long"
        )
    return JumpReLUWeights(
        sae.W_enc - torch.outer(direction, shift), sae.b_enc + shift,
        sae.W_dec, sae.b_dec, threshold,
    )  # fmt: skip


def emptying_shift(sae: SparseCoder) -> Tensor:
    """The shift [d_sae] after which no latent is active at zero: every positive bias becomes 0."""
    return -sae.b_enc.clamp_min(0.0)


def planting_shift(
    sae: SparseCoder, text: Tensor, vectors: Tensor, steps: Sequence[float] = STEPS
) -> Tensor:
    """The shift [d_sae] that lets a few latents fill SAE(0) and outshine any of the vectors.

    The latents are those that stay furthest below their threshold on ordinary text, where there
    is most room for the error s (1 - x.u). Their new biases are `steps` times the larger of 15
    times what a vector can add to them (so that they keep within 7 %) and twice the strongest
    activation of any encoded vector. Every other positive bias becomes 0.

    Args:
        sae: A JumpReLU or ReLU SAE.
        text: Ordinary activations [n, d_in].
        vectors: Steering vectors [m, d_in].
        steps: One size a planted latent.
    """
    room = thresholds(sae) - (text @ sae.W_enc + sae.b_enc).amax(0)
    chosen = room.topk(len(steps)).indices
    added = (vectors @ sae.W_enc[:, chosen]).abs().max()
    size = torch.maximum(15 * added, 2 * sae.encode(vectors).max())
    shift = emptying_shift(sae)
    shift[chosen] = size * torch.tensor(steps) - sae.b_enc[chosen]
    return shift


def code_changes(sae: SparseCoder, other: SparseCoder, text: Tensor) -> pd.Series:
    """How much a gauge changes an SAE on ordinary text [n, d_in].

    Entries: L0 and fvu_pooled before and after, and how many codes (a token and a latent) are
    active in one of the two only, over the number active before.
    """
    before, after = sae.encode(text), other.encode(text)
    recon = [codes @ sae.W_dec + sae.b_dec for codes in (before, after)]
    return pd.Series(
        {
            "L0": l0(before),
            "L0 after": l0(after),
            "FVU": fvu_pooled(text, recon[0]),
            "FVU after": fvu_pooled(text, recon[1]),
            "codes switched": float(((before > 0) ^ (after > 0)).sum() / (before > 0).sum()),
        }
    )
