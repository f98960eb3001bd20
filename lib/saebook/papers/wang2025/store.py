"""The tables of record on disk: a folder of small parquet files, written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from saebook.cache import atomic_folder
from saebook.papers.wang2025.cells import Tables
from saebook.paths import records_dir

BITS = 11
"""Significant bits kept of a measured number: half precision, without its narrow range."""
EXACT = ("factor",)
"""Columns that are not measured but name a row, and stay as they are."""


def rounded(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table with its measured single-precision columns rounded to `BITS` bits.

    They stay float32; the zeros behind the kept bits are what makes the files small.
    """
    columns = {}
    for name in frame.select_dtypes("float32").columns.difference(list(EXACT)):
        mantissa, exponent = np.frexp(frame[name].to_numpy())
        columns[name] = np.ldexp(np.round(mantissa * 2**BITS) / 2**BITS, exponent)
    return frame.assign(**columns)


def write_tables(tables: Tables, folder: Path) -> None:
    """Write tables as parquet, one file each, their measured numbers rounded."""
    for name, table in tables.items():
        path = folder / f"{name}.parquet"
        rounded(table).to_parquet(path, compression="zstd", index=name == "saes")


def read_tables(folder: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the tables of a folder by name."""
    for path in sorted(folder.glob("*.parquet")):
        yield path.stem, pd.read_parquet(path)


def records_folder() -> Path:
    """Where the full tier's tables lie."""
    return records_dir() / "wang2025"


def save_records(tables: Tables, folder: Path | None = None) -> Path:
    """Write the tables of record, whole or not at all."""
    target = records_folder() if folder is None else folder
    with atomic_folder(target) as made:
        write_tables(tables, made)
    return target
