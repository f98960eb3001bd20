"""Where a run's records come from: the committed ones at the testbed tier, training elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from saebook.papers.yang2024 import records
from saebook.papers.yang2024.arms import Arm
from saebook.papers.yang2024.effects import Table
from saebook.papers.yang2024.parameters import Parameters
from saebook.papers.yang2024.rows import Evidence
from saebook.papers.yang2024.training import grid, kept, train_arm
from saebook.paths import records_dir, results_dir
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
    if config.tier != "testbed":
        found = grid(config.plan.arms(), config.settings, watch)
        if config.tier == "full":
            records.write(found, results_dir() / records.FILE)
        return found
    path = records_dir() / records.FILE
    if not path.is_file():
        return pd.DataFrame(columns=list(records.COLUMNS))
    held = records.read(path)
    _check_weights(held)
    return held


def kept_cells(config: Parameters) -> pd.DataFrame:
    """Return the records that the cache holds of a plan, whole or not.

    Raises:
        MissingRecords: There is none.
    """
    found = [cell for arm in config.plan.arms() if (cell := kept(arm, config.settings)) is not None]
    if not found:
        raise records.MissingRecords("the cache holds no cell of this plan; run `grid` first")
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


def _check_weights(held: pd.DataFrame) -> None:
    for name, weights in held[["model", "weights"]].drop_duplicates().itertuples(index=False):
        now = load_house_model(str(name)).digest[:16]
        if weights != now:
            raise ValueError(
                f"the records of {name} were made with weights {weights}, these are {now}; "
                "run `make full NB=yang2024`"
            )


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
