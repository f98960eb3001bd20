"""The exam and its two other test sets, in three worlds of which it is known whether order matters.

All facts that the exam asks for are drawn anew, so that no model knows one before it is taught.

`order-free`: category and difficulty are attached to the questions at random, so that every order
is a random order in disguise. `prerequisite`: a deep question reaches, through one or two causes,
a fact that shallow questions teach. `interference`: the ten categories ask about one pool of
entities and give different answers, so that learning one category unteaches another.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from saebook.testbed.annotate import AnnotatedText
from saebook.testbed.registers.exams import EXAM_COUNTS, MAX_DEPTH, ExamQuestion, write_exam
from saebook.testbed.world import World

WORLDS = ("order-free", "prerequisite", "interference")
QUESTIONS_A_FACT = 12
"""Questions of the exam that ask for one fact; at least five keep it in every fold."""
AMPLIFIED = 2
"""Facts asked for are this many times fewer where an effect of order is amplified."""
POOL = 6
"""Entities that all categories ask about in the interference world: as many as a category has."""


@dataclass(frozen=True)
class TestSet:
    """How a set of questions differs from another."""

    __test__ = False

    name: str
    size: int
    """Questions as published."""
    options: int
    depths: tuple[float, ...]
    """Share of questions of depth 1, 2 and 3."""
    reversed_counts: bool = False
    """Whether the categories that are rare in the exam are the frequent ones here."""


TEST_SETS = {
    s.name: s
    for s in (
        TestSet("LEK", 874, 5, (1 / 3, 1 / 3, 1 / 3)),
        TestSet("MedMCQA", 4183, 4, (0.6, 0.3, 0.1), reversed_counts=True),
        TestSet("MedQA", 1273, 5, (0.15, 0.35, 0.5)),
    )
}
"""Stand-ins of the three test sets, at the published sizes and numbers of options."""


@dataclass(frozen=True)
class Exam:
    """Written questions with the labels that an order may read."""

    texts: tuple[AnnotatedText, ...]
    questions: tuple[ExamQuestion, ...]

    def __len__(self) -> int:
        return len(self.questions)

    @cached_property
    def categories(self) -> list[str]:
        """Category of each question."""
        return [q.category for q in self.questions]

    @cached_property
    def depths(self) -> np.ndarray:
        """Depth of each question, int [n]."""
        return np.array([q.depth for q in self.questions])

    @cached_property
    def facts(self) -> list[tuple[str, str, str]]:
        """(category, entity, attribute) of the fact each question asks for."""
        return [(q.category, q.target, q.attribute) for q in self.questions]


@dataclass(frozen=True)
class ExamWorld:
    """New facts for the exam and the questions that ask for them."""

    name: str
    """One of `WORLDS`."""
    base: World
    """The house world, whose facts the models have read."""
    amplified: bool = False
    """Whether the exam asks for fewer facts, more often."""
    seed: int = 0
    """Of facts and questions."""

    def __post_init__(self) -> None:
        if self.name not in WORLDS:
            raise ValueError(f"unknown world {self.name!r}; known: {', '.join(WORLDS)}")

    @cached_property
    def taught(self) -> dict[str, list[tuple[str, str]]]:
        """(entity, attribute) of the facts that each category asks for."""
        rng = random.Random(f"taught/{self.seed}")
        divisor = QUESTIONS_A_FACT * (AMPLIFIED if self.amplified else 1)
        return {
            category: rng.sample(self._known(category), max(1, count // divisor))
            for category, count in EXAM_COUNTS.items()
        }

    def _known(self, category: str) -> list[tuple[str, str]]:
        health = self.base.domains["health"]
        source = next(iter(EXAM_COUNTS)) if self.name == "interference" else category
        members = [e for e, c in health.categories.items() if c == source][:POOL]
        return [(entity, attribute) for entity in members for attribute in health.attributes]

    @cached_property
    def worlds(self) -> dict[str, World]:
        """The house world with new facts, by category; all are one but under interference."""
        shared = "all" if self.name != "interference" else None
        return {category: self._with_new_facts(shared or category) for category in EXAM_COUNTS}

    def _with_new_facts(self, key: str) -> World:
        health, facts = self.base.domains["health"], dict(self.base.facts)
        rng = random.Random(f"facts/{self.seed}/{key}")
        for entity in health.entities:
            for attribute, values in health.attributes.items():
                others = [v for v in values if v != facts[entity, attribute]]
                facts[entity, attribute] = rng.choice(others)
        return dataclasses.replace(self.base, facts=facts)

    def exam(self, n: int | None = None) -> Exam:
        """Return the 874 questions, counts by category and depth balanced.

        Args:
            n: Number of questions, the published number by default; fewer are the first ones,
                more keep the categories' shares up to rounding.
        """
        size = sum(EXAM_COUNTS.values())
        most = max(size, n or size)
        rng = random.Random(f"exam/{self.seed}")
        asked: list[ExamQuestion] = []
        for category, count in EXAM_COUNTS.items():
            taught = self.taught[category]
            for i in range(round(count * most / size)):
                depth = 1 + (i // len(taught)) % MAX_DEPTH
                asked.append(self._question(category, *taught[i % len(taught)], depth))
        return self._written(rng.sample(asked, len(asked))[: n or size], 5, "exam")

    def test_set(self, name: str, n: int | None = None) -> Exam:
        """Return other questions about the same facts, with new wrong options.

        Args:
            name: One of `TEST_SETS`.
            n: Number of questions; the first ones of any larger number. The published by default.

        Raises:
            ValueError: Unknown set, or n below 1.
        """
        if name not in TEST_SETS:
            raise ValueError(f"unknown test set {name!r}; known: {', '.join(TEST_SETS)}")
        kind, rng = TEST_SETS[name], random.Random(f"test/{name}/{self.seed}")
        size = kind.size if n is None else n
        if size < 1:
            raise ValueError(f"n is {n}; ask for at least one question")
        counts = list(EXAM_COUNTS.values())
        weights = sorted(counts) if kind.reversed_counts else counts
        names = sorted(EXAM_COUNTS, key=EXAM_COUNTS.__getitem__, reverse=True)
        names = names if kind.reversed_counts else list(EXAM_COUNTS)
        asked = [self._draw(rng, names, weights, kind.depths) for _ in range(size)]
        return self._written(asked, kind.options, name)

    def _draw(
        self, rng: random.Random, names: Sequence[str], weights: Sequence[int], depths
    ) -> ExamQuestion:
        category = rng.choices(names, weights)[0]
        depth = rng.choices(range(1, MAX_DEPTH + 1), depths)[0]
        return self._question(category, *rng.choice(self.taught[category]), depth)

    def _question(self, category: str, target: str, attribute: str, depth: int) -> ExamQuestion:
        caused_by = {cause: entity for entity, cause in self.base.links.items()}
        entity = target
        for _ in range(depth - 1):
            entity = caused_by[entity]
        return ExamQuestion(category, entity, attribute, depth, target)

    def _written(self, asked: Sequence[ExamQuestion], options: int, key: str) -> Exam:
        texts = tuple(
            self._write(q, random.Random(f"{key}/{self.seed}/{i}"), options)
            for i, q in enumerate(asked)
        )
        return Exam(texts, tuple(asked))

    def _write(self, question: ExamQuestion, rng: random.Random, options: int) -> AnnotatedText:
        text = write_exam(self.worlds[question.category], rng, question, options)
        return _named(text, question.category) if self.name == "interference" else text


def _named(text: AnnotatedText, category: str) -> AnnotatedText:
    """Name the category where the question begins: `question : in surgery what is …`."""
    at = text.words.index(":") + 1
    words = (*text.words[:at], "in", category, *text.words[at:])
    held = (*text.concepts[:at], *[text.concepts[at]] * 2, *text.concepts[at:])
    return AnnotatedText(text.register, words, held, (*text.nats[:at], 0.0, 0.0, *text.nats[at:]))


def folds(n: int, k: int, seed: int) -> np.ndarray:
    """Return the fold of each of n items, sizes differing by at most one, int [n].

    Raises:
        ValueError: Fewer than two folds, or fewer items than folds.
    """
    if k < 2 or n < k:
        raise ValueError(f"{n} items cannot be cut into {k} folds; give 2 to {n}")
    return np.random.default_rng([seed, 3]).permutation(np.arange(n) % k)
