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
from saebook.papers.yang2024.arms import FREE, PREREQUISITE, Arm, Cell
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
from saebook.papers.yang2024.starts import Start, at_hand, load_start
from saebook.testbed import load_world
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

    n_test: int
    """Questions of MedMCQA and of MedQA that are asked, the first ones of each."""
    lr: float
    reading: str = "repository"
    """Reading of the orders, a key of `READINGS`."""

    @property
    def text(self) -> str:
        """The settings as one line, by which records are known to be of these settings."""
        return json.dumps(asdict(self), sort_keys=True)

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


def difficulty(sat: Sitting, label: str, seed: int = 0) -> np.ndarray:
    """Return the label of each question of an exam.

    Args:
        sat: The exam.
        label: One of `LABELS`.
        seed: Of the run; read by the labels that are dealt out anew in each.

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
        "redrawn": lambda: permuted(shipped_difficulty(world, exam), 2 * seed + 100),
        "redrawn again": lambda: permuted(shipped_difficulty(world, exam), 2 * seed + 101),
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
    groups, hard = categories(sat, arm.categories, seed), difficulty(sat, arm.label, seed)
    if arm.world == FREE:
        groups, hard = [str(c) for c in permuted(groups, seed)], permuted(hard, seed + 1000)
    draw = 1000 * arm.draw + seed
    make = repeated if arm.show == "each block three times" else order
    own = [groups[i] for i in train], [float(hard[i]) for i in train], draw
    return [int(train[i]) for i in make(arm.order, *own, reading=READINGS[reading])]


def train_cell(cell: Cell, settings: Settings) -> pd.DataFrame:
    """Train the runs of a cell side by side and return their records, three a run."""
    arm, start = cell.arm, load_start(cell.arm.model)
    sat = sitting(start.family, arm.world, arm.amplified, arm.n_items, settings.n_test)
    runs = [
        Run([sat.items[i] for i in shown_items(arm, sat, seed, settings.reading)], seed)
        for seed in cell.seeds
    ]
    stack = fine_tune_stack(start.model, runs, settings.schedule(arm), ADAPTER)
    fold, rows = folds(len(sat.exam), FOLDS, 0), list[dict[str, object]]()
    for seed, model in zip(cell.seeds, stack.models(), strict=True):
        left_out = [sat.questions[i] for i in np.flatnonzero(fold == seed % FOLDS)]
        for test, asked in {"LEK": left_out, **sat.tests}.items():
            bits = score(model, asked).bits
            rows.append(records.rows_of(arm, seed, test, bits, start.digest[:16]))
    return pd.DataFrame(rows)


def cell_key(cell: Cell, settings: Settings, start: Start) -> str:
    """Name of a cell's records in the cache: everything that moves a bit is in it."""
    arm = cell.arm
    held = asdict(settings) | {"seeds": cell.seeds, "arm": arm.key}
    held |= {"weights": start.digest, "v": records.VERSION}
    if arm.label in ("models", "redrawn", "redrawn again"):
        sat = sitting(start.family, arm.world, False, arm.n_items, settings.n_test)
        probs = shipped_difficulty(sat.world, sat.exam).round(5)
        held["labels"] = hashlib.sha256(probs.tobytes()).hexdigest()
    return hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()[:32]


def records_of(cell: Cell, settings: Settings, root: Path | None = None) -> pd.DataFrame:
    """Return a cell's records, trained now or read from the cache: a killed grid goes on here."""

    def make(folder: Path) -> None:
        records.write(train_cell(cell, settings), folder / records.FILE)

    key = cell_key(cell, settings, load_start(cell.arm.model))
    folder, _ = Cache("yang2024", root).get_or_make(key, make)
    return records.read(folder / records.FILE)


def kept(cell: Cell, settings: Settings, root: Path | None = None) -> pd.DataFrame | None:
    """Return a cell's records if the cache holds them."""
    if not at_hand(cell.arm.model):
        return None
    folder = Cache("yang2024", root).get(cell_key(cell, settings, load_start(cell.arm.model)))
    return None if folder is None else records.read(folder / records.FILE)


def grid(
    cells: Sequence[Cell],
    settings: Settings,
    watch: Callable[[int, Cell], None] | None = None,
    held: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return the records of all cells.

    Args:
        cells: What to train.
        settings: Shared by all.
        watch: Called with the number of cells done and the cell before each one.
        held: Records of these settings; a cell whose runs are all among them is not trained again.

    Raises:
        ValueError: No cells.
    """
    if not cells:
        raise ValueError("there are no cells to train")
    lacking = missing_cells(cells, held)
    wanted = set().union(*(cell.runs for cell in cells if cell not in lacking))
    found = [] if held is None else [records.only(held, wanted)]
    for done, cell in enumerate(cells):
        if watch is not None:
            watch(done, cell)
        if cell in lacking:
            found.append(records_of(cell, settings))
    return pd.concat(found, ignore_index=True)


def missing_cells(cells: Sequence[Cell], held: pd.DataFrame | None) -> list[Cell]:
    """Return the cells of which at least one run has no record."""
    known = set() if held is None or held.empty else records.held_runs(held)
    return [cell for cell in cells if not cell.runs <= known]
