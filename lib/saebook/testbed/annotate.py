"""Texts that carry their ground truth: the concepts at every word and each choice's surprise."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

NAMED_KINDS = frozenset({"entity", "object", "number", "unit", "value", "letter"})
"""Kinds of concept that hold at the word that names them and nowhere else.

Every other kind (topic, skill, role, attribute, behaviour …) holds on all the words it spans.
"""


@dataclass(frozen=True)
class AnnotatedText:
    """A generated text, word by word; one word is one token of every house tokenizer."""

    register: str
    """Kind of text, a key of `saebook.testbed.registers.WRITERS`."""
    words: tuple[str, ...]
    """The text, split into words."""
    concepts: tuple[frozenset[str], ...]
    """Ids of the concepts that hold at each word."""
    nats: tuple[float, ...]
    """The generator's own surprise at each word, nats; the sum is the surprise of all choices."""

    @property
    def text(self) -> str:
        """The words joined by single spaces; every house tokenizer splits it back into `words`."""
        return " ".join(self.words)

    def __len__(self) -> int:
        return len(self.words)


@dataclass
class Hidden(Generic[T]):
    """A choice that the text may never show."""

    value: T
    owed: float
    """Its cost in nats, charged when the text first shows it and zero from then on."""


class Scribe:
    """Writes a text while recording every random choice and every concept that holds.

    A choice made with `pick`, `shuffle` or `chance` costs -log p nats. The cost is charged to
    the next word said, which is the first word that can reveal the choice.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._words: list[str] = []
        self._concepts: list[frozenset[str]] = []
        self._nats: list[float] = []
        self._active: frozenset[str] = frozenset()
        self._pending = 0.0

    def pick(self, items: Sequence[T], weights: Sequence[float] | None = None) -> T:
        """Return one item, uniformly or in proportion to `weights`, and charge -log p.

        With `weights`, equal items count as one outcome whose probability is their sum.
        """
        if weights is None:
            self._pending += math.log(len(items))
            return items[self._rng.randrange(len(items))]
        index = self._rng.choices(range(len(items)), weights)[0]
        alike = sum(w for item, w in zip(items, weights, strict=True) if item == items[index])
        self._pending -= math.log(alike / sum(weights))
        return items[index]

    def some(self, items: Sequence[T], count: int) -> list[T]:
        """Return `count` distinct items in random order; charge the log of the number of ways."""
        self._pending += math.log(math.perm(len(items), count))
        return self._rng.sample(list(items), count)

    def subset(self, items: Sequence[T], count: int) -> list[T]:
        """Like `some`, where the text will not show the order: charge the log of the sets."""
        self._pending += math.log(math.comb(len(items), count))
        return self._rng.sample(list(items), count)

    def shuffle(self, items: Sequence[T]) -> list[T]:
        """Return the items in random order and charge the log of the number of distinct orders."""
        alike = math.prod(math.factorial(n) for n in Counter(items).values())
        self._pending += math.log(math.factorial(len(items)) // alike)
        return self._rng.sample(list(items), len(items))

    def chance(self, probability: float) -> bool:
        """Return True with the given probability and charge the surprise of the outcome."""
        return self.pick((True, False), (probability, 1.0 - probability))

    def hidden(self, draw: Callable[[], T]) -> Hidden[T]:
        """Draw without charging: a choice costs nothing as long as no word depends on it."""
        before, self._pending = self._pending, 0.0
        value = draw()
        owed, self._pending = self._pending, before
        return Hidden(value, owed)

    def show(self, choice: Hidden[T]) -> T:
        """Return a hidden choice for the next words to tell; charges it the first time."""
        self._pending += choice.owed
        choice.owed = 0.0
        return choice.value

    def say(self, words: str, *concepts: str) -> None:
        """Append the space-separated words; the given concepts hold on all of them.

        A concept of `NAMED_KINDS` holds only where the word is its name.
        """
        here = self._active.union(concepts)
        spanning = frozenset(c for c in here if c.partition("/")[0] not in NAMED_KINDS)
        named = here - spanning
        for word in words.split():
            self._words.append(word)
            self._concepts.append(spanning | {c for c in named if c.partition("/")[2] == word})
            self._nats.append(self._pending)
            self._pending = 0.0

    @contextmanager
    def under(self, *concepts: str) -> Iterator[None]:
        """Let the concepts hold on everything said inside the block."""
        before = self._active
        self._active = before.union(concepts)
        yield
        self._active = before

    def finish(self, register: str) -> AnnotatedText:
        """Return what was written. Raises ValueError if nothing was."""
        if not self._words:
            raise ValueError(f"a text of register {register!r} came out empty; say something first")
        return AnnotatedText(register, tuple(self._words), tuple(self._concepts), tuple(self._nats))
