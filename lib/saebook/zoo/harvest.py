"""Activations harvested once, kept in memory, and dealt out in shuffled batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

HOLDOUT_SHARE = 10
HOLDOUT_RANGE = (512, 16_384)


def holdout_size(n_tokens: int) -> int:
    """Tokens kept apart for measurement: a tenth of the training tokens, 512 to 16,384."""
    low, high = HOLDOUT_RANGE
    return min(high, max(low, n_tokens // HOLDOUT_SHARE))


@dataclass(frozen=True)
class Harvest:
    """Activations of one hook point, scaled so that the training part has E||x||^2 = d_in."""

    train: Tensor
    """Scaled training activations [n_tokens, d_in], float32."""
    holdout: Tensor
    """Unscaled activations that no SAE trains on [n_holdout, d_in], float32."""
    scale: float
    """train = raw activations * scale."""

    @classmethod
    def from_raw(cls, raw: Tensor, n_tokens: int, scale: float | None = None) -> Harvest:
        """Split raw activations [n_tokens + n_holdout, d_in] and scale the training part in place.

        Args:
            raw: Activations as the model made them.
            n_tokens: Training tokens.
            scale: Factor to use; by default the one that gives the training part E||x||^2 = d_in.

        Raises:
            ValueError: activations are not finite, or all zero.
        """
        if not bool(torch.isfinite(raw).all()):
            raise ValueError("harvested activations hold NaN or infinity; check the model's dtype")
        train, holdout = raw[:n_tokens], raw[n_tokens:].clone()
        mean_square = float(train.double().square().sum(-1).mean())
        if mean_square == 0:
            raise ValueError("harvested activations are all zero; check the hook point")
        factor = (raw.shape[1] / mean_square) ** 0.5 if scale is None else scale
        return cls(train=train.mul_(factor), holdout=holdout, scale=factor)


def harvest(
    stream: Iterable[dict[str, Tensor]],
    hook_names: list[str],
    n_tokens: int,
    scales: Mapping[str, float | None] | None = None,
) -> dict[str, Harvest]:
    """Read a stream once, for all hook points, until training and holdout tokens are there.

    Args:
        stream: dictionaries hook name -> activations [n, d_in], same n for every hook.
        hook_names: hook points to keep.
        n_tokens: training tokens; `holdout_size` more are read and kept apart.
        scales: factor of each hook point; see `Harvest.from_raw` for those without one.

    Raises:
        ValueError: the stream ends early, lacks a hook point, or carries bad activations.
    """
    wanted = n_tokens + holdout_size(n_tokens)
    buffers: dict[str, Tensor] = {}
    filled = 0
    for batch in stream:
        filled += _copy_in(buffers, batch, hook_names, filled, wanted)
        if filled >= wanted:
            own = scales or {}
            return {h: Harvest.from_raw(buffers[h], n_tokens, own.get(h)) for h in hook_names}
    raise ValueError(
        f"the activation stream ended after {filled:,} tokens; {wanted:,} are needed "
        f"({n_tokens:,} to train on, the rest to measure on): give more text or lower n_tokens"
    )


def _copy_in(
    buffers: dict[str, Tensor],
    batch: dict[str, Tensor],
    hook_names: list[str],
    filled: int,
    wanted: int,
) -> int:
    """Copy what fits of one batch; return how many tokens that was."""
    taken = 0
    for name in hook_names:
        if name not in batch:
            raise ValueError(f"the stream has no hook {name!r}; it has {sorted(batch)}")
        acts = batch[name]
        taken = min(len(acts), wanted - filled)
        if name not in buffers:
            buffers[name] = torch.empty(wanted, acts.shape[1], dtype=torch.float32)
        buffers[name][filled : filled + taken] = acts[:taken].detach().to("cpu", torch.float32)
    return taken


def resident(train: Tensor, device: str) -> Tensor:
    """Activations on the card that trains on them, if they leave half of its free memory free.

    Otherwise they stay where they are, and each batch is copied by itself.
    """
    if torch.device(device).type != "cuda":
        return train
    free, _ = torch.cuda.mem_get_info(device)
    return train.to(device) if train.numel() * train.element_size() <= free / 2 else train


def shuffled_batches(train: Tensor, batch_size: int, seed: int) -> Iterator[Tensor]:
    """Deal batches [batch_size, d_in] for ever, each pass in a new order drawn from the seed."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(len(train), generator=generator)
        for start in range(0, len(order) - batch_size + 1, batch_size):
            yield train[order[start : start + batch_size].to(train.device)]
