"""Measures of an SAE: what it rebuilds, what it does to the model, what its latents stand for."""

from saebook.reconstruction.concepts import best_latent_f1_by_concept, matched_latents
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
from saebook.reconstruction.splice import (
    loss_recovered_mean_ablation,
    loss_recovered_zero_ablation,
    next_token_nll,
)

__all__ = [
    "EXPLAINED_VARIANCES",
    "best_latent_f1_by_concept",
    "cosine",
    "dead_fraction",
    "explained_variances",
    "fvu_mean_of_ratios",
    "fvu_mean_over_dimensions",
    "fvu_pooled",
    "fvu_variance_of_residual",
    "fvu_within_token",
    "l0",
    "loss_recovered_mean_ablation",
    "loss_recovered_zero_ablation",
    "matched_latents",
    "next_token_nll",
    "nmse_uncentered",
]
