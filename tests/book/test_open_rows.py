"""Rows without a decision are listed by what stood in the way."""

from __future__ import annotations

import copy

import pytest
from helpers.small_ledger import TEST, claim, small_ledger

from saebook.book.answers import PaperAnswers
from saebook.book.open_rows import inconclusive_lists, unanswered_lists
from saebook.claims import Results
from saebook.claims.schema import Ledger


@pytest.fixture
def ledger() -> Ledger:
    """Three rows of one shape."""
    rows = [claim(f"C{i}", "paper", copy.deepcopy(TEST)) for i in (1, 2, 3)]
    return Ledger.model_validate({**small_ledger(), "claims": rows})


def answers(ledger: Ledger, gate: bool) -> PaperAnswers:
    """A run whose three rows are wide, spoilt by their control, and clear."""
    results = Results.start("doe2020", "testbed", 0, {}, ledger=ledger)
    results.gate("sae_valid", gate)
    ends = {"C1": (-0.1, 0.9, 0.0), "C2": (0.6, 0.8, 0.4), "C3": (0.6, 0.8, 0.0)}
    for name, (low, high, shuffled) in ends.items():
        controls = {"shuffled": shuffled}
        results.record(name, "testbed", 0.7, low=low, high=high, n=40, controls=controls)
    return PaperAnswers(ledger, {"testbed": results})


def test_a_wide_interval_and_a_broken_control_are_told_apart_and_a_clear_row_is_left_out(ledger):
    text = inconclusive_lists([answers(ledger, gate=True)])
    assert "| testbed | C1 | The interval does not decide. |" in text
    assert "| testbed | C2 | Control did not hold: shuffled = 0.4, must be ≤ 0.2. |" in text
    assert "C3" not in text


def test_rows_behind_one_failed_gate_stand_together_in_the_ledgers_words(ledger):
    text = inconclusive_lists([answers(ledger, gate=False)])
    assert "| C1–C3 | Asked beforehand and not so: The SAE passes its checks. |" in text
    assert text.count("testbed") == 1


def test_what_was_not_attempted_is_no_inconclusive_row(ledger):
    text = unanswered_lists([answers(ledger, gate=True)])
    assert "| paper scale | C1–C3 | Needs the hub and a GPU. |" in text
    assert "testbed" not in text
