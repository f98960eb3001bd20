"""The logit lens of directions in the residual stream."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from saebook.subjects import Subject

FINAL_NORMS = {
    "gemma2": "model.norm",
    "llama": "model.norm",
    "qwen2": "model.norm",
    "gpt2": "transformer.ln_f",
    "gpt_neox": "gpt_neox.final_layer_norm",
}
"""Where each family keeps the norm before its unembedding."""


@torch.no_grad()
def logit_lens(subject: Subject, directions: Tensor) -> Tensor:
    """Return W_U norm_final(direction) for directions [n, d_model], float32 [n, vocabulary].

    The family's own final norm and unembedding; a cap on logits, which keeps their order, is left
    out (Arad et al. 2505.20063, section 3).

    Raises:
        ValueError: a width other than d_model.
    """
    if directions.ndim != 2 or directions.shape[1] != subject.d_model:
        raise ValueError(
            f"directions have shape {tuple(directions.shape)}; {subject.name} needs "
            f"[n, {subject.d_model}]"
        )
    norm: Any = subject.model.get_submodule(FINAL_NORMS[subject.family])
    unembed: Any = subject.model.get_output_embeddings()
    held = directions.to(subject.device, unembed.weight.dtype)
    return unembed(norm(held)).float().cpu()


def top_tokens(subject: Subject, directions: Tensor, k: int = 20) -> Tensor:
    """Return the k likeliest ordinary tokens of each direction's logit lens, ids [n, k].

    Special tokens are left out: no text of the testbed's base models holds them.

    Raises:
        ValueError: k below 1 or above the number of ordinary tokens.
    """
    logits = logit_lens(subject, directions)
    special = sorted(i for i in subject.special_ids if i < logits.shape[1])
    ordinary = logits.shape[1] - len(special)
    if not 1 <= k <= ordinary:
        raise ValueError(f"k {k} is out of range; {subject.name} has {ordinary} ordinary tokens")
    logits[:, special] = -torch.inf
    return logits.topk(k, dim=1).indices
