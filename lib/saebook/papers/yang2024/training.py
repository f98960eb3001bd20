"""Training an arm: items in their order, one adapter a seed, a bit for every test question."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from saebook.cache import Cache
from saebook.finetune import Item, LoRA, Question, Schedule, answer_item, score, word_question
from saebook.finetune.stacked import Run, fine_tune_stack
from saebook.papers.yang2024 import records
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
from saebook.testbed.house import HouseModel, load_house_model, model_folder
from saebook.testbed.tokenizers import build_tokenizer

FOLDS = 4
"""Parts of the exam; a run leaves out part `seed % 4` and is tested on it (Section 3.3)."""
BATCH = 8
"""Items a step: batch 4, accumulated twice (Appendix B)."""
ADAPTER = LoRA(r=16, alpha=64.0, dropout=0.0)
"""The paper's adapter on all linear layers, without its dropout of 0.1: see `fine_tune_stack`."""


@dataclass(frozen=True)
class Settings:
    """What all arms of a run share."""

    seeds: tuple[int, ...]
    n_test: int
    """Questions of MedMCQA and of MedQA that are asked, the first ones of each."""
    lr: float
    reading: str = "repository"
    """Reading of the orders, a key of `READINGS`."""
    amplified_seeds: tuple[int, ...] = tuple(range(10))
    """Seeds of the positive controls."""

    @property
    def text(self) -> str:
        """The settings as one line, by which records are known to be of these settings."""
        return json.dumps(asdict(self), sort_keys=True)

    def seeds_of(self, arm: Arm) -> tuple[int, ...]:
        """Seeds of an arm's runs."""
        return self.amplified_seeds if arm.amplified else self.seeds

    def schedule(self, arm: Arm) -> Schedule:
        """One epoch without warm-up, linear decay to 0 or a constant rate (Appendix B)."""
        epochs = 3 if arm.show == "three epochs" else 1
        decay = "constant" if arm.decay == "constant" else "linear"
        return Schedule(epochs, BATCH, self.lr, warmup_share=0.0, decay=decay)


@dataclass(frozen=True)
class Sitting:
    """An exam as tokens, with its test sets."""

    world: ExamWorld
    exam: Exam
    questions: tuple[Question, ...]
    items: tuple[Item, ...]
    tests: dict[str, list[Question]]


@lru_cache(maxsize=8)
def sitting(family: str, world: str, amplified: bool, n_items: int, n_test: int) -> Sitting:
    """Write an exam and its test sets for a family's tokenizer; kept for the arms to come."""
    asked = ExamWorld(PREREQUISITE if world == FREE else world, load_world(), amplified)
    tokenizer = build_tokenizer(load_world(), family, chat=False)

    def tokens(exam: Exam) -> list[Question]:
        return [word_question(tokenizer, text) for text in exam.texts]

    exam = asked.exam(n_items)
    questions = tuple(tokens(exam))
    items = tuple(answer_item((*q.ids, q.options[q.right]), len(q.ids)) for q in questions)
    tests = {name: tokens(asked.test_set(name, n_test)) for name in ("MedMCQA", "MedQA")}
    return Sitting(asked, exam, questions, items, tests)


def difficulty(sat: Sitting, label: str) -> np.ndarray:
    """Return the label of each question of an exam.

    Raises:
        ValueError: An unknown label, or one that is not shipped for this exam.
    """
    exam, world = sat.exam, sat.world
    makers: dict[str, Callable[[], np.ndarray]] = {
        "none": lambda: np.zeros(len(exam)),
        "students": lambda: student_difficulty(exam.depths, world.seed),
        "models": lambda: shipped_difficulty(world, exam),
        "oracle": lambda: oracle_difficulty(exam.depths),
        "reversed": lambda: reversed_difficulty(student_difficulty(exam.depths, world.seed)),
        "permuted": lambda: permuted(shipped_difficulty(world, exam), 1),
        "permuted again": lambda: permuted(shipped_difficulty(world, exam), 2),
    }
    if label not in makers:
        raise ValueError(f"unknown label {label!r}; known: {', '.join(makers)}")
    return makers[label]()


def categories(sat: Sitting, kind: str, seed: int) -> list[str]:
    """Return the category of each question: given, permuted, clustered or random."""
    given = sat.exam.categories
    if kind == "given":
        return given
    if kind == "permuted":
        return [str(c) for c in permuted(given, seed)]
    found = clustered_categories([stem(text.words) for text in sat.exam.texts], 0)
    return found if kind == "clustered" else [str(c) for c in permuted(found, seed)]


