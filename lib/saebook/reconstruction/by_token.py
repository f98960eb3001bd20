"""What an SAE makes of many tokens: rebuilt in bounded memory, and errors token by token."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor

MOST_CODES = 2**27
"""Latent activations held at once: half a gibibyte in float32."""


class Rebuilt(NamedTuple):
    """An SAE's output on some tokens."""

    recon: Tensor
    """Reconstructions [n, d]."""
    active: Tensor
    """Latents above zero a token [n]."""


@torch.no_grad()
def rebuilt(sae: Any, x: Tensor, most_codes: int = MOST_CODES) -> Rebuilt:
    """Encode and decode activations [n, d], at most `most_codes` latent activations at a time."""
    parts = [_one(sae, part) for part in x.split(max(1, most_codes // sae.cfg.d_sae))]
    return Rebuilt(torch.cat([p.recon for p in parts]), torch.cat([p.active for p in parts]))


def _one(sae: Any, x: Tensor) -> Rebuilt:
    codes = sae.encode(x)
    return Rebuilt(sae.decode(codes), (codes > 0).sum(-1))


def token_errors(sae: Any, x: Tensor) -> pd.DataFrame:
    """Squared error, squared deviation from the mean of all tokens, active latents: a row a token.

    Summed over any tokens, 1 - error / spread is their explained variance and active / n their L0.
    """
    return errors_of(x, rebuilt(sae, x))


def errors_of(x: Tensor, found: Rebuilt) -> pd.DataFrame:
    """`token_errors` of activations [n, d] that an SAE has rebuilt already."""
    columns = {
        "error": (x - found.recon).double().square().sum(-1),
        "spread": (x - x.mean(0)).double().square().sum(-1),
        "active": found.active,
    }
    return pd.DataFrame({name: values.cpu() for name, values in columns.items()})
