"""What a published model is shown: CAA's pairs and held-out pairs from a folder, and a text."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from saebook.cache import file_digest
from saebook.hub import HubError
from saebook.papers.mayne2024 import tables
from saebook.papers.mayne2024.caa import FILES, LetterPair, Split, load_pairs, render_pair
from saebook.papers.mayne2024.sources import Items, letter_items
from saebook.subjects import Subject

BEHAVIOURS = (
    *tables.BEHAVIOURS, "hallucination", "myopic-reward", "refusal", "survival-instinct",
)  # fmt: skip
"""CAA's seven, those of Table 1 first."""
CONTEXT = 1_024
"""Tokens at which text is cut: the context that sae-lens states for the paper's SAE."""


@dataclass(frozen=True)
class PublishedSource:
    """Pairs from a folder in CAA's layout, in one format for reading and scoring."""

    folder: Path
    subject: Subject
    """Whose tokenizer renders the pairs, where they are rendered as chats."""
    chat: bool
    """Whether as the start of the model's turn, or in the base format."""
    documents: Sequence[str]
    """Ordinary text."""
    batch_size: int
    measures: tuple[str, ...] = ("letter",)
    context: int = CONTEXT

    def __post_init__(self) -> None:
        """Refuse a folder without the behaviours of Table 1."""
        lacking = [name for name in tables.BEHAVIOURS if name not in self.behaviours]
        if lacking:
            raise HubError(
                f"{self.folder} lacks pairs that make a vector, or pairs that test it, for "
                f"{', '.join(lacking)}; give the folder that holds `generate` and `test`"
            )

    @property
    def behaviours(self) -> Sequence[str]:
        """Those of the seven that have both files."""
        return [
            name
            for name in BEHAVIOURS
            if all((self.folder / split / name / file).is_file() for split, file in FILES.items())
        ]

    @property
    def digest(self) -> str:
        """SHA-256 over all files that are read."""
        files = [self.folder / s / b / f for b in self.behaviours for s, f in FILES.items()]
        return hashlib.sha256("".join(map(file_digest, files)).encode()).hexdigest()

    def pair_texts(self, behaviour: str, n: int, seed: int) -> tuple[list[str], list[str]]:
        """Texts of at most n pairs, drawn where there are more, each ending in its letter.

        Raises:
            ValueError: As `load_pairs` and `render_pair`.
        """
        rendered = [self._rendered(pair) for pair in self._drawn(behaviour, "generate", n, seed)]
        return [text for text, _ in rendered], [text for _, text in rendered]

    def items(self, subject: Subject, behaviour: str, measure: str, n: int, seed: int) -> Items:
        """Held-out questions up to the bracket before the letter.

        Raises:
            ValueError: Another measure than the letter, or as `load_pairs` and `letter_items`.
        """
        if measure not in self.measures:
            raise ValueError(f"published pairs are read at the letter; {measure!r} is not known")
        pairs = self._drawn(behaviour, "test", n, seed)
        asked = [(self._rendered(p)[0].removesuffix(p.matching), p.matching) for p in pairs]
        return letter_items(subject, behaviour, asked)

    def texts(self, n_tokens: int, seed: int) -> list[str]:
        """The documents as they are given; who reads them says so if they are too few."""
        return list(self.documents)

    def _drawn(self, behaviour: str, split: Split, n: int, seed: int) -> list[LetterPair]:
        pairs = list(load_pairs(self.folder, behaviour, split).pairs)
        if len(pairs) <= n:
            return pairs
        return random.Random(f"{behaviour}/{split}/{seed}").sample(pairs, n)

    def _rendered(self, pair: LetterPair) -> tuple[str, str]:
        return render_pair(pair, self.subject.tokenizer if self.chat else None)
