"""A small ledger that has every kind of row."""

from __future__ import annotations

import copy

import pytest

from saebook.claims.schema import Ledger

_TEST = {
    "metric": "Share of something",
    "unit": "share",
    "test": {"rule": "at_least", "value": 0.5, "no_effect": 0.0},
    "tolerance_why": "because it was said before",
    "controls": [{"name": "shuffled", "must": {"rule": "at_most", "value": 0.2}}],
    "gates": ["sae_valid"],
    "smallest_effect": {"value": 0.1, "n": 40, "of": "pairs"},
    "alpha": 0.025,
}
_AUDIT = {
    "metric": "Count of something printed",
    "test": {"rule": "equals", "value": 7},
    "tolerance_why": "it is a count",
    "exact": True,
}
_PARTS = {
    "metric": "Two numbers",
    "test": {
        "rule": "all_of",
        "parts": {
            "left": {"rule": "greater_than", "value": 0.0},
            "right": {"rule": "less_than", "value": 0.0},
        },
    },
    "tolerance_why": "two signs",
    "controls": [{"name": "null", "must": {"rule": "between", "low": -1, "high": 1}}],
    "smallest_effect": {"value": 0.1, "n": 40, "of": "pairs"},
}


def _claim(claim_id: str, origin: str, testbed: dict) -> dict:
    return {
        "id": claim_id,
        "says": f"Claim {claim_id} holds.",
        "origin": origin,
        "where": "Table 1",
        "published": [{"quantity": "q", "value": 0.6, "read": "table", "place": "Table 1"}],
        "audit": copy.deepcopy(_AUDIT),
        "testbed": testbed,
        "paper": {**copy.deepcopy(_TEST), "controls": [], "gates": [], "pending": "hub"},
    }


@pytest.fixture
def raw() -> dict:
    """The ledger as the YAML would hold it."""
    return {
        "paper": {
            "key": "doe2020",
            "title": "A paper",
            "arxiv": "2001.00001v1",
            "subject": "a model",
            "code_state": "none was found",
        },
        "gates": {"sae_valid": "The SAE passes its checks."},
        "reasons": {"hub": "Needs the hub and a GPU."},
        "claims": [
            _claim("C1", "paper", copy.deepcopy(_TEST)),
            _claim("C2", "ours", copy.deepcopy(_PARTS)),
            _claim("C3", "derived", {"status": "not applicable", "why": "hub"}),
        ],
    }


@pytest.fixture
def ledger(raw) -> Ledger:
    """The validated ledger."""
    return Ledger.model_validate(raw)
