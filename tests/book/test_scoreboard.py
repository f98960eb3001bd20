"""Which run answers a row, and what the scoreboards say of all of them together."""

from __future__ import annotations

import pytest

from saebook.book.answers import PaperAnswers, load_papers, resting, results_file, tally
from saebook.book.errors import BookError
from saebook.book.scoreboard import plain_board
from saebook.claims import BLOCKS, Results, Verdict, load_all, load_ledger


def exact_audit(tier: str, estimate: float) -> Results:
    """One exact audit row of the first paper, as a run at some tier records it."""
    results = Results.start("mayne2024", tier, 0, {}, ledger=load_ledger("mayne2024"))
    results.record("R2", "audit", estimate, n=1)
    return results


@pytest.fixture
def both() -> PaperAnswers:
    """A paper that was run at two tiers with different answers."""
    runs = {tier: exact_audit(tier, x) for tier, x in (("testbed", 2.86), ("full", 2.9))}
    return PaperAnswers(load_ledger("mayne2024"), runs)


def test_a_full_result_beats_a_testbed_one_and_the_tier_is_told(both):
    row = both.answer(both.ledger["R2"], "audit")
    assert row.record is not None
    assert (row.tier, row.record.estimate) == ("full", 2.9)
    assert resting(both.answers()) == "1 row carries a measurement: 1 at the full tier."
    assert resting([]) == ""


def test_the_record_is_the_committed_file_whatever_was_run_here(project):
    for folder, tier, estimate in (
        (project.build / "results", "full", 1.0),
        (project.root / "book" / "results", "full", 2.0),
        (project.build / "results", "testbed", 3.0),
        (project.root / "book" / "results", "testbed", 4.0),
    ):
        exact_audit(tier, estimate).save(folder / tier)
    runs = load_papers(project)[0].runs
    assert [runs[t].records["audit"]["R2"].estimate for t in ("full", "testbed")] == [2.0, 3.0]
    runs = load_papers(project, committed_only=True)[0].runs
    assert [runs[t].records["audit"]["R2"].estimate for t in ("full", "testbed")] == [2.0, 4.0]
    assert results_file(project, "paper", "mayne2024.json") is None


def test_results_in_the_folder_of_another_tier_are_refused(project):
    exact_audit("testbed", 2.86).save(project.root / "book" / "results" / "full")
    with pytest.raises(BookError, match="holds results of the testbed tier"):
        load_papers(project)


def test_the_board_of_an_unrun_book_has_ninety_claims_three_times_and_no_answer():
    papers = [PaperAnswers(ledger, {}) for ledger in load_all().values()]
    assert [len(paper.ledger) for paper in papers] == [15, 24, 12, 8, 17, 14]
    open_words = {Verdict.NOT_ATTEMPTED, Verdict.NOT_APPLICABLE}
    for block in BLOCKS:
        found = [counts[block] for counts in tally(papers).values()]
        assert sum(sum(counts.values()) for counts in found) == 90
        assert {word for counts in found for word, n in counts.items() if n} <= open_words


def test_the_readmes_table_has_a_row_a_paper_and_explains_its_symbols(both):
    text = plain_board([both])
    row = next(line for line in text.splitlines() if line.startswith("| mayne2024 "))
    assert row.startswith("| mayne2024 | 15 | ") and "1 ✗" in row
    assert all(v.label in text for v in Verdict)
    assert "1 row carries a measurement: 1 at the full tier." in text
