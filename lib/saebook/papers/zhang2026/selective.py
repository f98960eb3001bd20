"""Training only what chosen latents write (App. C.6): one matrix [K, d_model] at each layer."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from saebook.finetune import Diverged, FineTuned, Item, LoRA, Schedule, Shuffle, ordered
from saebook.finetune.adapters import linear_names
from saebook.finetune.loop import loss_bound, train_named
from saebook.subjects import Subject, block_tensor, with_block_tensor

LR = 1e-2
"""Peak learning rate of writers and of adapters as large. The paper does not print its own. This is
the smallest of 1e-3, 1e-2 and 1e-1 at which the writers of all latents reach half of what
fine-tuning all weights reaches on the target, found with items that no row uses (66 % against
96 %; at 1e-3, the rate of all weights, nothing is learnt)."""

Chosen = Mapping[int, tuple[Any, Sequence[int]]]
"""By layer: its SAE and the latents that are trained."""


class LatentWriter(nn.Module):
    """Adds h_S(x) W to the residual stream, W starting at zero."""

    def __init__(self, sae: Any, latents: Sequence[int], d_model: int) -> None:
        super().__init__()
        self.encode = sae.encode
        self.latents = list(latents)
        self.weight = nn.Parameter(torch.zeros(len(self.latents), d_model))

    def forward(self, resid: Tensor) -> Tensor:
        """Return the residual stream [batch, position, d_model] with the trained part added."""
        with torch.no_grad():
            codes = self.encode(resid.flatten(0, 1))[:, self.latents]
        return resid + (codes @ self.weight).view_as(resid)


def train_latents(
    subject: Subject, items: Sequence[Item], schedule: Schedule, chosen: Chosen, seed: int
) -> FineTuned:
    """Train the writers of the chosen latents and nothing else.

    The returned model carries the writers as hooks on its blocks.

    Raises:
        ValueError: No latents, or a layer out of range.
        Diverged: See `saebook.finetune.fine_tune`.
    """
    if not chosen or any(not len(latents) for _, latents in chosen.values()):
        raise ValueError("there are no latents to train; choose at least one at every layer")
    model = copy.deepcopy(subject.model).requires_grad_(False)
    blocks = Subject.from_model(model, subject.tokenizer, name=subject.name).blocks
    named = {}
    for layer, (sae, latents) in chosen.items():
        subject.check_layer(layer)
        writer = LatentWriter(sae, latents, subject.d_model)
        blocks[layer].register_forward_hook(_hook(writer))
        named[f"layer {layer}"] = writer.weight
    orders = ordered(len(items), schedule.epochs, Shuffle(seed))
    losses, failed = train_named(model, named, items, orders, schedule)
    found = FineTuned(model, tuple(losses), sum(p.numel() for p in named.values()))
    if failed is not None:
        raise Diverged(len(losses), failed, loss_bound(model), schedule.lr, found)
    return found


def matched_adapter(subject: Subject, n_latents: int) -> LoRA:
    """Return an adapter with about as many parameters as the writers of n latents have.

    It sits on the layers that write attention's output into the residual stream, at every block.

    Raises:
        ValueError: Even rank 1 has more than twice the parameters.
    """
    wanted = n_latents * subject.d_model
    a_rank = sum(
        sum(cast(nn.Linear, subject.model.get_submodule(name)).weight.shape)
        for name in linear_names(subject.model)
        if name.endswith("o_proj")
    )
    if a_rank > 2 * wanted:
        raise ValueError(f"{n_latents} latents have {wanted} parameters, rank 1 has {a_rank}")
    rank = max(1, round(wanted / a_rank))
    return LoRA(r=rank, alpha=4.0 * rank, targets=("o_proj",))


def _hook(writer: LatentWriter) -> Any:
    return lambda _module, _inputs, output: with_block_tensor(output, writer(block_tensor(output)))


def matched_latents(
    weight: np.ndarray, taken: Sequence[int], seed: int, live: np.ndarray
) -> list[int]:
    """Draw as many live latents outside `taken`, each near one of them in activity.

    Args:
        weight: Activity of each latent, for example frequency times mean activation.
        taken: Latents to match; none of them is drawn.
        seed: Of the draw among the five nearest that are left.
        live: Bool, latents that may be drawn.

    Raises:
        ValueError: Too few live latents are left.
    """
    rng = np.random.default_rng(seed)
    free = [j for j in np.flatnonzero(live) if j not in set(taken)]
    if len(free) < len(taken):
        raise ValueError(f"{len(taken)} latents to match, only {len(free)} live ones are left")
    drawn = []
    for j in sorted(taken, key=lambda j: -weight[j]):
        near = sorted(free, key=lambda k: abs(np.log1p(weight[k]) - np.log1p(weight[j])))[:5]
        drawn.append(int(rng.choice(near)))
        free.remove(drawn[-1])
    return drawn


@contextmanager
def zeroed(subject: Subject, layer: int, sae: Any, latents: Sequence[int]) -> Iterator[None]:
    """Take what the latents write out of a block's output: x - h_S(x) W_dec[S]."""
    chosen = list(latents)

    def edit(_module: Any, _inputs: Any, output: Any) -> Any:
        resid = block_tensor(output)
        codes = sae.encode(resid.flatten(0, 1))[:, chosen]
        written = (codes @ sae.W_dec[chosen]).view_as(resid)
        return with_block_tensor(output, resid - written)

    handle = subject.block(layer).register_forward_hook(edit)
    try:
        yield
    finally:
        handle.remove()
