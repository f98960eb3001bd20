"""One prefix, read once; many changes of its last residual, each with its next-token distribution.

Only the last position changes, so keys and values of the positions before it are computed once
and shared: a change costs one token through the model instead of a whole prefix.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from saebook.activations import read_blocks
from saebook.subjects import Subject, block_tensor, with_block_tensor


@dataclass(frozen=True, eq=False)
class Prefix:
    """A prefix as a subject reads it, ready for changes at its last position."""

    subject: Subject
    layer: int
    ids: Tensor
    """Token ids [1, t], BOS included where the family has one."""
    resid: Tensor
    """Output of block `layer` at the last position, float32 [d_model]."""
    logprobs: Tensor
    """log p(next token | prefix), unchanged, float32 [vocabulary]."""
    past: Any
    """Keys and values of all positions but the last."""

    @torch.no_grad()
    def changed_logprobs(self, changes: Tensor, batch_size: int = 1024) -> Tensor:
        """Return log p(next token) when `resid` becomes `resid + change`, one row a change.

        Args:
            changes: Added to the block's output at the last position, [n, d_model].
            batch_size: Changes a forward pass; numbers differ by rounding only (about 1e-5).

        Returns:
            float32 [n, vocabulary] on the CPU.

        Raises:
            ValueError: a width other than d_model, values that are not finite, or no change.
        """
        if changes.ndim != 2 or changes.shape[1] != self.subject.d_model or not len(changes):
            raise ValueError(
                f"changes have shape {tuple(changes.shape)}, not [n >= 1, {self.subject.d_model}]"
            )
        if not torch.isfinite(changes).all():
            bad = int((~torch.isfinite(changes)).any(1).nonzero()[0])
            raise ValueError(f"change {bad} holds values that are not finite")
        parts = [self._batch(part) for part in changes.split(batch_size)]
        return torch.cat(parts)

    def _batch(self, changes: Tensor) -> Tensor:
        n = len(changes)
        past = copy.deepcopy(self.past)
        if past is not None:
            past.batch_repeat_interleave(n)
        inputs = {
            "input_ids": self.ids[:, -1:].expand(n, 1).contiguous().to(self.subject.device),
            "past_key_values": past,
            "use_cache": past is not None,
        }
        added = changes[:, None].to(self.subject.device)
        block = self.subject.traced_block(self.layer)
        with self.subject.traced.trace(**inputs):
            output = block.output
            resid = block_tensor(output)
            block.output = with_block_tensor(output, resid + added.to(resid.dtype))
            logits = self.subject.traced.output.logits.save()
        return logits[:, -1].float().log_softmax(-1).cpu()


@torch.no_grad()
def read_prefix(subject: Subject, text: str, layer: int) -> Prefix:
    """Read a prefix, with one BOS in front where the family has one.

    Raises:
        ValueError: a layer out of range, or a prefix without tokens.
    """
    ids = torch.tensor(subject.encode([text]))
    mask = torch.ones_like(ids, dtype=torch.bool)
    resid = read_blocks(subject, ids, mask, [layer])[layer][0, -1].cpu()
    model = cast(Any, subject.model)
    logits = model(input_ids=ids.to(subject.device), use_cache=False).logits
    past = None
    if ids.shape[1] > 1:
        past = model(input_ids=ids[:, :-1].to(subject.device), use_cache=True).past_key_values
    return Prefix(subject, layer, ids, resid, logits[0, -1].float().log_softmax(-1).cpu(), past)
