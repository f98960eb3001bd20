"""What the model loses when a block's output is replaced by its reconstruction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from saebook.activations import stream_activations
from saebook.corpora import TokenBatch
from saebook.subjects import Subject, block_tensor, hook_name, with_block_tensor

Replace = Callable[[Tensor], Tensor]
"""Maps activations [n, d_model] to what stands in their place."""


@torch.no_grad()
def next_token_nll(
    subject: Subject,
    batches: Sequence[TokenBatch],
    layer: int | None = None,
    replace: Replace | None = None,
) -> float:
    """Mean negative log-likelihood (nats) of each next real token in its sequence.

    Args:
        subject: The model.
        batches: Token ids; padding is neither read nor predicted.
        layer: Block whose output is replaced, with `replace`; neither leaves the model alone.
        replace: Applied to the block's output at all real tokens but BOS, which no SAE here is
            trained on and whose loss would drown the others'.

    Raises:
        ValueError: only one of layer and replace given, or a layer out of range.
    """
    if (layer is None) != (replace is None):
        raise ValueError("give layer and replace together, or neither")
    total, count = 0.0, 0
    for batch in batches:
        logprobs = _logits(subject, batch, layer, replace)[:, :-1].log_softmax(-1)
        picked = logprobs.gather(-1, batch.ids[:, 1:, None]).squeeze(-1)
        predicted = batch.mask[:, 1:] & ~batch.bos[:, 1:]
        total += float(-picked[predicted].double().sum())
        count += int(predicted.sum())
    if count == 0:
        raise ValueError("no batch holds a token to predict")
    return total / count


def _logits(
    subject: Subject, batch: TokenBatch, layer: int | None, replace: Replace | None
) -> Tensor:
    inputs = {
        "input_ids": batch.ids.to(subject.device),
        "attention_mask": batch.mask.to(subject.device).long(),
        "use_cache": False,
    }
    block = None if layer is None else subject.traced_block(layer)
    where = batch.keep(drop_bos=True).to(subject.device)
    with subject.traced.trace(**inputs):
        if block is not None:
            output = block.output
            block.output = with_block_tensor(output, _edited(block_tensor(output), where, replace))
        logits = subject.traced.output.logits.save()
    return logits.float().cpu()


def _edited(resid: Tensor, where: Tensor, replace: Replace | None) -> Tensor:
    assert replace is not None
    edited = resid.clone()
    edited[where] = replace(resid[where]).to(resid.dtype)
    return edited


def _reconstruct(sae: Any) -> Replace:
    return lambda acts: sae.decode(sae.encode(acts))


def loss_recovered_zero_ablation(
    subject: Subject, batches: Sequence[TokenBatch], layer: int, sae: Any
) -> float:
    """(NLL_zero - NLL_sae) / (NLL_zero - NLL_model), the block's output zeroed in NLL_zero.

    1 when the reconstruction costs nothing, 0 when it is as bad as zeros; zeros are far from
    anything the model knows, so it is lenient.
    """
    return _recovered(subject, batches, layer, sae, torch.zeros_like)


def loss_recovered_mean_ablation(
    subject: Subject, batches: Sequence[TokenBatch], layer: int, sae: Any
) -> float:
    """(NLL_mean - NLL_sae) / (NLL_mean - NLL_model), the output set to its mean in NLL_mean.

    The mean is taken over the same tokens (BOS apart). Stricter than zero ablation.
    """
    parts = stream_activations(subject, batches, [layer], drop_bos=True)
    acts = torch.cat([part[hook_name(layer)] for part in parts])
    mean = acts.double().mean(0).to(acts.dtype)
    return _recovered(subject, batches, layer, sae, lambda x: mean.to(x.device).expand_as(x))


def _recovered(
    subject: Subject, batches: Sequence[TokenBatch], layer: int, sae: Any, ablate: Replace
) -> float:
    whole = next_token_nll(subject, batches)
    spliced = next_token_nll(subject, batches, layer, _reconstruct(sae))
    ablated = next_token_nll(subject, batches, layer, ablate)
    if ablated <= whole:
        raise ValueError(
            f"ablating layer {layer} does not raise the loss ({ablated:.4f} against {whole:.4f} "
            "nats), so no share of it can be recovered"
        )
    return (ablated - spliced) / (ablated - whole)
