"""Steering vectors: make them, add them through nnsight, and measure what they do."""

from saebook.steering.decompose import (
    SignedDecomposition,
    error_left,
    refit,
    signed_decomposition,
    strongest,
)
from saebook.steering.forward import continuation_logprobs, next_token_logprobs
from saebook.steering.generation import generate, generate_ids
from saebook.steering.propensity import (
    item_slopes,
    log_odds,
    propensity_frame,
    steerability,
)
from saebook.steering.sweep import last_token_sweep
from saebook.steering.vectors import (
    SteeringVector,
    contrastive_vector,
    diff_of_means,
    unit,
)

__all__ = [
    "SignedDecomposition",
    "SteeringVector",
    "continuation_logprobs",
    "contrastive_vector",
    "diff_of_means",
    "error_left",
    "generate",
    "generate_ids",
    "item_slopes",
    "last_token_sweep",
    "log_odds",
    "next_token_logprobs",
    "propensity_frame",
    "refit",
    "signed_decomposition",
    "steerability",
    "strongest",
    "unit",
]
