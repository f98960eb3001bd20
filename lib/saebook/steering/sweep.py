"""Many vectors at the last prompt token, with the rest of the prompt read only once.

A vector added at the last token of a prompt leaves every earlier token as it was. So the keys and
values of the earlier tokens are computed once, and each vector, layer and coefficient costs a
forward pass of a single token.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from transformers import DynamicCache

from saebook.steering.forward import encoded_prompts
from saebook.steering.generation import equal_lengths
from saebook.subjects import Subject, block_tensor, with_block_tensor

ROWS = 512
"""Steered rows of one forward pass."""


@torch.no_grad()
def last_token_sweep(
    subject: Subject,
    prompts: Sequence[str],
    shifts: Mapping[int, Tensor],
    tokens: Sequence[int] | None = None,
) -> dict[int, Tensor]:
    """Return log p(next token | prompt) with each of many shifts added at the last prompt token.

    Equals `next_token_logprobs` with positions "last", up to rounding (about 1e-5).

    Args:
        subject: The model.
        prompts: Texts; a BOS is put in front where the family has one.
        shifts: What is added to the output of a block, by layer, [n_shifts, d_model] each, the
            coefficient included.
        tokens: Ids whose log-probabilities are kept, in this order; all of them by default, which
            takes gigabytes with a vocabulary of 256,000.

    Returns:
        By layer, float32 [n_prompts, n_shifts, tokens] on the CPU.

    Raises:
        ValueError: no prompts, one of a single token or longer than the context, a layer out of
            range, or shifts that are not [n >= 1, d_model].
    """
    rows = encoded_prompts(subject, prompts)
    _check(subject, rows, shifts)
    kept = range(subject.model.config.vocab_size) if tokens is None else tokens
    columns = torch.tensor(list(kept), device=subject.device)
    result = {layer: torch.empty(len(rows), len(own), len(kept)) for layer, own in shifts.items()}
    for part in equal_lengths(rows, max(1, ROWS // max(map(len, shifts.values())))):
        ids = torch.tensor([rows[i] for i in part], device=subject.device)
        prefix = DynamicCache()
        subject.model(
            input_ids=ids[:, :-1], past_key_values=prefix, use_cache=True, logits_to_keep=1
        )
        for layer, own in shifts.items():
            swept = _steered(subject, ids[:, -1:], prefix, layer, own)
            result[layer][part] = swept[..., columns].cpu()
    return result


def _check(subject: Subject, rows: Sequence[Sequence[int]], shifts: Mapping[int, Tensor]) -> None:
    for i, row in enumerate(rows):
        if len(row) < 2:
            raise ValueError(f"prompt {i} has one token; a sweep needs a token before the last")
    if not shifts:
        raise ValueError("there are no shifts to add")
    for layer, own in shifts.items():
        subject.check_layer(layer)
        if own.ndim != 2 or not len(own) or own.shape[1] != subject.d_model:
            raise ValueError(
                f"shifts at layer {layer} have shape {tuple(own.shape)}, "
                f"not [n >= 1, {subject.d_model}]"
            )


def _steered(
    subject: Subject, last: Tensor, prefix: DynamicCache, layer: int, shifts: Tensor
) -> Tensor:
    """Log-probabilities [n, n_shifts, vocabulary] after `last` [n, 1], each shifted every way."""
    n, m = len(last), len(shifts)
    cache = copy.deepcopy(prefix)  # a forward pass writes into its cache
    cache.batch_repeat_interleave(m)
    added = shifts.to(subject.device).repeat(n, 1)[:, None]
    block = subject.traced_block(layer)
    inputs = {
        "input_ids": last.repeat_interleave(m, 0),
        "past_key_values": cache,
        "use_cache": True,
    }
    with subject.traced.trace(**inputs):
        output = block.output
        resid = block_tensor(output)
        block.output = with_block_tensor(output, resid + added.to(resid))
        logits = subject.traced.output.logits.save()
    return logits[:, -1].float().log_softmax(-1).reshape(n, m, -1)
