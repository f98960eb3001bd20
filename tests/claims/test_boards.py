"""The chapter's scorecard and the book's scoreboard."""

import pytest

from saebook.claims import scoreboard
from saebook.claims.results import Results, ResultsError
from saebook.claims.schema import BLOCKS, Ledger
from saebook.claims.scorecard import scorecard, verdict_line
from saebook.claims.verdicts import Verdict


def run(ledger, tier="testbed", estimate=0.6, audit=None):
    results = Results.start("doe2020", tier, 0, {}, ledger=ledger)
    results.gate("sae_valid", True)
    low, high = estimate - 0.2, estimate + 0.2
    results.record("C1", "testbed", estimate, low, high, n=40, controls={"shuffled": 0.1})
    if audit is not None:
        results.record("C1", "audit", audit, n=7)
    return results


def test_a_scorecard_has_every_claim_under_every_kind_of_evidence(ledger):
    frame = scorecard(run(ledger)).frame
    assert list(zip(frame["evidence"], frame["claim"], strict=True)) == [
        (b, c) for b in BLOCKS for c in ("C1", "C2", "C3")
    ]
    assert all(frame["why"].str.len() > 0)


def test_a_scorecard_row_holds_measurement_tolerance_and_word_with_symbol(ledger):
    row = scorecard(run(ledger)).frame.set_index(["evidence", "claim"]).loc[("testbed", "C1")]
    assert row["ours [95 %]"] == "0.6 [0.4, 0.8]"
    assert row["paper"] == "0.6"
    assert row["Δ"] == "+0.1"
    assert row["tolerance"] == "≥ 0.5"
    assert row["verdict"] == "✓ reproduced"


def test_a_row_with_parts_names_them(ledger):
    results = run(ledger)
    results.record(
        "C2",
        "testbed",
        {"left": 1.0, "right": -1.0},
        {"left": 0.5, "right": -1.5},
        {"left": 1.5, "right": -0.5},
        n=40,
        controls={"null": 0.0},
    )
    frame = scorecard(results).frame.set_index(["evidence", "claim"])
    assert (
        frame.loc[("testbed", "C2"), "ours [95 %]"] == "left: 1 [0.5, 1.5]\nright: -1 [-1.5, -0.5]"
    )


def test_the_html_escapes_text_and_shows_why(raw):
    raw["claims"][0]["where"] = "Table <1>"
    shown = scorecard(run(Ledger.model_validate(raw)))._repr_html_()
    assert "Table &lt;1&gt;" in shown
    assert "<1>" not in shown
    assert "Needs the hub and a GPU." in shown
    assert shown.count("<tbody>") == 3


def test_an_amended_row_says_so_and_hides_the_old_comparison(raw, ledger, tmp_path):
    results = run(ledger)
    raw["claims"][0]["testbed"]["test"]["value"] = 0.3
    results.ledger = Ledger.model_validate(raw)
    row = scorecard(results).frame.set_index(["evidence", "claim"]).loc[("testbed", "C1")]
    assert row["verdict"] == "✓ reproduced (amended)"
    assert "no amendment says why" in row["why"]
    assert row["Δ"] == ""


def test_the_verdict_line_keeps_the_three_kinds_apart(ledger):
    assert verdict_line(run(ledger, audit=6)) == (
        "Of 3 claims, audit of the paper's own numbers: 1 not reproduced, 2 not attempted; "
        "testbed: 1 reproduced, 1 not attempted, 1 not applicable; paper scale: 3 not attempted."
    )


def test_a_full_result_beats_a_testbed_one_and_the_tier_is_named(ledger, tmp_path):
    run(ledger, "testbed", estimate=0.6, audit=7).save(tmp_path / "testbed")
    run(ledger, "full", estimate=0.3).save(tmp_path / "full")
    board = scoreboard.collect(tmp_path, [ledger]).set_index(["evidence", "claim"])
    assert board.loc[("testbed", "C1"), ["verdict", "tier"]].tolist() == ["direction only", "full"]
    assert board.loc[("audit", "C1"), ["verdict", "tier"]].tolist() == ["reproduced", "testbed"]
    assert board.loc[("paper", "C1"), "tier"] == ""


def test_results_in_the_folder_of_another_tier_are_refused(ledger, tmp_path):
    run(ledger, "smoke").save(tmp_path / "full")
    with pytest.raises(ResultsError, match="smoke tier"):
        scoreboard.collect(tmp_path, [ledger])


def test_the_board_of_an_unrun_book_has_ninety_claims_three_times_and_no_answer():
    board = scoreboard.collect()
    assert len(board) == 270
    assert board.groupby("slug", sort=False)["claim"].nunique().to_dict() == {
        "mayne2024": 15,
        "wang2025": 24,
        "li2025": 12,
        "he2024": 8,
        "zhang2026": 17,
        "yang2024": 14,
    }
    assert set(board["verdict"]) == {"not attempted", "not applicable"}
    assert set(board["tier"]) == {""}


def test_counts_add_up_for_papers_and_for_origins():
    board = scoreboard.collect()
    for by, groups in (("slug", 6), ("origin", 3)):
        table = scoreboard.counts(board, by)
        assert table.shape == (groups * 3, len(Verdict))
        assert table.groupby("evidence").sum().sum(axis=1).to_dict() == dict.fromkeys(BLOCKS, 90)


def test_expected_false_passes_are_the_sum_of_the_declared_alphas(ledger, tmp_path):
    run(ledger).save(tmp_path / "testbed")
    table = scoreboard.false_passes(scoreboard.collect(tmp_path, [ledger]))
    assert table.loc["testbed"].tolist() == [1, 1, 0.025, 0.025]
    assert table.loc["paper"].tolist() == [3, 0, pytest.approx(0.075), 0]
    assert table.loc["audit"].tolist() == [0, 0, 0, 0]


def test_the_markdown_table_has_a_row_a_paper_and_explains_its_symbols(ledger, tmp_path):
    run(ledger).save(tmp_path / "testbed")
    text = scoreboard.markdown_table(scoreboard.collect(tmp_path, [ledger]))
    assert "| doe2020 | 3 | 3 ○ | 1 ✓ · 1 ○ · 1 – | 3 ○ |" in text
    assert all(v.label in text for v in Verdict)
    assert "0.0 false passes" in text


def test_the_forest_measures_in_units_of_the_tolerance(ledger, tmp_path):
    run(ledger, estimate=0.5, audit=7).save(tmp_path / "testbed")
    frame = scoreboard.forest(tmp_path, [ledger]).set_index("evidence")
    # a bound of 0.5 with no effect at 0: the bound is 1, 0 would be 2
    assert frame.loc["testbed", "scaled"] == pytest.approx(1)
    assert frame.loc["testbed", ["scaled_low", "scaled_high"]].tolist() == pytest.approx([0.6, 1.4])
    assert frame.loc["audit", "scaled"] == 0


def test_an_amended_row_is_marked_on_the_board_and_left_out_of_the_forest(raw, ledger, tmp_path):
    run(ledger).save(tmp_path / "testbed")
    raw["claims"][0]["testbed"]["test"]["value"] = 0.3
    changed = Ledger.model_validate(raw)
    board = scoreboard.collect(tmp_path, [changed])
    assert board.loc[board["amended"], "claim"].tolist() == ["C1"]
    assert scoreboard.forest(tmp_path, [changed]).empty
