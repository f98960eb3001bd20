"""Where pairs, held-out prompts and ordinary text come from: the world, or published files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from saebook.subjects import Subject
from saebook.testbed import World, behaviour_pairs, free_prompts

REGISTERS = ("encyclopaedia", "problems")
"""Ordinary text of the world: what the SAEs are trained on, without behaviour documents."""
OTHER = {"A": "B", "B": "A"}


@dataclass(frozen=True)
class Items:
    """Prompts of one behaviour and measure, with the next tokens that count for each side."""

    behaviour: str
    measure: str
    prompts: list[str]
    positive: list[list[int]]
    negative: list[list[int]]


class Source(Protocol):
    """What a model is shown, and how its text is to be read."""

    @property
    def behaviours(self) -> Sequence[str]:
        """Names of the behaviours that have pairs."""
        ...

    @property
    def measures(self) -> Sequence[str]:
        """Readings of behaviour that `items` knows."""
        ...

    @property
    def context(self) -> int:
        """Tokens at which ordinary text is cut."""
        ...

    @property
    def batch_size(self) -> int:
        """Texts a forward pass."""
        ...

    def pair_texts(self, behaviour: str, n: int, seed: int) -> tuple[list[str], list[str]]:
        """Texts of at most n pairs, each ending in its letter: the matching ones, the others."""
        ...

    def items(self, subject: Subject, behaviour: str, measure: str, n: int, seed: int) -> Items:
        """At most n prompts that are in no pair, with the next tokens of both sides."""
        ...

    def texts(self, n_tokens: int, seed: int) -> list[str]:
        """Ordinary texts of together at least n tokens."""
        ...


@dataclass(frozen=True)
class WorldSource:
    """The testbed's own pairs, prompts and texts, drawn from seeds."""

    world: World
    measures: tuple[str, ...] = ("letter", "free")
    context: int = 128
    batch_size: int = 64

    @property
    def behaviours(self) -> Sequence[str]:
        """The world's seven."""
        return list(self.world.behaviours)

    def pair_texts(self, behaviour: str, n: int, seed: int) -> tuple[list[str], list[str]]:
        """Exactly n pairs, letters randomised. Raises ValueError for an unknown behaviour."""
        pairs = behaviour_pairs(self.world, behaviour, n, seed)
        return [pair.positive for pair in pairs], [pair.negative for pair in pairs]

    def items(self, subject: Subject, behaviour: str, measure: str, n: int, seed: int) -> Items:
        """Prompts that end before the option letter, or before a free answer's content word.

        Raises:
            ValueError: Another measure, an unknown behaviour, or a word that is not one token.
        """
        if measure not in self.measures:
            raise ValueError(f"unknown measure {measure!r}; known: {', '.join(self.measures)}")
        if measure == "letter":
            pairs = behaviour_pairs(self.world, behaviour, n, seed)
            asked = [(pair.prompt, pair.matching_letter) for pair in pairs]
            return letter_items(subject, behaviour, asked)
        prompts = free_prompts(self.world, behaviour, n, seed)
        poles = [[one_token(subject, w) for w in ws] for ws in self.world.pole_words(behaviour)]
        return Items(behaviour, "free", prompts, [poles[0]] * n, [poles[1]] * n)

    def texts(self, n_tokens: int, seed: int) -> list[str]:
        """Encyclopaedia and problem text in turn; a text has more than 80 tokens on average."""
        n_texts = n_tokens // 40 + 8
        samples = [self.world.sample(name, n_texts, seed) for name in REGISTERS]
        return [text.text for both in zip(*samples, strict=True) for text in both]


def letter_items(subject: Subject, behaviour: str, asked: Iterable[tuple[str, str]]) -> Items:
    """Prompts whose next token is an option letter; the matching letter is the positive side.

    Args:
        subject: The model.
        behaviour: Its name.
        asked: Prompts that end before the letter, each with the matching letter.

    Raises:
        ValueError: A letter that is not A or B, or that is no token of its own after its prompt.
    """
    prompts, positive, negative = [], [], []
    for prompt, letter in asked:
        if letter not in OTHER:
            raise ValueError(f"the matching letter is {letter!r}; it has to be A or B")
        prompts.append(prompt)
        positive.append([next_token(subject, prompt, letter)])
        negative.append([next_token(subject, prompt, OTHER[letter])])
    return Items(behaviour, "letter", prompts, positive, negative)


def next_token(subject: Subject, prompt: str, letter: str) -> int:
    """The id that a letter has right after a prompt.

    Raises:
        ValueError: The tokenizer joins the letter with what stands before it.
    """
    before, after = subject.encode([prompt, prompt + letter])
    if after[:-1] != before:
        raise ValueError(
            f"{letter!r} is no token of its own after ...{prompt[-20:]!r} in {subject.name}"
        )
    return after[-1]


def one_token(subject: Subject, word: str) -> int:
    """The id of a word that is one token. Raises ValueError otherwise."""
    ids = subject.encode([word], bos=False)[0]
    if len(ids) != 1 or subject.decode(ids).strip() != word:
        raise ValueError(f"{word!r} is not one token of {subject.name}: {ids}")
    return ids[0]
