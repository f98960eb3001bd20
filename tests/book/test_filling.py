"""Verdicts and numbers in the book's prose come from the results, or the build fails."""

from __future__ import annotations

import copy

import pytest
from helpers.small_ledger import TEST, claim, small_ledger

from saebook.book.answers import PaperAnswers
from saebook.book.errors import BookError
from saebook.book.filling import filled
from saebook.claims import Results
from saebook.claims.schema import Ledger


@pytest.fixture
def papers() -> dict[str, PaperAnswers]:
    """One paper: C1 measured, C3 with two numbers, C2 not run."""
    rows = [claim(f"C{i}", "paper", copy.deepcopy(TEST)) for i in (1, 2)]
    two = copy.deepcopy(small_ledger()["claims"][1])
    ledger = Ledger.model_validate(
        {**small_ledger(), "claims": [*rows, {**two, "id": "C3"}]},
    )
    results = Results.start("doe2020", "testbed", 0, {}, ledger=ledger)
    results.gate("sae_valid", True)
    results.record("C1", "testbed", 0.7, low=0.6, high=0.8, n=40, controls={"shuffled": 0.1})
    ends = {"left": 1.0, "right": -2.0}
    results.record("C3", "testbed", ends, low=ends, high=ends, n=40, controls={"null": 0.0})
    return {"doe2020": PaperAnswers(ledger, {"testbed": results})}


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("[[doe2020:C1 testbed number]]", "0.7 \\[0.6, 0.8\\]"),
        ("[[doe2020:C3 testbed number right]]", "−2"),
        ("[[doe2020:C1 testbed control shuffled]]", "0.1"),
        ("[[doe2020:C2 testbed number]]", "–"),
        ("no token, [a link](b.md), ![[x]", "no token, [a link](b.md), ![[x]"),
    ],
)
def test_what_a_page_asks_for_is_filled_in(papers, asked, says):
    assert filled(asked, papers, "a.md") == says


def test_a_verdict_is_a_link_to_its_row_with_its_word(papers):
    text = filled("[[doe2020:C1 testbed is reproduced]]", papers, "a.md")
    assert text.startswith("[C1](#claim-doe2020-c1) <span") and "reproduced" in text


def test_a_sentence_that_leans_on_another_verdict_fails_the_build(papers):
    with pytest.raises(BookError, match=r"a\.md asks for .* the verdict is 'reproduced' now"):
        filled("[[doe2020:C1 testbed is not reproduced]]", papers, "a.md")


def test_a_row_that_was_not_run_shows_its_open_verdict_whatever_was_expected(papers):
    assert "not attempted" in filled("[[doe2020:C2 testbed is reproduced]]", papers, "a.md")


@pytest.mark.parametrize(
    "asked",
    [
        "[[doe2021:C1 testbed number]]",
        "[[doe2020:C9 testbed number]]",
        "[[doe2020:C3 testbed number up]]",
        "[[doe2020:C1 testbed control none]]",
        "[[doe2020:C1 testbed mean]]",
    ],
)
def test_what_is_not_there_is_refused_by_name(papers, asked):
    with pytest.raises(BookError, match=r"a\.md asks for \[\[doe20"):
        filled(asked, papers, "a.md")
