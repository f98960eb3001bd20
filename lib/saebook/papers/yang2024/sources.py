"""Where a run's records come from: the committed ones at the testbed tier, training elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import pandas as pd

from saebook.papers.yang2024 import records
from saebook.papers.yang2024.arms import Arm, Cell
from saebook.papers.yang2024.effects import Table
from saebook.papers.yang2024.parameters import Parameters
from saebook.papers.yang2024.rows import Evidence
from saebook.papers.yang2024.starts import load_start
from saebook.papers.yang2024.training import grid, kept, missing_cells, train_cell
from saebook.paths import records_dir, results_dir
from saebook.records import check_weights


def chapter_records(
    config: Parameters, watch: Callable[[int, Cell], None] | None = None
) -> pd.DataFrame:
    """Return the records of a plan's cells.

    The testbed tier reads what the full tier left, which may be nothing: the chapter then says of
    every row that it was not measured. Every other tier trains, cell by cell, in the cache, and the
    full tier writes its records beside its results.

    Args:
        config: The chapter's parameters.
        watch: Passed to `grid`.

    Raises:
        ValueError: Records of another version or of other weights.
    """
    if config.tier == "testbed":
        path = records_dir() / records.FILE
        if not path.is_file():
            return pd.DataFrame(columns=list(records.COLUMNS))
        held = records.read(path)
        check_weights("yang2024", dict(zip(held["model"], held["weights"], strict=True)), _weights)
        return held
    held = recorded(config) if config.tier == "full" else None
    found = grid(config.plan.cells(), config.settings, watch, held)
    if config.tier == "full":
        records.write(found, results_dir() / records.FILE, config.settings.text)
    return found


def recorded(config: Parameters) -> pd.DataFrame | None:
    """Return the committed records that these settings and today's weights would give again.

    Records of other settings or of a model whose weights have changed are left out.
    """
    path = records_dir() / records.FILE
    if not path.is_file():
        return None
    held = records.read(path)
    if held.attrs.get(records.SETTINGS) != config.settings.text:
        return None
    same = held["weights"] == held["model"].map(_weights)
    return held[same].reset_index(drop=True)


def kept_cells(config: Parameters) -> pd.DataFrame:
    """Return the records of a plan that are committed or lie in the cache, whole or not.

    Raises:
        MissingRecords: There is none.
    """
    held = recorded(config)
    lacking = missing_cells(config.plan.cells(), held)
    found = [] if held is None else [held]
    found += [own for cell in lacking if (own := kept(cell, config.settings)) is not None]
    if not found:
        raise records.MissingRecords("no cell of this plan is on record; run `grid` first")
    return pd.concat(found, ignore_index=True)


def evidence(held: pd.DataFrame, config: Parameters) -> Evidence:
    """Return the records as the rows read them, for every model with its essential arms."""
    arms = records.held_arms(held)
    names = tuple(m for m in config.model_names if set(config.plan.essential(m)) <= arms)
    return Evidence(Table(held), config.plan, names, config.n_resamples, config.seed)


def missing(held: pd.DataFrame, config: Parameters) -> pd.Series:
    """Return how many of a plan's cells lack a record, by model and world."""
    lacking = [(c.arm.model, c.arm.world) for c in missing_cells(config.plan.cells(), held)]
    return pd.Series(lacking, dtype=object).value_counts().rename("cells without a record")


@lru_cache(maxsize=8)
def _weights(model: str) -> str:
    """Digest of a starting model as it is now, 16 hexadecimal digits."""
    return load_start(model).digest[:16]


def trained_again(arm: Arm, held: pd.DataFrame, config: Parameters) -> pd.DataFrame:
    """Train the first cell of an arm now and compare it with its records.

    Returns:
        A row a seed and test set: accuracy on record and now (percent), and the share of
        questions whose bit is the same.
    """
    cell = next(cell for cell in config.plan.cells() if cell.arm == arm)
    own, now = records.select(held, [arm]), train_cell(cell, config.settings)
    both = own.merge(now, on=["seed", "test"], suffixes=("", "_now"))
    rows = []
    for _, row in both.iterrows():
        before = records.unpacked(row["bits"], row["n"])
        after = records.unpacked(row["bits_now"], row["n_now"])
        shares = 100 * before.mean(), 100 * after.mean(), (before == after).mean()
        rows.append((row["seed"], row["test"], *shares))
    return pd.DataFrame(rows, columns=["seed", "test", "record", "now", "same bits"])
