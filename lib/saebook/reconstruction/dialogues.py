"""Errors of reconstruction as papers on chat models count them: by dialogue, by kind of token."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import torch
from torch import Tensor

from saebook.reconstruction.formulas import fvu_mean_of_ratios, fvu_pooled, nmse_uncentered

PUBLISHED_EXPLAINED_VARIANCES = {
    "uncentred (equation 6)": nmse_uncentered,
    "mean of ratios (release code)": fvu_mean_of_ratios,
    "ratio of means (present code)": fvu_pooled,
}
"""The three readings of explained variance in Llama Scope (He et al. 2024) and its code, as one
minus the formula that each is."""


def published_explained_variances(x: Tensor, recon: Tensor) -> dict[str, float]:
    """Explained variance in the three published readings of Llama Scope; x, recon [n, d]."""
    return {name: 1.0 - metric(x, recon) for name, metric in PUBLISHED_EXPLAINED_VARIANCES.items()}


def mse_by_dialogue(
    x: Tensor, recon: Tensor, dialogue: Tensor, where: Tensor | None = None
) -> pd.Series:
    """Mean squared error of each dialogue: (1 / (L_i H)) sum_j ||x_ij - recon_ij||^2.

    The inner part of equation 7 of Li et al. (2025); its mean over dialogues is the paper's MSE,
    in which a token of a short dialogue weighs more than one of a long dialogue.

    Args:
        x: Activations [n, d].
        recon: Their reconstructions [n, d].
        dialogue: The dialogue of each token [n].
        where: Tokens that count, bool [n]; all by default. Dialogues without any are left out.

    Returns:
        Float64, index dialogue.

    Raises:
        ValueError: shapes that do not agree, or no token that counts.
    """
    if x.shape != recon.shape or dialogue.shape != x.shape[:1]:
        raise ValueError(
            f"x {tuple(x.shape)}, recon {tuple(recon.shape)} and dialogue "
            f"{tuple(dialogue.shape)} must have one row a token"
        )
    used = torch.ones(len(x), dtype=torch.bool) if where is None else where
    if not bool(used.any()):
        raise ValueError("no token counts, so there is no error to average")
    error = (x[used].double() - recon[used].double()).square().mean(-1)
    return pd.Series(error.numpy()).groupby(dialogue[used].numpy()).mean().rename_axis("dialogue")


def mse_equation_7(
    x: Tensor, recon: Tensor, dialogue: Tensor, where: Tensor | None = None
) -> float:
    """Mean over dialogues of the mean squared error within each; see `mse_by_dialogue`."""
    return float(mse_by_dialogue(x, recon, dialogue, where).mean())


def fvu_by_class(x: Tensor, recon: Tensor, classes: Mapping[str, Tensor]) -> dict[str, float]:
    """Unexplained share of each kind of token: its squared error over the spread of all tokens.

    sum_{i in class} ||x_i - recon_i||^2 / n_class, over sum_i ||x_i - mean(x)||^2 / n. One
    denominator for all classes: within a class of constants there is no spread to compare with.

    Args:
        x: Activations [n, d].
        recon: Their reconstructions [n, d].
        classes: Tokens of each class, bool [n].

    Raises:
        ValueError: a class without tokens, named; or activations that do not vary.
    """
    error = (x.double() - recon.double()).square().sum(-1)
    spread = float((x.double() - x.double().mean(0)).square().sum(-1).mean())
    if spread == 0:
        raise ValueError("the activations do not vary, so no share of their variance is defined")
    for name, held in classes.items():
        if not bool(held.any()):
            raise ValueError(f"no token is of the class {name!r}")
    return {name: float(error[held].mean()) / spread for name, held in classes.items()}
