"""Records: one row a run and test set, with a bit for every question; everything else is drawn
from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from saebook.papers.yang2024.arms import FIELDS, Arm


class MissingRecords(ValueError):
    """An arm that a statistic needs has no record."""


COLUMNS = (*FIELDS, "seed", "test", "n", "bits", "weights", "version")
VERSION = 1
"""Raised whenever questions, training or scoring change."""
FILE = "yang2024.records.parquet"
SETTINGS = "settings"
"""Attribute of a table of records: the settings that all its runs share, as text."""


def rows_of(arm: Arm, seed: int, test: str, bits: np.ndarray, weights: str) -> dict[str, object]:
    """Return one record.

    Args:
        arm: What was trained.
        seed: Of the run.
        test: Test set.
        bits: Whether each question was answered rightly, bool [n].
        weights: Digest of the starting model.
    """
    held = np.asarray(bits, dtype=bool)
    packed = {"n": len(held), "bits": np.packbits(held).tobytes(), "weights": weights}
    return {**dataclasses.asdict(arm), "seed": seed, "test": test, **packed, "version": VERSION}


def unpacked(bits: bytes, n: int) -> np.ndarray:
    """Return the bits of one record, bool [n]."""
    return np.unpackbits(np.frombuffer(bits, np.uint8), count=int(n)).astype(bool)


def accuracies(records: pd.DataFrame) -> pd.DataFrame:
    """Return the records with `right` (questions answered rightly) and `accuracy` (percent).

    Raises:
        ValueError: A record is of another version or holds fewer bits than questions.
    """
    _check(records)
    right = [int(np.unpackbits(np.frombuffer(b, np.uint8)).sum()) for b in records["bits"]]
    return records.assign(right=right, accuracy=100 * np.array(right) / records["n"])


def _check(records: pd.DataFrame) -> None:
    missing = [name for name in COLUMNS if name not in records.columns]
    if missing or records.empty:
        raise ValueError(f"these are no records of the chapter: columns {missing} are missing")
    versions = sorted(set(records["version"]))
    if versions != [VERSION]:
        raise ValueError(f"records are of version {versions}, the code of {VERSION}; run them anew")
    short = [len(b) != -(-n // 8) for b, n in zip(records["bits"], records["n"], strict=True)]
    if any(short):
        raise ValueError(f"{sum(short)} records hold another number of bits than questions")


def held_runs(records: pd.DataFrame) -> set[tuple[Arm, int]]:
    """Return the runs that have records: arm and seed."""
    frame = records[[*FIELDS, "seed"]].drop_duplicates()
    arms: dict[tuple, Arm] = {}
    found = set()
    for *values, seed in frame.to_numpy(object).tolist():
        held: dict[str, Any] = dict(zip(FIELDS, values, strict=True))
        found.add((arms.setdefault(tuple(values), Arm(**held)), int(seed)))
    return found


def held_arms(records: pd.DataFrame) -> set[Arm]:
    """Return the arms that have records."""
    return {arm for arm, _ in held_runs(records)}


def select(records: pd.DataFrame, arms: Iterable[Arm]) -> pd.DataFrame:
    """Return the records of the given arms.

    Raises:
        MissingRecords: An arm has none; it is named.
    """
    wanted = {tuple(getattr(arm, field) for field in FIELDS): arm for arm in arms}
    keys = list(records[list(FIELDS)].itertuples(index=False, name=None))
    held = set(keys)
    lacking = [arm for key, arm in wanted.items() if key not in held]
    if lacking:
        raise MissingRecords(f"no record of {lacking[0]} (nor of {len(lacking) - 1} others)")
    return records[[key in wanted for key in keys]]


def only(records: pd.DataFrame, runs: set[tuple[Arm, int]]) -> pd.DataFrame:
    """Return the records of the given runs, as far as there are any."""
    wanted = {(*(getattr(arm, field) for field in FIELDS), seed) for arm, seed in runs}
    keys = records[[*FIELDS, "seed"]].itertuples(index=False, name=None)
    return records[[key in wanted for key in keys]]


def write(records: pd.DataFrame, path: Path, settings: str = "") -> Path:
    """Write records as one parquet file, in a fixed order of rows, with their runs' settings."""
    ordered = records[list(COLUMNS)].sort_values([*FIELDS, "seed", "test"], ignore_index=True)
    ordered.attrs = {SETTINGS: settings}
    temporary = path.with_name(f".{path.name}.part")
    ordered.to_parquet(temporary, index=False, compression="zstd")
    return temporary.replace(path)


def read(path: Path) -> pd.DataFrame:
    """Read what `write` wrote, checked.

    Raises:
        ValueError: There is no such file, or it holds no records of this version.
    """
    if not path.is_file():
        raise ValueError(f"no records at {path.name}; run `make full NB=yang2024` first")
    records = pd.read_parquet(path)
    _check(records)
    return records
