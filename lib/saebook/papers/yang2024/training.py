"""Training an arm: items in their order, one adapter a seed, a bit for every test question."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from saebook.cache import Cache
from saebook.finetune import LoRA, Schedule, score
from saebook.finetune.stacked import Run, fine_tune_stack
from saebook.papers.yang2024 import records
from saebook.papers.yang2024.arms import Arm, Cell
from saebook.papers.yang2024.labellers import shipped_difficulty
from saebook.papers.yang2024.sittings import asked_of, shown_items, sitting
from saebook.papers.yang2024.starts import Start, at_hand, load_start

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


def train_cell(cell: Cell, settings: Settings) -> pd.DataFrame:
    """Train the runs of a cell side by side and return their records, three a run."""
    arm, start = cell.arm, load_start(cell.arm.model)
    sat = sitting(start.family, arm.world, arm.amplified, arm.n_items, settings.n_test)
    runs = [
        Run([sat.items[i] for i in shown_items(arm, sat, seed, settings.reading)], seed)
        for seed in cell.seeds
    ]
    stack = fine_tune_stack(start.model, runs, settings.schedule(arm), ADAPTER)
    rows = [
        records.rows_of(arm, seed, test, score(model, asked).bits, start.digest[:16])
        for seed, model in zip(cell.seeds, stack.models(), strict=True)
        for test, asked in asked_of(sat, seed).items()
    ]
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
