"""Training items, the order they are shown in, and batches whose padding carries no loss."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

IGNORE = -100
"""Label of a token that carries no loss."""


class Item(NamedTuple):
    """One training text."""

    ids: tuple[int, ...]
    """Token ids, BOS in front where the family has one."""
    labels: tuple[int, ...]
    """The same ids where the token is to be learnt, `IGNORE` elsewhere; same length."""


class Shuffle(NamedTuple):
    """Draw the order of every epoch from a seed."""

    seed: int


def text_item(ids: Sequence[int]) -> Item:
    """Return an item whose every token is learnt."""
    return answer_item(ids, 0)


def answer_item(ids: Sequence[int], start: int) -> Item:
    """Return an item learnt from token `start` on; what stands before carries no loss.

    Raises:
        ValueError: Nothing is left to learn.
    """
    held = tuple(ids)
    if not 0 <= start < len(held):
        raise ValueError(f"an answer at token {start} of {len(held)} leaves nothing to learn")
    return Item(held, (*[IGNORE] * start, *held[start:]))


def check_items(items: Sequence[Item], longest: int) -> None:
    """Refuse what cannot be trained on.

    Raises:
        ValueError: No items; something that draws its own order; an item that is longer than the
            model's context, whose labels are of another length, or that has nothing to predict.
    """
    if isinstance(items, DataLoader | Sampler):
        raise ValueError("items come as a plain sequence; a loader or sampler may reorder them")
    if not items:
        raise ValueError("there are no items to fine-tune on")
    for i, item in enumerate(items):
        if len(item.ids) != len(item.labels):
            raise ValueError(f"item {i} has {len(item.ids)} tokens and {len(item.labels)} labels")
        if len(item.ids) > longest:
            raise ValueError(f"item {i} has {len(item.ids)} tokens; the model takes {longest}")
        if all(label == IGNORE for label in item.labels[1:]):
            raise ValueError(f"item {i} has no token to predict")


def ordered(n_items: int, epochs: int, order: Any = None) -> list[list[int]]:
    """Return the order of items in each epoch.

    Args:
        n_items: Number of items.
        epochs: Number of epochs.
        order: None keeps the order of the items in every epoch; a permutation is kept in every
            epoch as it is; `Shuffle(seed)` draws a new one for each epoch.

    Raises:
        ValueError: A sampler or loader, which would draw an order of its own, or a sequence that
            does not name every item once.
    """
    if isinstance(order, Shuffle):
        draws = [random.Random(f"order/{order.seed}/{epoch}") for epoch in range(epochs)]
        return [draw.sample(range(n_items), n_items) for draw in draws]
    if isinstance(order, Sampler | DataLoader | random.Random | bool):
        raise ValueError(
            f"order is a {type(order).__name__}, which may shuffle; give the order itself, or "
            "Shuffle(seed) to draw one"
        )
    kept = list(range(n_items)) if order is None else [int(i) for i in order]
    if sorted(kept) != list(range(n_items)):
        raise ValueError(f"an order of {len(kept)} entries does not name each of {n_items} once")
    return [list(kept) for _ in range(epochs)]


def steps(orders: Sequence[Sequence[int]], batch_size: int) -> Iterator[list[int]]:
    """Cut each epoch's order into the items of its optimiser steps."""
    for order in orders:
        for start in range(0, len(order), batch_size):
            yield list(order[start : start + batch_size])


def by_length(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Yield indices in groups of like length, each at most `tokens` tokens with its padding.

    Ties keep their order, so the groups depend on the lengths alone.
    """
    group: list[int] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if group and (len(group) + 1) * lengths[i] > tokens:
            yield group
            group = []
        group.append(i)
    if group:
        yield group


def padded_items(items: Sequence[Item]) -> tuple[Tensor, Tensor]:
    """Right-pad items into (ids, labels), both int64 [batch, width].

    Padding is token 0 with the label `IGNORE`: under causal attention nothing to its left can
    see it, and it carries no loss.
    """
    width = max(len(item.ids) for item in items)
    ids = torch.zeros(len(items), width, dtype=torch.long)
    labels = torch.full((len(items), width), IGNORE)
    for row, item in enumerate(items):
        ids[row, : len(item.ids)] = torch.tensor(item.ids)
        labels[row, : len(item.ids)] = torch.tensor(item.labels)
    return ids, labels
