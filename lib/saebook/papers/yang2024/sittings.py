"""Exams as tokens, with the labels that an order reads, and the questions a run is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial

import numpy as np

from saebook.finetune import Item, Question, answer_item, word_question
from saebook.papers.yang2024.arms import FREE, PREREQUISITE, Arm
from saebook.papers.yang2024.clusters import clustered_categories, stem
from saebook.papers.yang2024.exams import Exam, ExamWorld, folds
from saebook.papers.yang2024.labellers import shipped_difficulty
from saebook.papers.yang2024.labels import (
    oracle_difficulty,
    permuted,
    reversed_difficulty,
    student_difficulty,
)
from saebook.papers.yang2024.orders import READINGS, order, repeated
from saebook.testbed import load_world
from saebook.testbed.tokenizers import build_tokenizer

FOLDS = 4
"""Parts of the exam; a run leaves out part `seed % 4` and is tested on it (Section 3.3)."""


@dataclass(frozen=True)
class Sitting:
    """An exam as tokens, with its test sets and what an order may read."""

    questions: tuple[Question, ...]
    items: tuple[Item, ...]
    tests: dict[str, list[Question]]
    given: list[str]
    """Category of each question."""
    stems: list[str]
    """Each question without its options."""
    label: Callable[[str, int], np.ndarray]
    """Difficulty of each question by the label's name and the run's seed."""
    whole: bool = False
    """Whether every run trains on all questions; else each leaves a fold out."""

    def __len__(self) -> int:
        return len(self.questions)


@dataclass(frozen=True)
class HouseSitting(Sitting):
    """An exam about made-up facts, of which the truth is known."""

    world: ExamWorld = field(kw_only=True)
    exam: Exam = field(kw_only=True)


def training_items(questions: Sequence[Question]) -> tuple[Item, ...]:
    """Each question with its right option, which alone is learnt."""
    return tuple(answer_item((*q.ids, q.options[q.right]), len(q.ids)) for q in questions)


@lru_cache(maxsize=8)
def sitting(family: str, world: str, amplified: bool, n_items: int, n_test: int) -> HouseSitting:
    """Write an exam and its test sets for a family's tokenizer; kept for the arms to come."""
    asked = ExamWorld(PREREQUISITE if world == FREE else world, load_world(), amplified)
    tokenizer = build_tokenizer(load_world(), family, chat=False)

    def tokens(exam: Exam) -> list[Question]:
        return [word_question(tokenizer, text) for text in exam.texts]

    exam = asked.exam(n_items)
    questions = tuple(tokens(exam))
    return HouseSitting(
        questions,
        training_items(questions),
        {name: tokens(asked.test_set(name, n_test)) for name in ("MedMCQA", "MedQA")},
        exam.categories,
        [stem(text.words) for text in exam.texts],
        partial(difficulty, asked, exam),
        world=asked,
        exam=exam,
    )


def difficulty(world: ExamWorld, exam: Exam, label: str, seed: int = 0) -> np.ndarray:
    """Return the label of each question of an exam about made-up facts.

    Args:
        world: The exam's world.
        exam: The questions.
        label: One of `LABELS`.
        seed: Of the run; read by the labels that are dealt out anew in each.

    Raises:
        ValueError: An unknown label, or one that is not shipped for this exam.
    """
    makers: dict[str, Callable[[], np.ndarray]] = {
        "none": lambda: np.zeros(len(exam)),
        "students": lambda: student_difficulty(exam.depths, world.seed),
        "models": lambda: shipped_difficulty(world, exam),
        "oracle": lambda: oracle_difficulty(exam.depths),
        "reversed": lambda: reversed_difficulty(student_difficulty(exam.depths, world.seed)),
        "redrawn": lambda: permuted(shipped_difficulty(world, exam), 2 * seed + 100),
        "redrawn again": lambda: permuted(shipped_difficulty(world, exam), 2 * seed + 101),
    }
    if label not in makers:
        raise ValueError(f"unknown label {label!r}; known: {', '.join(makers)}")
    return makers[label]()


def categories(sat: Sitting, kind: str, seed: int) -> list[str]:
    """Return the category of each question: given, permuted, clustered or random."""
    if kind == "given":
        return sat.given
    if kind == "permuted":
        return [str(c) for c in permuted(sat.given, seed)]
    found = clustered_categories(sat.stems, 0, "MedQA" if sat.whole else "LEK")
    return found if kind == "clustered" else [str(c) for c in permuted(found, seed)]


def shown_items(arm: Arm, sat: Sitting, seed: int, reading: str) -> list[int]:
    """Return the questions that a run is shown, in order, as indices into the exam.

    In the order-free world the labels are attached to the questions at random, by the seed. All
    folds train on equally many questions: where the parts differ by one, one is left out.
    """
    train = _trained_on(sat, seed)
    groups, hard = categories(sat, arm.categories, seed), sat.label(arm.label, seed)
    if arm.world == FREE:
        groups, hard = [str(c) for c in permuted(groups, seed)], permuted(hard, seed + 1000)
    draw = 1000 * arm.draw + seed
    make = repeated if arm.show == "each block three times" else order
    own = [groups[i] for i in train], [float(hard[i]) for i in train], draw
    return [int(train[i]) for i in make(arm.order, *own, reading=READINGS[reading])]


def _trained_on(sat: Sitting, seed: int) -> np.ndarray:
    if sat.whole:
        return np.arange(len(sat))
    fold = folds(len(sat), FOLDS, 0)
    return np.flatnonzero(fold != seed % FOLDS)[: len(fold) - int(np.bincount(fold).max())]


def asked_of(sat: Sitting, seed: int) -> dict[str, list[Question]]:
    """Return what a run is tested on: LEK is the part of the exam it left out, if it left one."""
    if sat.whole:
        return sat.tests
    left_out = np.flatnonzero(folds(len(sat), FOLDS, 0) == seed % FOLDS)
    return {"LEK": [sat.questions[i] for i in left_out], **sat.tests}
