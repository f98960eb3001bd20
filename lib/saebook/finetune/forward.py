"""Logits at chosen tokens only: the output layer is the widest one and most tokens need none."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def logits_at(model: Any, ids: Tensor, where: Tensor) -> Tensor:
    """Return next-token logits [n, vocab], float32, where a mask is true, in reading order.

    Args:
        model: A causal language model, bare or with peft adapters in it.
        ids: [batch, width], right-padded.
        where: Bool [batch, width].
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    device = next(base.parameters()).device
    hidden = base.get_decoder()(input_ids=ids.to(device), use_cache=False).last_hidden_state
    logits = base.get_output_embeddings()(hidden[where.to(device)])
    cap = getattr(base.config, "final_logit_softcapping", None)
    return (logits if cap is None else cap * torch.tanh(logits / cap)).float()
