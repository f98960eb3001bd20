"""The chapter's measured tables: from the records at the testbed tier, else measured now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from saebook.papers.he2024 import quality, transfer
from saebook.papers.he2024.gates import validity_table
from saebook.papers.he2024.scope import Scope
from saebook.records import recorded_table


@dataclass(frozen=True)
class Tables:
    """Everything that was measured, one tidy frame an experiment."""

    losses: pd.DataFrame
    codes: pd.DataFrame
    suite: pd.DataFrame
    errors: pd.DataFrame
    positions: pd.DataFrame
    bridge: pd.DataFrame
    validity: pd.DataFrame


def measured_tables(scope: Scope) -> Tables:
    """Read or measure every table of the chapter."""
    makers: dict[str, Callable[[Scope], pd.DataFrame]] = {
        "losses": transfer.loss_table,
        "codes": transfer.code_table,
        "suite": quality.suite_table,
        "errors": quality.error_table,
        "positions": quality.position_table,
        "bridge": quality.bridge_table,
        "validity": validity_table,
    }

    def table(name: str) -> pd.DataFrame:
        def make() -> pd.DataFrame:
            return makers[name](scope)

        config = scope.config
        size = config.model_dump_json()
        return recorded_table("he2024", name, config.tier, scope.made_on, make, size=size)

    return Tables(**{name: table(name) for name in makers})
