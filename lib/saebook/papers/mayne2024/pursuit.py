"""Describing a vector by the decoder alone: pursuits and the lasso, with and without signs."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import lars_path, orthogonal_mp
from torch import Tensor

from saebook.zoo.backend import MatchingPursuitSAE, MatchingPursuitSAEConfig


def nonnegative_pursuit(W_dec: Tensor, vectors: Tensor, k: int) -> Tensor:
    """sae-lens's matching pursuit in k steps, coefficients of at least zero, [n, d_sae].

    Args:
        W_dec: Decoder rows [d_sae, d_in]; they are brought to unit length.
        vectors: What to describe [n, d_in].
        k: Steps; a row may be chosen twice, so at most k latents are active.
    """
    d_sae, d_in = W_dec.shape
    config = MatchingPursuitSAEConfig(
        d_in=d_in,
        d_sae=d_sae,
        apply_b_dec_to_input=False,
        residual_threshold=0.0,
        max_iterations=k,
        stop_on_duplicate_support=False,
    )
    pursuit = MatchingPursuitSAE(config)
    with torch.no_grad():
        pursuit.W_dec.copy_(torch.nn.functional.normalize(W_dec, dim=1))
        return pursuit.encode(vectors)


def signed_pursuit(W_dec: Tensor, vectors: Tensor, k: int) -> Tensor:
    """scikit-learn's orthogonal matching pursuit: k rows, signs free, refitted, [n, d_sae]."""
    rows = torch.nn.functional.normalize(W_dec, dim=1).double().numpy().T
    found = orthogonal_mp(rows, vectors.double().numpy().T, n_nonzero_coefs=k)
    return torch.from_numpy(np.asarray(found).reshape(len(W_dec), -1).T).to(vectors)


def signed_lasso(W_dec: Tensor, vectors: Tensor, k: int) -> Tensor:
    """The lasso with free signs after k steps along scikit-learn's LARS path, [n, d_sae].

    min 1/2 ||v - c D||^2 + lambda |c|, at the lambda that the k-th step reaches.
    """
    rows = torch.nn.functional.normalize(W_dec, dim=1).double().numpy().T
    paths = [
        lars_path(rows, v, method="lasso", max_iter=k, return_path=False)[2]
        for v in vectors.double().numpy()
    ]
    return torch.from_numpy(np.stack(paths)).to(vectors)
