"""Rows without a decision are listed by what stood in the way."""

from __future__ import annotations

import pytest

from saebook.book.answers import PaperAnswers
from saebook.book.open_rows import inconclusive_lists, unanswered_lists
from saebook.claims import Results
from saebook.claims.schema import Ledger

TEST = {
    "metric": "Share of something",
    "test": {"rule": "at_least", "value": 0.5, "no_effect": 0.0},
    "tolerance_why": "because it was said before",
    "controls": [{"name": "labels_shuffled", "must": {"rule": "at_most", "value": 0.2}}],
    "gates": ["sae_valid"],
    "smallest_effect": {"value": 0.1, "n": 40, "of": "pairs"},
    "alpha": 0.025,
}


@pytest.fixture
def ledger() -> Ledger:
    """Three rows of one shape."""
    claims = [
        {
            "id": f"C{i}",
            "says": "It holds.",
            "origin": "paper",
            "where": "Table 1",
            "published": [{"quantity": "q", "value": 0.6, "read": "table", "place": "Table 1"}],
            "audit": {"status": "not applicable", "why": "none"},
            "testbed": TEST,
            "paper": {**TEST, "controls": [], "gates": [], "pending": "hub"},
        }
        for i in (1, 2, 3)
    ]
    paper = {
        "key": "doe2020", "title": "A paper", "arxiv": "2001.00001v1", "subject": "a model",
        "code_state": "none was found",
    }  # fmt: skip
    reasons = {"hub": "Needs the hub and a GPU.", "none": "Nothing is printed."}
    gates = {"sae_valid": "The SAE passes its checks."}
    return Ledger.model_validate(
        {"paper": paper, "claims": claims, "reasons": reasons, "gates": gates}
    )


def answers(ledger: Ledger, gate: bool) -> PaperAnswers:
    """A run whose three rows are wide, spoilt by their control, and clear."""
    results = Results.start("doe2020", "testbed", 0, {}, ledger=ledger)
    results.gate("sae_valid", gate)
    ends = {"C1": (-0.1, 0.9, 0.0), "C2": (0.6, 0.8, 0.4), "C3": (0.6, 0.8, 0.0)}
    for claim, (low, high, shuffled) in ends.items():
        controls = {"labels_shuffled": shuffled}
        results.record(claim, "testbed", 0.7, low=low, high=high, n=40, controls=controls)
    return PaperAnswers(ledger, {"testbed": results})


def test_a_wide_interval_and_a_broken_control_are_told_apart_and_a_clear_row_is_left_out(ledger):
    text = inconclusive_lists([answers(ledger, gate=True)])
    assert "| testbed | C1 | The interval does not decide. |" in text
    assert "| testbed | C2 | Control did not hold: labels shuffled = 0.4, must be ≤ 0.2. |" in text
    assert "C3" not in text


def test_rows_behind_one_failed_gate_stand_together_in_the_ledgers_words(ledger):
    text = inconclusive_lists([answers(ledger, gate=False)])
    assert "| C1–C3 | Asked beforehand and not so: The SAE passes its checks. |" in text
    assert text.count("testbed") == 1


def test_what_was_not_attempted_is_no_inconclusive_row(ledger):
    text = unanswered_lists([answers(ledger, gate=True)])
    assert "| paper scale | C1–C3 | Needs the hub and a GPU. |" in text
    assert "testbed" not in text
