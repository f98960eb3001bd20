"""A small ledger that has every kind of row."""

from __future__ import annotations

import pytest
from helpers.small_ledger import small_ledger

from saebook.claims.schema import Ledger


@pytest.fixture
def raw() -> dict:
    """The ledger as the YAML would hold it."""
    return small_ledger()


@pytest.fixture
def ledger(raw) -> Ledger:
    """The validated ledger."""
    return Ledger.model_validate(raw)
