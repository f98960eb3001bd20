"""Likelihood of a text under the generator of the testbed, by counted word triples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STRENGTH = 0.5
"""Weight of the shorter context, in observations of the longer one."""

Ints = NDArray[np.int64]
Table = tuple[Ints, NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class GeneratorLikelihood:
    """An interpolated trigram model of texts that the generator wrote.

    p(c | a, b) = (n(abc) + s p(c | b)) / (n(ab) + s), the same one step down, and a word's own
    share with one added to every count at the bottom.
    """

    vocabulary: int
    _triples: Table
    _pairs: Table
    _words: NDArray[np.float64]

    @classmethod
    def fit(cls, rows: Sequence[Sequence[int]], vocabulary: int) -> GeneratorLikelihood:
        """Count the words of token rows. Raises ValueError if there are none."""
        keys = [_keys(row, vocabulary) for row in rows if len(row)]
        if not keys:
            raise ValueError("there are no texts to count words in")
        triples, pairs, words = (np.concatenate(part) for part in zip(*keys, strict=True))
        counts = np.bincount(words, minlength=vocabulary).astype(float) + 1
        return cls(vocabulary, _table(triples), _table(pairs), counts)

    def logprobs(self, row: Sequence[int], context: Sequence[int] = ()) -> NDArray[np.float64]:
        """log p of every word of a row after up to two words of context, nats [len(row)].

        Raises:
            ValueError: an empty row.
        """
        if not len(row):
            raise ValueError("a text without words has no likelihood")
        tail = [*context][-2:]
        triples, pairs, words = (k[len(tail) :] for k in _keys([*tail, *row], self.vocabulary))
        v = self.vocabulary
        one = self._words[words] / self._words.sum()
        two = _shrunk(_count(self._pairs, pairs), self._words[pairs // v] - 1, one)
        three = _shrunk(_count(self._triples, triples), _count(self._pairs, triples // v), two)
        return np.log(three)

    def mean_logprobs(
        self, rows: Sequence[Sequence[int]], contexts: Sequence[Sequence[int]]
    ) -> NDArray[np.float64]:
        """Mean log p a word of each row after its context, nats [n]; an empty row scores worst.

        The worst is the log share of the rarest word.
        """
        worst = float(np.log(self._words.min() / self._words.sum()))
        pairs = zip(rows, contexts, strict=True)
        return np.array([self.logprobs(r, c).mean() if len(r) else worst for r, c in pairs])


def _keys(row: Sequence[int], vocabulary: int) -> tuple[Ints, Ints, Ints]:
    """Keys of the triples, pairs and words that end at each position; 0 stands before the text."""
    word = np.asarray(row, dtype=np.int64)
    padded = np.concatenate([np.zeros(2, dtype=np.int64), word])
    pair = padded[1:-1] * vocabulary + word
    return padded[:-2] * vocabulary**2 + pair, pair, word


def _table(keys: Ints) -> Table:
    distinct, counts = np.unique(keys, return_counts=True)
    return distinct, counts.astype(float)


def _count(table: Table, keys: Ints) -> NDArray[np.float64]:
    known, counts = table
    at = np.searchsorted(known, keys).clip(max=len(known) - 1)
    return np.where(known[at] == keys, counts[at], 0.0)


def _shrunk(
    hits: NDArray[np.float64], total: NDArray[np.float64], below: NDArray[np.float64]
) -> NDArray[np.float64]:
    # Where a context ends a text its count exceeds the sum over what follows it: a little mass
    # is lost, and a probability never exceeds one.
    return (hits + STRENGTH * below) / (np.maximum(total, hits) + STRENGTH)