def shown_items(arm: Arm, sat: Sitting, seed: int, reading: str) -> list[int]:
    """Return the questions that a run is shown, in order, as indices into the exam.

    In the order-free world the labels are attached to the questions at random, by the seed. All
    folds train on equally many questions: where the parts differ by one, one is left out.
    """
    fold = folds(len(sat.exam), FOLDS, 0)
    train = np.flatnonzero(fold != seed % FOLDS)[: len(fold) - int(np.bincount(fold).max())]
    groups, hard = categories(sat, arm.categories, seed), difficulty(sat, arm.label)
    if arm.world == FREE:
        groups, hard = [str(c) for c in permuted(groups, seed)], permuted(hard, seed + 1000)
    draw = 1000 * arm.draw + seed
    make = repeated if arm.show == "each block three times" else order
    own = [groups[i] for i in train], [float(hard[i]) for i in train], draw
    return [int(train[i]) for i in make(arm.order, *own, reading=READINGS[reading])]


def train_arm(arm: Arm, settings: Settings) -> pd.DataFrame:
    """Train an arm with every seed and return its records, three a seed."""
    house = load_house_model(arm.model)
    sat = sitting(house.family, arm.world, arm.amplified, arm.n_items, settings.n_test)
    runs = [
        Run([sat.items[i] for i in shown_items(arm, sat, seed, settings.reading)], seed)
        for seed in settings.seeds_of(arm)
    ]
    stack = fine_tune_stack(house.model, runs, settings.schedule(arm), ADAPTER)
    fold, rows = folds(len(sat.exam), FOLDS, 0), list[dict[str, object]]()
    for seed, model in zip(settings.seeds_of(arm), stack.models(), strict=True):
        left_out = [sat.questions[i] for i in np.flatnonzero(fold == seed % FOLDS)]
        for test, asked in {"LEK": left_out, **sat.tests}.items():
            bits = score(model, asked).bits
            rows.append(records.rows_of(arm, seed, test, bits, house.digest[:16]))
    return pd.DataFrame(rows)


def cell_key(arm: Arm, settings: Settings, house: HouseModel) -> str:
    """Name of an arm's records in the cache: everything that moves a bit is in it."""
    seeds = {"seeds": settings.seeds_of(arm), "amplified_seeds": ()}
    held = (
        asdict(settings) | seeds | {"arm": arm.key, "weights": house.digest, "v": records.VERSION}
    )
    if arm.label in ("models", "permuted", "permuted again"):
        sat = sitting(house.family, arm.world, False, arm.n_items, settings.n_test)
        probs = shipped_difficulty(sat.world, sat.exam).round(5)
        held["labels"] = hashlib.sha256(probs.tobytes()).hexdigest()
    return hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()[:32]


def records_of(arm: Arm, settings: Settings, root: Path | None = None) -> pd.DataFrame:
    """Return an arm's records, trained now or read from the cache: a killed grid goes on here."""

    def make(folder: Path) -> None:
        records.write(train_arm(arm, settings), folder / records.FILE)

    key = cell_key(arm, settings, load_house_model(arm.model))
    folder, _ = Cache("yang2024", root).get_or_make(key, make)
    return records.read(folder / records.FILE)


def kept(arm: Arm, settings: Settings, root: Path | None = None) -> pd.DataFrame | None:
    """Return an arm's records if the cache holds them."""
    if not model_folder(arm.model).is_dir():
        return None
    folder = Cache("yang2024", root).get(cell_key(arm, settings, load_house_model(arm.model)))
    return None if folder is None else records.read(folder / records.FILE)


def grid(
    arms: Sequence[Arm],
    settings: Settings,
    watch: Callable[[int, Arm], None] | None = None,
    held: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return the records of all arms.

    Args:
        arms: What to train.
        settings: Shared by all.
        watch: Called with the number of arms done and the arm before each one.
        held: Records of these settings; an arm that is among them is not trained again.

    Raises:
        ValueError: No arms.
    """
    if not arms:
        raise ValueError("there are no arms to train")
    known = set() if held is None else records.held_arms(held)
    found = [] if held is None else [records.select(held, [a for a in arms if a in known])]
    for done, arm in enumerate(arms):
        if watch is not None:
            watch(done, arm)
        if arm not in known:
            found.append(records_of(arm, settings))
    return pd.concat(found, ignore_index=True)


def chance(test: str) -> float:
    """Return the accuracy of guessing on a test set, percent."""
    return 25.0 if test == "MedMCQA" else 20.0
