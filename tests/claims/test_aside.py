"""Numbers shown beside a verdict that a gate has settled."""

from __future__ import annotations

import pytest

from saebook.claims import Results, answer_line
from saebook.claims.aside import numbers_alone


def _recorded(held: bool) -> Results:
    results = Results.start("li2025", "smoke", 0, {})
    results.gate("sae_valid", held)
    controls = {"gap_between_two_seeds_of_one_arm": 0.01}
    results.record("F2", "testbed", 0.5, 0.4, 0.6, n=3, controls=controls)
    return results


def test_a_failed_gate_settles_the_verdict_and_leaves_the_numbers():
    results = _recorded(held=False)
    assert results.verdict("F2", "testbed").verdict.value == "inconclusive"
    assert numbers_alone(results, "F2").verdict.value == "reproduced"


def test_with_its_gates_a_row_reads_as_its_numbers_do():
    results = _recorded(held=True)
    assert numbers_alone(results, "F2") == results.verdict("F2", "testbed")


def test_a_row_that_was_not_recorded_has_no_numbers():
    with pytest.raises(ValueError, match=r"F3\.testbed was not recorded"):
        numbers_alone(_recorded(held=True), "F3")


def test_a_row_is_answered_in_one_line_with_what_its_numbers_say_where_a_gate_failed():
    held, failed = (answer_line(_recorded(held), "F2") for held in (True, False))
    assert held.startswith("**F2, testbed: ✓ reproduced** (") and "Gates aside" not in held
    assert failed.startswith("**F2, testbed: ? inconclusive** (gate failed: sae_valid")
    assert "Gates aside, the numbers read: *reproduced*, passes" in failed
