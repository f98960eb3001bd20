"""Several adapters trained in one batch: the same numbers as one by one, in a fraction of the time.

A small model spends most of a small step on overhead. Here every linear layer holds a stack of
adapters, the batch holds the items of all of them side by side, and the frozen weights are read
once. Losses, gradients, clipping and AdamW's moments of one adapter never touch another's.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from saebook.finetune.adapters import LoRA, adapted
from saebook.finetune.forward import logits_at
from saebook.finetune.items import IGNORE, Item, check_items, ordered, padded_items
from saebook.finetune.items import steps as cut_into_steps
from saebook.finetune.loop import loss_bound
from saebook.finetune.schedule import Schedule


class Run(NamedTuple):
    """One adapter's training: its items in the order in which they are shown, and its seed."""

    items: Sequence[Item]
    seed: int
    """Draws the adapter's start, as in `fine_tune`."""


class StackedLinear(nn.Module):
    """A frozen linear layer with an adapter for each slot: x W + scale * x A_s B_s."""

    def __init__(self, base: nn.Linear, a: Tensor, b: Tensor, scale: float) -> None:
        """Stack adapters a [slots, r, d_in] and b [slots, d_out, r] on a layer."""
        super().__init__()
        self.base, self.scale = base, scale
        self.a, self.b = nn.Parameter(a), nn.Parameter(b)

    def forward(self, x: Tensor) -> Tensor:
        """Map [slots * rows, width, d_in], slot by slot, to [slots * rows, width, d_out]."""
        by_slot = x.reshape(len(self.a), -1, x.shape[-1])
        update = (by_slot @ self.a.mT) @ self.b.mT
        return self.base(x) + self.scale * update.reshape(*x.shape[:-1], -1)


@dataclass(frozen=True)
class FineTunedStack:
    """Adapters trained side by side on one model."""

    base: PreTrainedModel = field(repr=False)
    layers: dict[str, StackedLinear] = field(repr=False)
    losses: Tensor = field(repr=False)
    """Mean loss of each step and run in nats a learnt token, [steps, runs]."""

    def __len__(self) -> int:
        return self.losses.shape[1]

    def models(self) -> Iterator[PreTrainedModel]:
        """Yield each run's model, its adapter folded into the weights, in eval mode."""
        for slot in range(len(self)):
            model = copy.deepcopy(self.base).eval().requires_grad_(False)
            for name, layer in self.layers.items():
                update = layer.scale * layer.b[slot].detach() @ layer.a[slot].detach()
                cast(nn.Linear, model.get_submodule(name)).weight.add_(update)
            yield model


def fine_tune_stack(
    model: PreTrainedModel, runs: Sequence[Run], schedule: Schedule, lora: LoRA
) -> FineTunedStack:
    """Fine-tune an adapter for each run; equal to `fine_tune` run by run up to rounding.

    Args:
        model: Left as it is.
        runs: Items in their order, as many in every run; one epoch shows them once, in this order.
        schedule: Batch, rate and epochs; every epoch keeps the order.
        lora: Rank, scale and layers. Dropout has to be 0: its draws would tie a run to the
            others in its stack.

    Raises:
        ValueError: No runs, runs of unequal length, dropout, or items that cannot be used.
        RuntimeError: A run's loss left the range in which a model says anything.
    """
    _check(model, runs, lora)
    stacked = copy.deepcopy(model).requires_grad_(False).train()
    layers = _stack_layers(stacked, [_start(model, lora, run.seed) for run in runs], lora)
    parameters = [p for layer in layers.values() for p in (layer.a, layer.b)]
    optimizer = torch.optim.AdamW(
        parameters, lr=schedule.lr, betas=schedule.betas, weight_decay=schedule.weight_decay,
        foreach=True,
    )  # fmt: skip
    n_items = len(runs[0].items)
    n_steps, losses = schedule.n_steps(n_items), list[Tensor]()
    places = cut_into_steps(ordered(n_items, schedule.epochs), schedule.batch_size)
    for step, chosen in enumerate(places):
        optimizer.param_groups[0]["lr"] = schedule.lr_at(step, n_steps)
        batch = [[run.items[i] for i in chosen] for run in runs]
        losses.append(_step(stacked, batch, loss_bound(model), step))
        _clip(parameters, schedule.clip)
        optimizer.step()
        optimizer.zero_grad()
    return FineTunedStack(model, layers, torch.stack(losses))


def _check(model: PreTrainedModel, runs: Sequence[Run], lora: LoRA) -> None:
    if not runs:
        raise ValueError("there are no runs to stack")
    if lora.dropout:
        raise ValueError(f"dropout {lora.dropout} would tie a run to its neighbours; use 0")
    lengths = sorted({len(run.items) for run in runs})
    if len(lengths) > 1:
        raise ValueError(f"runs of a stack need equally many items, found {lengths}")
    for run in runs:
        check_items(run.items, model.config.max_position_embeddings)


@lru_cache(maxsize=32)
def _start(model: PreTrainedModel, lora: LoRA, seed: int) -> dict[str, tuple[Tensor, Tensor]]:
    """Return (A, B) of each adapted layer as peft draws them; kept, as many stacks share seeds."""
    base = adapted(model, lora, seed).get_base_model()
    return {
        name: (layer.lora_A["default"].weight.detach(), layer.lora_B["default"].weight.detach())
        for name, layer in base.named_modules()
        if hasattr(layer, "lora_A")
    }


def _stack_layers(
    model: Any, starts: Sequence[dict[str, tuple[Tensor, Tensor]]], lora: LoRA
) -> dict[str, StackedLinear]:
    """Replace the adapted layers of `model` by stacks that start as peft's adapters do."""
    layers = {}
    for name in starts[0]:
        a, b = (torch.stack([start[name][part] for start in starts]) for part in (0, 1))
        layers[name] = StackedLinear(model.get_submodule(name), a, b, lora.alpha / lora.r)
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, layers[name])
    return layers


def _step(model: Any, batch: Sequence[Sequence[Item]], bound: float, step: int) -> Tensor:
    """Add every run's own gradient and return the runs' mean losses [runs]."""
    ids, labels = padded_items([item for items in batch for item in items])
    learnt = labels[:, 1:] != IGNORE
    targets = labels[:, 1:][learnt]
    logits = logits_at(model, ids, F.pad(learnt, (0, 1)))
    slot = (torch.arange(len(ids)) // len(batch[0]))[:, None].expand_as(learnt)[learnt]
    each = F.cross_entropy(logits, targets.to(logits.device), reduction="none")
    slots = torch.zeros(len(batch), device=each.device)
    sums = slots.index_add(0, slot.to(each.device), each)
    losses = sums / torch.bincount(slot, minlength=len(batch)).to(each.device)
    worst = float(losses.detach().max())
    if not math.isfinite(worst) or worst > bound:
        raise RuntimeError(f"a run's loss is {worst:.4g} nats at step {step}; lower the rate")
    losses.sum().backward()
    return losses.detach().cpu()


def _clip(parameters: Sequence[nn.Parameter], largest: float) -> None:
    """Scale each slot's gradient to a norm of at most `largest`, as `clip_grad_norm_` does."""
    grads = [p.grad for p in parameters if p.grad is not None]
    norms = torch.stack([g.flatten(1).norm(dim=1) for g in grads]).norm(dim=0)
    scale = (largest / (norms + 1e-6)).clamp(max=1.0)
    for grad in grads:
        grad.mul_(scale[:, None, None])
