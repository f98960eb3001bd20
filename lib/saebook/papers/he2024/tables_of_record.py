"""The chapter's measured tables: from the records at the testbed tier, else measured now."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from saebook.papers.he2024 import quality, shift, transfer
from saebook.papers.he2024.gates import validity_table
from saebook.papers.he2024.scope import Scope
from saebook.records import recorded_tables


@dataclass(frozen=True)
class Tables:
    """Everything that was measured, one tidy frame an experiment."""

    losses: pd.DataFrame
    codes: pd.DataFrame
    forms: pd.DataFrame
    classes: pd.DataFrame
    suite: pd.DataFrame
    errors: pd.DataFrame
    positions: pd.DataFrame
    bridge: pd.DataFrame
    validity: pd.DataFrame


def measured_tables(scope: Scope) -> Tables:
    """Read or measure every table of the chapter."""
    makers = {
        "losses": lambda: transfer.loss_table(scope),
        "codes": lambda: transfer.code_table(scope),
        "forms": lambda: shift.form_table(scope),
        "classes": lambda: shift.class_table(scope),
        "suite": lambda: quality.suite_table(scope),
        "errors": lambda: quality.error_table(scope),
        "positions": lambda: quality.position_table(scope),
        "bridge": lambda: quality.bridge_table(scope),
        "validity": lambda: validity_table(scope),
    }
    return Tables(**recorded_tables("he2024", scope.config, scope.made_on, makers))
