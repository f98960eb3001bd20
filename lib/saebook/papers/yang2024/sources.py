"""Where a run's records come from: the committed ones at the testbed tier, training elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import pandas as pd

from saebook.papers.yang2024 import records
from saebook.papers.yang2024.arms import Arm
from saebook.papers.yang2024.effects import Table
from saebook.papers.yang2024.parameters import Parameters
from saebook.papers.yang2024.rows import Evidence
from saebook.papers.yang2024.training import grid, kept, train_arm
from saebook.paths import records_dir, results_dir
from saebook.records import check_weights
from saebook.testbed.house import load_house_model


def chapter_records(
    config: Parameters, watch: Callable[[int, Arm], None] | None = None
) -> pd.DataFrame:
    """Return the records of a plan's arms.

    The testbed tier reads what the full tier left, which may be nothing: the chapter then says of
    every row that it was not measured. Every other tier trains, arm by arm, in the cache, and the
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
    found = grid(config.plan.arms(), config.settings, watch, held)
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
    known = set() if held is None else records.held_arms(held)
    arms = [arm for arm in config.plan.arms() if arm not in known]
    found = [] if held is None else [held]
    found += [cell for arm in arms if (cell := kept(arm, config.settings)) is not None]
    if not found:
        raise records.MissingRecords("no cell of this plan is on record; run `grid` first")
    return pd.concat(found, ignore_index=True)


def evidence(held: pd.DataFrame, config: Parameters) -> Evidence:
    """Return the records as the rows read them, for every model with its essential arms."""
    arms = records.held_arms(held)
    names = tuple(m for m in config.model_names if set(config.plan.essential(m)) <= arms)
    return Evidence(Table(held), config.plan, names, config.n_resamples, config.seed)


def missing_arms(held: pd.DataFrame, config: Parameters) -> pd.Series:
    """Return how many of a plan's arms have no record, by model and world."""
    arms = records.held_arms(held)
    lacking = [(a.model, a.world) for a in config.plan.arms() if a not in arms]
    return pd.Series(lacking, dtype=object).value_counts().rename("arms without a record")


@lru_cache(maxsize=8)
def _weights(model: str) -> str:
    """Digest of a house model as it is now, 16 hexadecimal digits."""
    return load_house_model(model).digest[:16]


def trained_again(arm: Arm, held: pd.DataFrame, config: Parameters) -> pd.DataFrame:
    """Train one arm now and compare it with its records.

    Returns:
        A row a seed and test set: accuracy on record and now (percent), and the share of
        questions whose bit is the same.
    """
    own, now = records.select(held, [arm]), train_arm(arm, config.settings)
    both = own.merge(now, on=["seed", "test"], suffixes=("", "_now"))
    rows = []
    for _, row in both.iterrows():
        before = records.unpacked(row["bits"], row["n"])
        after = records.unpacked(row["bits_now"], row["n_now"])
        shares = 100 * before.mean(), 100 * after.mean(), (before == after).mean()
        rows.append((row["seed"], row["test"], *shares))
    return pd.DataFrame(rows, columns=["seed", "test", "record", "now", "same bits"])
