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

Printed = tuple[tuple[int, float], ...]
"""Latents and activations of a column, strongest first."""


class ColumnMatch(NamedTuple):
    """How a code compares with a printed column of Table 1."""

    latents: tuple[int, ...]
    """Its strongest latents, strongest first."""
    same_ids: bool
    """Whether they are the printed ones, in the printed order."""
    largest_difference: float
    """Largest absolute difference in activation units: at the printed ids, and of the leading
    values place by place, so that other latents in the lead count as well."""


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
    printed: Printed = tables.TABLE_1[tables.ZERO],
) -> ColumnMatch:
    """Compare JumpReLU(b_enc) with Table 1's column of the zero vector (R1).

    Raises:
        ValueError: The SAE is too narrow to have the printed latents.
    """
    return match_column(jumprelu(b_enc, threshold), printed)


def match_column(acts: Tensor, printed: Printed) -> ColumnMatch:
    """Compare one code [d_sae] with a printed column.

    Raises:
        ValueError: The SAE is too narrow to have the printed latents.
    """
    ids = [latent for latent, _ in printed]
    _check_width(acts, max(ids))
    leading = acts.topk(len(ids))
    values = torch.tensor([value for _, value in printed], dtype=acts.dtype)
    gaps = torch.stack([(acts[ids] - values).abs(), (leading.values - values).abs()])
    found = tuple(int(i) for i in leading.indices)
    return ColumnMatch(found, found == tuple(ids), float(gaps.max()))


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
