"""Which latents are strongest in an encoded vector, and how many of them the zero vector shares."""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor

TOP = 5
"""The paper lists five latents (Table 1)."""
CLOSE = 0.07
"""A shared latent keeps its value within 7 % in every column of Table 1."""


def top_latents(acts: Tensor, k: int = TOP) -> Tensor:
    """Return the k strongest latents as a mask, active ones only; ties go to the lower id.

    Args:
        acts: Latent activations [..., d_sae].
        k: How many.

    Returns:
        Mask [..., d_sae] with at most k entries True.
    """
    order = acts.sort(dim=-1, descending=True, stable=True).indices[..., :k]
    mask = torch.zeros_like(acts, dtype=torch.bool).scatter_(-1, order, True)
    return mask & (acts > 0)


def shared_top(
    reference: Tensor, acts: Tensor, k: int = TOP, within: float | None = None
) -> Tensor:
    """Count the k strongest latents of `reference` that are among the k strongest of `acts`.

    Latents that are not active count for neither, so an SAE with fewer than k active latents at
    zero cannot reach k.

    Args:
        reference: SAE(0), [d_sae].
        acts: Encoded vectors, [..., d_sae].
        k: Length of the lists.
        within: If given, the value has to lie within this share of the value in `reference`.

    Returns:
        Counts [...], integers from 0 to k.
    """
    shared = top_latents(reference, k) & top_latents(acts, k)
    if within is not None:
        shared &= (acts - reference).abs() <= within * reference
    return shared.sum(-1)


def side_by_side(zero: Tensor, acts: Tensor, k: int = TOP) -> pd.DataFrame:
    """Return Table 1 for one vector: rank, latent and value of SAE(0) and SAE(v), [d_sae] each."""
    columns: dict[str, list[object]] = {"rank": list(range(1, k + 1))}
    for name, values in (("SAE(0)", zero), ("SAE(v)", acts)):
        ids = values.sort(descending=True, stable=True).indices[:k].tolist()
        active = [i if values[i] > 0 else None for i in ids]
        columns[f"{name} latent"] = ["–" if i is None else str(i) for i in active]
        columns[f"{name} value"] = [
            0.0 if i is None else round(float(values[i]), 2) for i in active
        ]
    return pd.DataFrame(columns).set_index("rank")
