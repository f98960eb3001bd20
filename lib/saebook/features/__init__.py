"""What a latent's decoder row would do to the next token, for every latent of an SAE at once."""

from saebook.features.lens import logit_lens, top_tokens
from saebook.features.prefix import Prefix, read_prefix
from saebook.features.readings import READINGS, Latents, resid_changes
from saebook.features.scores import (
    delta_token_confidence,
    effect_sizes,
    input_score,
    lens_kurtosis,
    output_score,
    token_confidence,
)

__all__ = [
    "READINGS",
    "Latents",
    "Prefix",
    "delta_token_confidence",
    "effect_sizes",
    "input_score",
    "lens_kurtosis",
    "logit_lens",
    "output_score",
    "read_prefix",
    "resid_changes",
    "token_confidence",
    "top_tokens",
]
