"""The six orders in which questions are shown (Figure 1), in the paper's and the code's reading.

Every order is a pure function of categories, difficulties and a seed, and returns a permutation
of the items. The paper's text and its code differ in two places. Interleaving goes through the
categories item by item in the text ("cycles"); the code cuts each category into three chunks and
shows the first chunk of every category, then the second, then the third. Easy to hard is a strict
sort in the text; the code has beside it a cut into three bins, shuffled inside.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RANDOM = "Random"
STRATEGIES = (
    "Curriculum", "Blocked", "Blocked Curriculum", "Interleaved", "Interleaved Curriculum",
)  # fmt: skip
ORDERS = (RANDOM, *STRATEGIES)
USES_DIFFICULTY = frozenset(name for name in ORDERS if "Curriculum" in name)
USES_CATEGORY = frozenset(name for name in ORDERS if "locked" in name or "nterleaved" in name)


@dataclass(frozen=True)
class Reading:
    """What an order's name is taken to mean."""

    cycles: int | None
    """Cycles of an interleaved order: each category is cut into as many chunks of equal size (up
    to one item). None goes item by item until the categories are used up."""
    bins: int | None
    """Bins of equal size into which difficulty is cut, shuffled inside. None sorts strictly."""

    def __post_init__(self) -> None:
        for name, value in (("cycles", self.cycles), ("bins", self.bins)):
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; give at least 1, or None for the paper's own")


PAPER = Reading(cycles=None, bins=None)
REPOSITORY = Reading(cycles=3, bins=None)
"""The code's interleaving with a strict sort, `*_strict` there; the tables' own variant is not
said, and the text's "continuous ranking" speaks for the sort."""
REPOSITORY_BINS = Reading(cycles=3, bins=3)
"""The same with easy, medium and hard, `*_emh` there."""
READINGS = {"paper": PAPER, "repository": REPOSITORY, "repository bins": REPOSITORY_BINS}


def order(
    strategy: str,
    categories: Sequence[str],
    difficulty: Sequence[float],
    seed: int,
    reading: Reading = REPOSITORY,
) -> list[int]:
    """Return the indices of the items in the order in which they are shown.

    Categories come in alphabetical order, the same in every run (the paper keeps it fixed; the
    code sorts so). Items are shuffled by the seed first, so that ties in difficulty and places
    inside a category are drawn, never those of the file.

    Args:
        strategy: One of `ORDERS`.
        categories: Category of each item.
        difficulty: Difficulty of each item, higher is harder; read only by a curriculum.
        seed: Of the shuffle.
        reading: What interleaving and easy to hard mean.

    Raises:
        ValueError: An unknown strategy, no items, unequal lengths, or a curriculum over items
            whose difficulty is missing.
    """
    _check(strategy, categories, difficulty)
    items = random.Random(f"order/{seed}").sample(range(len(categories)), len(categories))
    if strategy in USES_DIFFICULTY:
        items = _easy_to_hard(items, difficulty, reading, seed)
    if strategy not in USES_CATEGORY:
        return items
    blocks = [[i for i in items if categories[i] == name] for name in sorted(set(categories))]
    if "Interleaved" in strategy:
        return _interleaved(blocks, reading.cycles)
    return [i for block in blocks for i in block]


def _easy_to_hard(
    items: list[int], difficulty: Sequence[float], reading: Reading, seed: int
) -> list[int]:
    ranked = sorted(items, key=lambda i: difficulty[i])
    if reading.bins is None:
        return ranked
    rng = random.Random(f"bins/{seed}")
    return [i for part in chunks(ranked, reading.bins) for i in rng.sample(part, len(part))]


def _interleaved(blocks: list[list[int]], cycles: int | None) -> list[int]:
    """Go round the categories, taking one item or one chunk of each; used-up ones are passed by."""
    turns = [chunks(block, len(block) if cycles is None else cycles) for block in blocks]
    rounds = max(len(parts) for parts in turns)
    return [i for r in range(rounds) for parts in turns if r < len(parts) for i in parts[r]]


def chunks(items: Sequence[int], n: int) -> list[list[int]]:
    """Cut items into n consecutive chunks whose sizes differ by at most one, larger ones first."""
    return [[int(i) for i in part] for part in np.array_split(np.asarray(items, dtype=int), n)]


def repeated(
    strategy: str,
    categories: Sequence[str],
    difficulty: Sequence[float],
    seed: int,
    times: int = 3,
    reading: Reading = REPOSITORY,
) -> list[int]:
    """Return an order in which each category is shown `times` before the next one begins (K12).

    Indices repeat, so this is a list of items to show and no permutation.

    Raises:
        ValueError: As `order`; a strategy that is not blocked; times below 1.
    """
    if "Blocked" not in strategy or times < 1:
        raise ValueError(f"only a blocked order is repeated, at least once: {strategy!r}, {times}")
    shown = order(strategy, categories, difficulty, seed, reading)
    blocks = [[i for i in shown if categories[i] == name] for name in sorted(set(categories))]
    return [i for block in blocks for _ in range(times) for i in block]


def runs(labels: Sequence[str]) -> list[tuple[str, int]]:
    """Return the maximal runs of equal labels: (label, length)."""
    found: list[tuple[str, int]] = []
    for label in labels:
        if found and found[-1][0] == label:
            found[-1] = (label, found[-1][1] + 1)
        else:
            found.append((label, 1))
    return found


def _check(strategy: str, categories: Sequence[str], difficulty: Sequence[float]) -> None:
    if strategy not in ORDERS:
        raise ValueError(f"unknown order {strategy!r}; known: {', '.join(ORDERS)}")
    if not len(categories):
        raise ValueError("there are no items to put in order")
    if len(categories) != len(difficulty):
        raise ValueError(f"{len(categories)} categories for {len(difficulty)} difficulties")
    missing = np.flatnonzero(~np.isfinite(np.asarray(difficulty, dtype=float)))
    if strategy in USES_DIFFICULTY and len(missing):
        raise ValueError(
            f"{strategy} needs a difficulty for every item; {len(missing)} have none, the first "
            f"is item {missing[0]}. Label them or leave them out"
        )
