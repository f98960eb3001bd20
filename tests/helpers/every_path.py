"""Exact distributions of what a Scribe writes, by walking every path of choices."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict

import pytest


class Tape:
    """Stands in for random.Random: replays one path of choices and remembers how wide each was.

    Every branch of a choice is one (probability, outcome) pair, so that walking all tapes gives
    the exact distribution of what is written.
    """

    def __init__(self, path: list[int]) -> None:
        self.path, self.at, self.widths, self.probability = path, 0, [], 1.0

    def _branch(self, probabilities: list[float]) -> int:
        chosen = self.path[self.at] if self.at < len(self.path) else 0
        self.at += 1
        self.widths.append((chosen, len(probabilities)))
        self.probability *= probabilities[chosen]
        return chosen

    def randrange(self, n: int) -> int:
        return self._branch([1 / n] * n)

    def choices(self, items, weights):
        total = sum(weights)
        return [items[self._branch([w / total for w in weights])]]

    def sample(self, items, count: int):
        ways = list(itertools.permutations(items, count))
        return list(ways[self._branch([1 / len(ways)] * len(ways))])


def every_text(write):
    """Yield (text, probability) over all paths that `write(tape)` can take."""
    path: list[int] | None = []
    while path is not None:
        tape = Tape(path)
        text = write(tape)
        yield text, tape.probability
        widths = tape.widths
        while widths and widths[-1][0] + 1 == widths[-1][1]:
            widths.pop()
        path = [c for c, _ in widths[:-1]] + [widths[-1][0] + 1] if widths else None


def floor_and_entropy(write) -> tuple[float, float]:
    """Return (mean of the summed nats, entropy of the texts), both exact."""
    mass: defaultdict = defaultdict(float)
    floor = 0.0
    for text, probability in every_text(write):
        mass[text.words] += probability
        floor += probability * sum(text.nats)
    assert sum(mass.values()) == pytest.approx(1.0)
    return floor, -sum(p * math.log(p) for p in mass.values())
