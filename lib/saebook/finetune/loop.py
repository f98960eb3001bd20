"""The training loop: full fine-tuning or an adapter, with a stop when the loss runs away."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from saebook.finetune.adapters import LoRA, adapted
from saebook.finetune.forward import logits_at
from saebook.finetune.items import IGNORE, Item, by_length, check_items, ordered, padded_items
from saebook.finetune.items import steps as cut_into_steps
from saebook.finetune.schedule import Schedule

Projection = Callable[[str, Tensor], Tensor]
"""Maps a parameter's name and gradient to the gradient to use, of the same shape: a mask that
freezes entries, or a projection onto a subspace."""
CHUNK_TOKENS = 8_192
"""Tokens a forward pass at most, padding counted; steps larger than this are accumulated."""


@dataclass(frozen=True)
class FineTuned:
    """A fine-tuned model and how its loss went."""

    model: PreTrainedModel
    """In eval mode, without gradients; adapters are merged into the weights."""
    losses: tuple[float, ...] = field(repr=False)
    """Mean loss of each step in nats a learnt token, before the step's update."""
    n_trained: int = 0
    """Parameters that required gradients."""


class Diverged(ValueError):
    """The loss left the range in which a model says anything.

    The model that was given is untouched; `last` is the one before the step that failed.
    """

    def __init__(self, step: int, loss: float, bound: float, lr: float, last: FineTuned) -> None:
        super().__init__(
            f"the loss is {loss:.4g} nats at step {step} (largest allowed {bound:.4g}); "
            f"lower lr {lr:g}. The starting model is as it was."
        )
        self.step, self.loss, self.last = step, loss, last


def fine_tune(
    model: PreTrainedModel,
    items: Sequence[Item],
    schedule: Schedule,
    order: Any = None,
    *,
    seed: int = 0,
    lora: LoRA | None = None,
    projection: Projection | None = None,
    checkpointing: bool = False,
) -> FineTuned:
    """Fine-tune a copy of a model; the loss is the mean over a step's learnt tokens.

    Args:
        model: Left as it is.
        items: What to learn.
        schedule: Epochs, batch, learning rate.
        order: Order of the items, see `saebook.finetune.ordered`; kept as given by default.
        seed: Draws an adapter's start and its dropout.
        lora: Train an adapter in place of all weights.
        projection: Applied to every gradient before clipping.
        checkpointing: Compute each block's activations again in the backward pass and keep none
            of them: the same numbers in a fraction of the memory, a third slower.

    Raises:
        ValueError: Items or order that cannot be used, or an adapter that matches no layer.
        Diverged: The loss is not finite or above twice that of a uniform guess; says the step.
    """
    check_items(items, model.config.max_position_embeddings)
    orders = ordered(len(items), schedule.epochs, order)
    tuned: Any = adapted(model, lora, seed) if lora else _trainable_copy(model)
    tuned.train()
    if checkpointing:
        tuned.activation_checkpointing_enable()
    named = {name: p for name, p in tuned.named_parameters() if p.requires_grad}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        losses, failed = train_named(tuned, named, items, orders, schedule, projection)
    whole = tuned.merge_and_unload() if lora else tuned
    if checkpointing:
        whole.activation_checkpointing_disable()
    whole.eval().requires_grad_(False)
    found = FineTuned(whole, tuple(losses), sum(p.numel() for p in named.values()))
    if failed is not None:
        raise Diverged(len(losses), failed, loss_bound(model), schedule.lr, found)
    return found


def _trainable_copy(model: Any) -> Any:
    return copy.deepcopy(model).requires_grad_(True)


def loss_bound(model: Any) -> float:
    """Twice the loss of a uniform guess over the vocabulary, nats."""
    return 2.0 * math.log(model.config.vocab_size)


def train_named(
    model: nn.Module,
    named: dict[str, nn.Parameter],
    items: Sequence[Item],
    orders: Iterable[Sequence[int]],
    schedule: Schedule,
    projection: Projection | None = None,
) -> tuple[list[float], float | None]:
    """Train the named parameters in place; modules hooked into the model may be among them.

    Returns:
        The loss of each step, and the loss that stopped the training if one did (its step made
        no update).
    """
    orders = list(orders)
    optimizer = torch.optim.AdamW(
        list(named.values()),
        lr=schedule.lr,
        betas=schedule.betas,
        weight_decay=schedule.weight_decay,
        foreach=True,
    )
    bound = loss_bound(model)
    losses: list[float] = []
    n_steps = schedule.n_steps(len(items))
    for step, chosen in enumerate(cut_into_steps(orders, schedule.batch_size)):
        optimizer.param_groups[0]["lr"] = schedule.lr_at(step, n_steps)
        loss = _accumulate(model, [items[i] for i in chosen])
        if not math.isfinite(loss) or loss > bound:
            return losses, loss
        _update(optimizer, named, schedule, projection)
        losses.append(loss)
    return losses, None


def _accumulate(model: nn.Module, batch: list[Item]) -> float:
    """Add the gradient of a step's mean loss and return that loss.

    Items are grouped by length and each group's sum is divided by the step's tokens, so that the
    grouping changes no number beyond rounding.
    """
    learnt = sum(label != IGNORE for item in batch for label in item.labels[1:])
    total = 0.0
    for group in by_length([len(item.ids) for item in batch], CHUNK_TOKENS):
        ids, labels = padded_items([batch[i] for i in group])
        loss = summed_loss(model, ids, labels) / learnt
        loss.backward()
        total += loss.item()
    return total


def summed_loss(model: nn.Module, ids: Tensor, labels: Tensor) -> Tensor:
    """Sum of cross-entropies in nats over the learnt tokens of [batch, width] ids and labels."""
    learnt = labels[:, 1:] != IGNORE
    where = F.pad(learnt, (0, 1))
    targets = labels[:, 1:][learnt]
    logits = logits_at(model, ids, where)
    return F.cross_entropy(logits, targets.to(logits.device), reduction="sum")


def _update(
    optimizer: torch.optim.Optimizer,
    named: dict[str, nn.Parameter],
    schedule: Schedule,
    projection: Projection | None,
) -> None:
    if projection is not None:
        for name, parameter in named.items():
            if parameter.grad is not None:
                parameter.grad = projection(name, parameter.grad)
    torch.nn.utils.clip_grad_norm_(list(named.values()), schedule.clip)
    optimizer.step()
    optimizer.zero_grad()
