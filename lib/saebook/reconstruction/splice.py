"""What the model loses when a block's output is replaced by its reconstruction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from saebook.activations import stream_activations
from saebook.corpora import TokenBatch, model_inputs
from saebook.reconstruction.by_token import rebuilt
from saebook.subjects import Subject, block_tensor, hook_name, with_block_tensor

Replace = Callable[[Tensor], Tensor]
"""Maps activations [n, d_model] to what stands in their place."""
Where = Callable[[TokenBatch], Tensor]
"""Chooses tokens of a batch, bool [batch, context]."""


def next_token_nll(
    subject: Subject,
    batches: Sequence[TokenBatch],
    layer: int | None = None,
    replace: Replace | None = None,
    where: Where | None = None,
) -> float:
    """Mean negative log-likelihood (nats) of each next real token; see `nll_by_text`."""
    table = nll_by_text(subject, batches, layer, replace, where)
    return float(table["nats"].sum() / table["n"].sum())


@torch.no_grad()
def nll_by_text(
    subject: Subject,
    batches: Sequence[TokenBatch],
    layer: int | None = None,
    replace: Replace | None = None,
    where: Where | None = None,
) -> pd.DataFrame:
    """Negative log-likelihood of the tokens of every text, each predicted from its sequence.

    Args:
        subject: The model.
        batches: Token ids; padding is neither read nor predicted, and no token is predicted from
            a text that its own may not see.
        layer: Block whose output is replaced, with `replace`; neither leaves the model alone.
        replace: Applied to the block's output at the tokens of `where`.
        where: From a batch, the tokens that are replaced and predicted; by default all real ones
            but BOS, which no SAE here is trained on and whose loss would drown the others'.

    Returns:
        Index document; nats (summed over its tokens) and n (tokens predicted).

    Raises:
        ValueError: only one of layer and replace given, a layer out of range, or nothing to
            predict.
    """
    if (layer is None) != (replace is None):
        raise ValueError("give layer and replace together, or neither")
    chosen = _all_but_bos if where is None else where
    parts = []
    for batch in batches:
        used = chosen(batch) & batch.mask
        nats = _next_token_nats(subject, batch, used, layer, replace)
        predicted = used[:, 1:] & _follows(batch)
        parts.append(
            pd.DataFrame(
                {"document": batch.document[:, 1:][predicted], "nats": nats[predicted], "n": 1}
            )
        )
    table = pd.concat(parts).groupby("document").sum()
    if table.empty:
        raise ValueError("no batch holds a token to predict")
    return table


def _all_but_bos(batch: TokenBatch) -> Tensor:
    return batch.keep(drop_bos=True)


def _follows(batch: TokenBatch) -> Tensor:
    """True where a token stands in the same segment as the one before it [batch, context - 1]."""
    if batch.segment is None:
        return batch.mask[:, 1:]
    return batch.segment[:, 1:] == batch.segment[:, :-1]


def _next_token_nats(
    subject: Subject,
    batch: TokenBatch,
    where: Tensor,
    layer: int | None,
    replace: Replace | None,
) -> Tensor:
    """Negative log-likelihood of every token but the first, float64 [batch, context - 1]."""
    inputs = model_inputs(subject, batch.ids, batch.mask, batch.segment)
    block = None if layer is None else subject.traced_block(layer)
    where = where.to(subject.device)
    with subject.traced.trace(**inputs):
        if block is not None:
            output = block.output
            block.output = with_block_tensor(output, _edited(block_tensor(output), where, replace))
        logits = subject.traced.output.logits.save()
    # On the model's device: a published vocabulary is too large to be normalised elsewhere.
    logprobs = logits[:, :-1].float().log_softmax(-1)
    ids = batch.ids[:, 1:, None].to(logprobs.device)
    return -logprobs.gather(-1, ids).squeeze(-1).cpu().double()


def _edited(resid: Tensor, where: Tensor, replace: Replace | None) -> Tensor:
    assert replace is not None
    edited = resid.clone()
    edited[where] = replace(resid[where]).to(resid.dtype)
    return edited


def reconstruct(sae: Any) -> Replace:
    """The replacement that puts an SAE's reconstruction in an activation's place."""
    return lambda acts: rebuilt(sae, acts).recon


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
    return _recovered(subject, batches, layer, sae, replace_by_mean(acts))


def replace_by_mean(acts: Tensor) -> Replace:
    """The replacement that puts the mean of `acts` [n, d_model] in every activation's place."""
    mean = acts.double().mean(0).to(acts.dtype)
    return lambda x: mean.to(x.device).expand_as(x)


def share_recovered(whole: float, spliced: float, ablated: float, layer: int) -> float:
    """(ablated - spliced) / (ablated - whole), all in nats.

    Raises:
        ValueError: Ablation does not raise the loss, so no share of it can be recovered.
    """
    if ablated <= whole:
        raise ValueError(
            f"ablating layer {layer} does not raise the loss ({ablated:.4f} against {whole:.4f} "
            "nats), so no share of it can be recovered"
        )
    return (ablated - spliced) / (ablated - whole)


def _recovered(
    subject: Subject, batches: Sequence[TokenBatch], layer: int, sae: Any, ablate: Replace
) -> float:
    whole = next_token_nll(subject, batches)
    spliced = next_token_nll(subject, batches, layer, reconstruct(sae))
    ablated = next_token_nll(subject, batches, layer, ablate)
    return share_recovered(whole, spliced, ablated, layer)
