"""Questions that SAE weights answer alone (R1 to R3): which SAE the paper used, and how.

Every function takes plain tensors in Gemma Scope's shapes, so that the published file and a
made-up SAE go the same way: W_enc [d_in, d_sae], b_enc [d_sae], W_dec [d_sae, d_in], b_dec [d_in],
threshold [d_sae].
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from saebook.papers.mayne2024 import tables


class ZeroColumn(NamedTuple):
    """How an SAE's encoding of zero compares with a printed column."""

    latents: tuple[int, ...]
    """Its strongest latents, strongest first."""
    same_ids: bool
    """Whether they are the printed ones, in the printed order."""
    largest_difference: float
    """Largest absolute difference at the printed ids, in activation units."""


class BiasReading(NamedTuple):
    """The two numbers that may be called a latent's encoder bias."""

    plain: float
    """b_enc: the pre-activation at zero when the decoder bias is not subtracted."""
    centred: float
    """b_enc - b_dec W_enc: the same when it is."""
    difference: float
    """Distance of the nearer one from the printed bias."""
    at_zero: str
    """Which of the two is the printed SAE(0): plain, centred, both or neither."""


def jumprelu(pre: Tensor, threshold: Tensor) -> Tensor:
    """Return relu(pre) where pre > threshold, else 0 (strict, Rajamanoharan et al. 2407.14435)."""
    return torch.relu(pre) * (pre > threshold)


def zero_column(
    b_enc: Tensor,
    threshold: Tensor,
    printed: tuple[tuple[int, float], ...] = tables.TABLE_1[tables.ZERO],
) -> ZeroColumn:
    """Compare JumpReLU(b_enc) with Table 1's column of the zero vector (R1).

    Raises:
        ValueError: The SAE is too narrow to have the printed latents.
    """
    ids = [latent for latent, _ in printed]
    _check_width(b_enc, max(ids))
    acts = jumprelu(b_enc, threshold)
    found = tuple(int(i) for i in acts.topk(len(ids)).indices)
    values = torch.tensor([value for _, value in printed], dtype=acts.dtype)
    return ZeroColumn(found, found == tuple(ids), float((acts[ids] - values).abs().max()))


def bias_reading(
    W_enc: Tensor,
    b_enc: Tensor,
    b_dec: Tensor,
    latent: int = tables.BIAS_LATENT,
    bias: float = tables.BIAS_PRINTED,
    at_zero: float = tables.TABLE_1[tables.ZERO][0][1],
    tolerance: float = 0.01,
) -> BiasReading:
    """Say which reading of "encoder bias" gives the printed one, and which the printed SAE(0) (R2).

    Raises:
        ValueError: The SAE is too narrow to have the latent.
    """
    _check_width(b_enc, latent)
    plain = float(b_enc[latent])
    centred = float(b_enc[latent] - b_dec @ W_enc[:, latent])
    readings = {"plain": plain, "centred": centred}
    hits = [name for name, value in readings.items() if abs(value - at_zero) <= tolerance]
    said = "both" if len(hits) == 2 else (hits or ["neither"])[0]
    return BiasReading(plain, centred, min(abs(plain - bias), abs(centred - bias)), said)


def pair_cosines(
    W_enc: Tensor,
    W_dec: Tensor,
    first: int = tables.SILENCED_LATENT,
    second: int = tables.SPURIOUS_LATENT,
) -> dict[str, float]:
    """Return the cosine of two latents' encoder columns and of their decoder rows (R3).

    Raises:
        ValueError: The SAE is too narrow to have both latents.
    """
    _check_width(W_enc[0], max(first, second))
    encoder = torch.cosine_similarity(W_enc[:, first], W_enc[:, second], dim=0)
    decoder = torch.cosine_similarity(W_dec[first], W_dec[second], dim=0)
    return {"encoder": float(encoder), "decoder": float(decoder)}


def _check_width(per_latent: Tensor, latent: int) -> None:
    if len(per_latent) <= latent:
        raise ValueError(f"the SAE has {len(per_latent)} latents, so none is called {latent}")
