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
    error = (x.double() - recon.double()).square().mean(-1)
    return mean_by_dialogue(error, dialogue, where)


def mean_by_dialogue(error: Tensor, dialogue: Tensor, where: Tensor | None = None) -> pd.Series:
    """Mean of errors [n] within each dialogue, float64 by dialogue; see `mse_by_dialogue`.

    Raises:
        ValueError: no token that counts.
    """
    used = torch.ones(len(error), dtype=torch.bool) if where is None else where
    if not bool(used.any()):
        raise ValueError("no token counts, so there is no error to average")
    kept = pd.Series(error[used].double().numpy())
    return kept.groupby(dialogue[used].numpy()).mean().rename_axis("dialogue")


def mean_over_dialogues(error: Tensor, dialogue: Tensor, where: Tensor | None = None) -> float:
    """Mean over dialogues of the mean error within each: equation 7 from errors [n] a token."""
    return float(mean_by_dialogue(error, dialogue, where).mean())


def mse_equation_7(
    x: Tensor, recon: Tensor, dialogue: Tensor, where: Tensor | None = None
) -> float:
    """Mean over dialogues of the mean squared error within each; see `mse_by_dialogue`."""
    return float(mse_by_dialogue(x, recon, dialogue, where).mean())


def fvu_by_class(error: Tensor, spread: Tensor, classes: Mapping[str, Tensor]) -> dict[str, float]:
    """Unexplained share of each kind of token: its squared error over the spread of all tokens.

    sum_{i in class} ||x_i - recon_i||^2 / n_class, over sum_i ||x_i - mean(x)||^2 / n. One
    denominator for all classes: within a class of constants there is no spread to compare with.

    Args:
        error: ||x_i - recon_i||^2 of each token [n].
        spread: ||x_i - mean(x)||^2 of each token [n].
        classes: Tokens of each class, bool [n].

    Raises:
        ValueError: a class without tokens, named; or activations that do not vary.
    """
    whole = float(spread.double().mean())
    if whole == 0:
        raise ValueError("the activations do not vary, so no share of their variance is defined")
    for name, held in classes.items():
        if not bool(held.any()):
            raise ValueError(f"no token is of the class {name!r}")
    return {name: float(error[held].double().mean()) / whole for name, held in classes.items()}
