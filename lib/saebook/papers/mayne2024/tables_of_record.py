"""Tidy per-item tables of the full tier: written beside its results, read back by smaller runs."""

from __future__ import annotations

import pandas as pd

from saebook.papers.mayne2024.parameters import Parameters
from saebook.paths import records_dir, results_dir

SLUG = "mayne2024"


def keep(name: str, frame: pd.DataFrame, config: Parameters) -> pd.DataFrame:
    """Write a table beside the results when this is the full tier; return it either way."""
    if config.tier == "full":
        folder = results_dir()
        folder.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(folder / f"{SLUG}.{name}.parquet", index=False)
    return frame


def of_record(name: str) -> pd.DataFrame | None:
    """The full tier's table of that name, or None where no full run has been kept."""
    path = records_dir() / f"{SLUG}.{name}.parquet"
    return pd.read_parquet(path) if path.is_file() else None
