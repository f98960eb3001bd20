"""The chapter's tables: kept by a full run, and read back only for the models they speak of."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from saebook.papers.mayne2024.grid import crossing, grid
from saebook.papers.mayne2024.parameters import Parameters
from saebook.records import recorded_table
from saebook.zoo import HouseSource
from saebook.zoo.store import key_of

SLUG = "mayne2024"
VERSION = 2
"""Of the tables' columns and of what they mean; a table of another version is measured again."""


@dataclass(frozen=True)
class Tables:
    """Reads and keeps a run's tables."""

    config: Parameters
    made_on: str
    """Digest of every SAE asked for (model, text, recipe), the measure, the seed, the version."""

    @classmethod
    def of(cls, config: Parameters) -> Tables:
        """The tables of a run with these parameters."""
        source = HouseSource()
        keys = [key_of(spec, source) for spec in (*grid(config), *crossing(config))]
        told = "/".join([*keys, config.measure, str(config.seed), str(VERSION)])
        return cls(config, hashlib.sha256(told.encode()).hexdigest()[:16])

    def measured(self, name: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """A table measured in this run; the full tier keeps it, and goes on from what it kept."""
        return self.recorded(name, make) if self.config.tier == "full" else make()

    def recorded(self, name: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """A table of record where one fits these models, else measured; see `recorded_table`."""
        size = self.config.model_dump_json(exclude={"caa_folder"})
        return recorded_table(SLUG, name, self.config.tier, self.made_on, make, size=size)
