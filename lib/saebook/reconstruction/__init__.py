"""Measures of an SAE: what it rebuilds, what it does to the model, what its latents stand for."""

from saebook.reconstruction.by_token import errors_of, rebuilt, token_errors
from saebook.reconstruction.concepts import (
    best_direction_f1_by_concept,
    best_latent_f1_by_concept,
    matched_latents,
)
from saebook.reconstruction.dialogues import (
    PUBLISHED_EXPLAINED_VARIANCES,
    fvu_by_class,
    mean_by_dialogue,
    mean_over_dialogues,
    mse_by_dialogue,
    mse_equation_7,
    published_explained_variances,
)
from saebook.reconstruction.formulas import (
    EXPLAINED_VARIANCES,
    cosine,
    dead_fraction,
    explained_variances,
    fvu_mean_of_ratios,
    fvu_mean_over_dimensions,
    fvu_pooled,
    fvu_variance_of_residual,
    fvu_within_token,
    l0,
    nmse_uncentered,
)
from saebook.reconstruction.latents import best_concept_f1_by_latent
from saebook.reconstruction.splice import (
    loss_recovered_mean_ablation,
    loss_recovered_zero_ablation,
    next_token_nll,
    nll_by_text,
    reconstruct,
    replace_by_mean,
    share_recovered,
)

__all__ = [
    "EXPLAINED_VARIANCES",
    "PUBLISHED_EXPLAINED_VARIANCES",
    "best_concept_f1_by_latent",
    "best_direction_f1_by_concept",
    "best_latent_f1_by_concept",
    "cosine",
    "dead_fraction",
    "errors_of",
    "explained_variances",
    "fvu_by_class",
    "fvu_mean_of_ratios",
    "fvu_mean_over_dimensions",
    "fvu_pooled",
    "fvu_variance_of_residual",
    "fvu_within_token",
    "l0",
    "loss_recovered_mean_ablation",
    "loss_recovered_zero_ablation",
    "matched_latents",
    "mean_by_dialogue",
    "mean_over_dialogues",
    "mse_by_dialogue",
    "mse_equation_7",
    "next_token_nll",
    "nll_by_text",
    "nmse_uncentered",
    "published_explained_variances",
    "rebuilt",
    "reconstruct",
    "replace_by_mean",
    "share_recovered",
    "token_errors",
]
