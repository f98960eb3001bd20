"""Which concepts hold in a text that nobody annotated, told from word pairs that somebody did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ConceptAnnotator:
    """P(concept | previous word, word), counted on annotated texts, backing off to the word.

    p = (n(concept, pair) + P(concept | word)) / (n(pair) + 1). In the testbed nearly every word
    has one meaning, so this recovers the written ground truth of most tokens.
    """

    concepts: tuple[str, ...]
    vocabulary: int
    _pairs: NDArray[np.int64]
    """Sorted keys previous * vocabulary + word."""
    _by_pair: Floats
    """P(concept | pair) [n_pairs, n_concepts]."""
    _by_word: Floats
    """P(concept | word) [vocabulary, n_concepts]."""

    @classmethod
    def fit(
        cls, rows: Sequence[Sequence[int]], texts: Sequence[Any], vocabulary: int
    ) -> ConceptAnnotator:
        """Count concepts over annotated texts.

        Args:
            rows: Token ids of each text, one a word, no BOS.
            texts: The texts, with `.concepts` a word.
            vocabulary: Number of token ids.

        Raises:
            ValueError: no texts, or a text whose tokens and words differ in number.
        """
        for i, (row, text) in enumerate(zip(rows, texts, strict=True)):
            if len(row) != len(text.concepts):
                raise ValueError(f"text {i} has {len(row)} tokens for {len(text.concepts)} words")
        if not rows:
            raise ValueError("there are no texts to learn concepts from")
        concepts = tuple(sorted({c for text in texts for held in text.concepts for c in held}))
        column = {concept: i for i, concept in enumerate(concepts)}
        words = np.concatenate([np.asarray(row, dtype=np.int64) for row in rows])
        keys = np.concatenate([_pair_keys(row, vocabulary) for row in rows])
        pairs, which = np.unique(keys, return_inverse=True)
        held = [[column[c] for c in at] for text in texts for at in text.concepts]
        place = np.repeat(np.arange(len(held)), [len(at) for at in held])
        concept = np.concatenate([np.asarray(at, dtype=np.int64) for at in held])
        by_word = np.zeros((vocabulary, len(concepts)), dtype=np.float32)
        np.add.at(by_word, (words[place], concept), 1)
        by_word /= np.bincount(words, minlength=vocabulary).clip(min=1)[:, None]
        by_pair = by_word[pairs % vocabulary]
        np.add.at(by_pair, (which[place], concept), 1)
        by_pair /= (np.bincount(which) + 1)[:, None]
        return cls(concepts, vocabulary, pairs, by_pair, by_word)

    def column(self, concept: str) -> int:
        """Column of a concept. Raises ValueError for one that no text held."""
        try:
            return self.concepts.index(concept)
        except ValueError:
            raise ValueError(f"no annotated text holds {concept!r}") from None

    def probabilities(self, row: Sequence[int], concepts: Sequence[int] | None = None) -> Floats:
        """P(concept) at every word of a row of token ids, [len(row), n_concepts asked for]."""
        word = np.asarray(row, dtype=np.int64)
        keys = _pair_keys(row, self.vocabulary)
        at = np.searchsorted(self._pairs, keys).clip(max=len(self._pairs) - 1)
        columns = slice(None) if concepts is None else list(concepts)
        pair, single = self._by_pair[at][:, columns], self._by_word[word][:, columns]
        return np.where((self._pairs[at] == keys)[:, None], pair, single)

    def expected(self, rows: Sequence[Sequence[int]], concepts: Sequence[int]) -> NDArray:
        """Expected number of words that hold concept i in row i, [n]; 0 for an empty row."""
        lengths = [len(row) for row in rows]
        words = np.concatenate([np.asarray(row, dtype=np.int64) for row in rows] or [[]]).astype(
            int
        )
        keys = np.concatenate([_pair_keys(row, self.vocabulary) for row in rows] or [[]]).astype(
            int
        )
        column = np.repeat(np.asarray(concepts, dtype=np.int64), lengths)
        at = np.searchsorted(self._pairs, keys).clip(max=len(self._pairs) - 1)
        known = self._pairs[at] == keys
        found = np.where(known, self._by_pair[at, column], self._by_word[words, column])
        owner = np.repeat(np.arange(len(rows)), lengths)
        return np.bincount(owner, weights=found, minlength=len(rows))

    def totals(self, rows: Sequence[Sequence[int]]) -> NDArray:
        """Expected number of words of each row that hold each concept, [n, n_concepts]."""
        return np.stack([self.probabilities(row).sum(0) for row in rows]).astype(np.float64)


def _pair_keys(row: Sequence[int], vocabulary: int) -> NDArray[np.int64]:
    word = np.asarray(row, dtype=np.int64)
    return np.concatenate([np.zeros(1, dtype=np.int64), word[:-1]]) * vocabulary + word
