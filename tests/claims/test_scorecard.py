"""The chapter's scorecard."""

from saebook.claims.results import Results
from saebook.claims.schema import BLOCKS, Ledger
from saebook.claims.scorecard import scorecard, verdict_line


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
