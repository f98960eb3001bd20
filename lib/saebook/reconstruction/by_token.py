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
    parts = [_one(sae, part) for part in _parts(sae, x, most_codes)]
    return Rebuilt(torch.cat([p.recon for p in parts]), torch.cat([p.active for p in parts]))


@torch.no_grad()
def token_errors(sae: Any, x: Tensor, most_codes: int = MOST_CODES) -> pd.DataFrame:
    """Squared error, squared deviation from the mean of all tokens, active latents: a row a token.

    Summed over any tokens, 1 - error / spread is their explained variance and active / n their L0.
    At most `most_codes` latent activations are held at a time.
    """
    mean, parts = x.mean(0), _parts(sae, x, most_codes)
    tables = [_errors(part, mean, _one(sae, part)) for part in parts]
    return pd.concat(tables, ignore_index=True)


def errors_of(x: Tensor, found: Rebuilt) -> pd.DataFrame:
    """`token_errors` of activations [n, d] that an SAE has rebuilt already."""
    return _errors(x, x.mean(0), found)


def _parts(sae: Any, x: Tensor, most_codes: int) -> tuple[Tensor, ...]:
    return x.split(max(1, most_codes // sae.cfg.d_sae))


def _one(sae: Any, x: Tensor) -> Rebuilt:
    codes = sae.encode(x)
    return Rebuilt(sae.decode(codes), (codes > 0).sum(-1))


def _errors(x: Tensor, mean: Tensor, found: Rebuilt) -> pd.DataFrame:
    columns = {
        "error": (x - found.recon).double().square().sum(-1),
        "spread": (x - mean).double().square().sum(-1),
        "active": found.active,
    }
    return pd.DataFrame({name: values.cpu() for name, values in columns.items()})
