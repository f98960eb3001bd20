"""A small ledger that has every kind of row, as the YAML would hold it."""

from __future__ import annotations

import copy

TEST = {
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


def claim(claim_id: str, origin: str, testbed: dict) -> dict:
    return {
        "id": claim_id,
        "says": f"Claim {claim_id} holds.",
        "origin": origin,
        "where": "Table 1",
        "published": [{"quantity": "q", "value": 0.6, "read": "table", "place": "Table 1"}],
        "audit": copy.deepcopy(_AUDIT),
        "testbed": testbed,
        "paper": {**copy.deepcopy(TEST), "controls": [], "gates": [], "pending": "hub"},
    }


def small_ledger() -> dict:
    """A measured row, one of two numbers, and one that the testbed cannot answer."""
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
            claim("C1", "paper", copy.deepcopy(TEST)),
            claim("C2", "ours", copy.deepcopy(_PARTS)),
            claim("C3", "derived", {"status": "not applicable", "why": "hub"}),
        ],
    }
