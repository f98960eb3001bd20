"""The floor: directions drawn at random that fire as often as an SAE's latents."""

from __future__ import annotations

import torch
from torch import Tensor


def random_direction_codes(acts: Tensor, kept: Tensor, density: Tensor, seed: int) -> Tensor:
    """Codes of random directions, each thresholded to fire on a given share of the tokens.

    A direction's code is max(0, x.r - t), with t the quantile of x.r over the kept tokens that
    gives the wanted density. What it scores in detection is what sparsity alone buys (Korznikov
    2602.14111).

    Args:
        acts: Activations [n_seq, context, d_model].
        kept: Tokens that count, bool [n_seq, context].
        density: Share of tokens on which each direction shall fire [n], between 0 and 1.
        seed: Of the directions.

    Returns:
        [n_seq, context, n], zero where nothing is kept.

    Raises:
        ValueError: as `thresholded_codes`.
    """
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(acts.shape[-1], len(density), generator=generator)
    unit = torch.nn.functional.normalize(directions, dim=0)
    return thresholded_codes(acts, kept, unit, density)


def thresholded_codes(acts: Tensor, kept: Tensor, directions: Tensor, density: Tensor) -> Tensor:
    """Codes max(0, x.r - t) of given directions [d_model, n], t set to fire on a given share.

    Raises:
        ValueError: a density outside (0, 1).
    """
    if not bool(((density > 0) & (density < 1)).all()):
        raise ValueError(
            f"densities lie between 0 and 1, got {float(density.min()):g} to "
            f"{float(density.max()):g}; leave dead latents out"
        )
    raw = acts[kept] @ directions
    order = raw.sort(dim=0, descending=True).values
    at = (density * len(raw)).round().long().clamp(1, len(raw) - 1)
    threshold = order.gather(0, at[None])
    codes = torch.zeros(*kept.shape, len(density))
    codes[kept] = (raw - threshold).clamp_min(0)
    return codes
