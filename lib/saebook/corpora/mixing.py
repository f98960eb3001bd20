"""The producer and consumer buffer that mixes activations of many texts (Li et al. 2025, 3.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor


def mixing_buffer(parts: Iterable[Tensor], capacity: int, seed: int) -> Iterator[Tensor]:
    """Fill a buffer, shuffle it, hand out half, refill the other half, and so on.

    Every row comes out exactly once. When the stream has ended the rest is shuffled and handed out.

    Args:
        parts: Activations [n, d] in the order in which the model made them.
        capacity: Rows the buffer holds, at least 2. SAELens holds 20 batches of 32 contexts.
        seed: Of the shuffles.

    Yields:
        Rows [capacity // 2, d] in mixed order; the last yield holds what was left.

    Raises:
        ValueError: a capacity below 2, or a stream without rows.
    """
    if capacity < 2:
        raise ValueError(f"a mixing buffer of {capacity} rows cannot be halved; give at least 2")
    generator, half = torch.Generator().manual_seed(seed), capacity // 2
    held: Tensor | None = None
    for part in parts:
        held = part if held is None else torch.cat([held, part])
        while len(held) >= capacity:
            order = torch.randperm(capacity, generator=generator)
            mixed = held[:capacity][order]
            yield mixed[:half]
            held = torch.cat([mixed[half:], held[capacity:]])
    if held is None or not len(held):
        raise ValueError("the stream held no activations to mix")
    yield held[torch.randperm(len(held), generator=generator)]
