"""What a steering vector says in an SAE's latents, signs included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from scipy.optimize import nnls
from torch import Tensor

from saebook.steering.vectors import contrastive_vector


class Dictionary(Protocol):
    """The part of an SAE that a decomposition needs."""

    @property
    def W_dec(self) -> Tensor:
        """Decoder [d_sae, d_in]."""
        ...

    def encode(self, x: Tensor) -> Tensor:
        """Latent activations [..., d_sae] of activations [..., d_in]."""
        ...


@dataclass(frozen=True, eq=False)
class SignedDecomposition:
    """A steering vector in k latents, strongest first."""

    latents: Tensor
    """Ids [k]."""
    differences: Tensor
    """Mean activation on positives minus on negatives [k]: what to read."""
    coefficients: Tensor
    """Least-squares weights of the decoder rows [k]: what to steer with."""
    error: float
    """Share of ||v||^2 that the k latents leave over, 0 to 1."""
    vector: Tensor
    """coefficients @ W_dec[latents], [d_in]; the decoder bias is not in it."""

    def table(self) -> pd.DataFrame:
        """Rows latents, columns difference and coefficient."""
        columns = {
            "difference": self.differences.numpy(),
            "coefficient": self.coefficients.numpy(),
        }
        return pd.DataFrame(columns, index=pd.Index(self.latents.numpy(), name="latent"))


def signed_decomposition(
    sae: Dictionary, positive: Tensor, negative: Tensor, k: int
) -> SignedDecomposition:
    """Decompose a contrastive steering vector: encode both sides, subtract, then refit.

    Do not give the vector to the encoder. It is a difference, so the mean that the encoder bias
    makes up for is gone from it, and a latent that fires more on the negatives needs a coefficient
    below zero, which no encoder has (Mayne et al. 2411.08790). The activations themselves are
    what the SAE was trained on, and there both objections fall away:

        difference_j = mean_i [ f_j(a_i+) - f_j(a_i-) ].

    The encoder bias and the decoder bias cancel exactly, and the signs are those of the prompts.
    What the differences are not is a reconstruction: encoders shrink or over-count, so their sum
    may miss v by more than v's own length. The k latents of largest |difference| are therefore
    refitted, coefficients = argmin_c ||v - c W_dec[latents]||, with free signs.

    Read `differences` to say what the prompts differ in, one latent at a time and with its sign;
    steer with `vector`, or with part of it, to change some of that. If only the vector is left
    and the prompts are not, a signed pursuit on the decoder rows fits v better at the same k but
    chooses its latents by geometry: a row that happens to point the right way may belong to a
    latent that never fires on such text. A latent whose difference and coefficient differ in sign
    stands in for its neighbours: trust the difference.

    Args:
        sae: An SAE trained on such activations.
        positive: Activations on the matching answers [n, d_in].
        negative: Activations on the opposite answers, row by row their partners [n, d_in].
        k: Latents to keep; fewer where fewer differ.

    Returns:
        Latents, differences, coefficients, the error left over, and the vector they make.

    Raises:
        ValueError: The two sides do not pair up, k is below 1, no latent differs, or v is zero.
    """
    if k < 1:
        raise ValueError(f"k is {k}; keep at least one latent")
    v = contrastive_vector(positive, negative)
    change = (sae.encode(positive) - sae.encode(negative)).mean(0)
    latents = strongest(change, k)
    coefficients = refit(sae.W_dec, v, latents)
    vector = coefficients @ sae.W_dec[latents]
    return SignedDecomposition(
        latents, change[latents], coefficients, error_left(v, vector), vector
    )


def strongest(description: Tensor, k: int) -> Tensor:
    """Ids of the k latents of largest |value|, fewer where fewer are not zero.

    Raises:
        ValueError: Every latent is zero.
    """
    live = int((description != 0).sum())
    if not live:
        raise ValueError("no latent differs from zero, so there is nothing to decompose into")
    return description.abs().topk(min(k, live)).indices


def refit(W_dec: Tensor, vector: Tensor, latents: Tensor, signed: bool = True) -> Tensor:
    """Weights [k] of some decoder rows that come nearest to a vector [d_in].

    Args:
        W_dec: Decoder [d_sae, d_in].
        vector: What to fit.
        latents: Rows to use [k].
        signed: Least squares with free signs, or with weights of at least zero.
    """
    rows, target = W_dec[latents].double().numpy().T, vector.double().numpy()
    found = np.linalg.lstsq(rows, target)[0] if signed else nnls(rows, target)[0]
    return torch.from_numpy(found).to(vector)


def error_left(vector: Tensor, fitted: Tensor) -> float:
    """||v - fitted||^2 / ||v||^2. Raises ValueError for a zero vector."""
    whole = float(vector.square().sum())
    if whole == 0:
        raise ValueError("the vector is zero; nothing can be left of it")
    return float((vector - fitted).square().sum()) / whole
