"""What follows from the 480 printed values, to the last digit."""

from __future__ import annotations

import pytest

from saebook.claims import load_ledger
from saebook.papers.li2025 import audit, tables


def test_the_tables_hold_480_values_of_forty_cells():
    frame = tables.tables_3_to_9()
    assert frame[list(tables.ARMS)].size == 480 and not frame.isna().any().any()
    assert len(frame.groupby(["model", "layer", "expansion"])) == 40
    assert set(frame["model"]) == set(tables.WIDTHS)
    first = frame.iloc[0]
    assert first[list(tables.ARMS)].tolist() == [-5.5059, -5.6080, -5.6432]
    assert frame.iloc[-1][list(tables.ARMS)].tolist() == [-4.2739, -4.7864, -18.0564]


def test_the_win_counts_are_those_of_the_forty_cells():
    assert audit.win_counts().to_numpy().tolist() == [
        [40, 31, 31, 40],
        [39, 37, 37, 39],
        [38, 34, 34, 36],
        [40, 40, 40, 35],
    ]
    tests = audit.sign_tests()
    assert tests.loc[("Standard", "MSE"), "FAST<BT(P)"] == pytest.approx(2 * 0.5**40)
    assert tests.loc[("Standard", "MSE"), "FAST<BT(F)"] == pytest.approx(0.000680, abs=1e-6)


def test_the_median_gains_by_family_are_those_of_the_forty_cells():
    expected = {
        ("Standard", "MSE"): (0.1644, 0.0341, 0.5384, 0.0302),
        ("Standard", "MSE_st"): (0.7322, 0.3343, 3.9632, 2.0208),
        ("JumpReLU", "MSE"): (2.1593, 0.3907, 4.7343, 4.2393),
        ("JumpReLU", "MSE_st"): (5.0175, 3.2100, 9.4387, 9.1602),
    }
    found = audit.median_gains()
    for key, values in expected.items():
        row = found.loc[key]
        got = [row[arm, family] for family in ("Llama", "Qwen")
               for arm in ("over BT(P)", "over BT(F)")]  # fmt: skip
        assert got == pytest.approx(values, abs=1e-9)


def test_the_data_carry_the_gain_of_standard_mse_and_the_packing_that_of_jumprelu_mse_st():
    found = audit.decomposition()
    assert found.loc[("Standard", "MSE"), ["data", "packing"]].tolist() == pytest.approx(
        [0.39425, 0.03395]
    )
    assert found["share"].round(2).tolist() == [0.92, 0.51, 0.41, 0.12]


def test_the_headline_is_bits_of_special_tokens_and_leaves_6_percent_over_all_tokens():
    found = audit.headline()
    special, overall = found.loc[("Standard", "MSE_st")], found.loc[("Standard", "MSE")]
    assert special[["BT(P)", "BT(F)", "FAST"]].tolist() == [5.1985, 1.5093, 0.6468]
    assert special["FAST linear"] == pytest.approx(1.566, abs=1e-3)
    assert special["BT(P) linear"] / special["FAST linear"] == pytest.approx(23.45, abs=0.01)
    assert special["BT(F) linear"] / special["FAST linear"] == pytest.approx(1.82, abs=0.005)
    assert overall["reduction over BT(F)"] == pytest.approx(5.8, abs=0.05)
    assert overall["reduction over BT(P)"] == pytest.approx(34.6, abs=0.05)
    assert special["BT(F)"] != tables.ABSTRACT_BT_F


def test_all_eight_anchors_are_in_order():
    assert audit.ordered_anchors() == 8
    with pytest.raises(ValueError, match=r"no cell Qwen2\.5-7B layer 5 8X"):
        audit.cell("Qwen2.5-7B", 5, 8)


def test_six_cells_cost_less_than_one_active_latent_and_half_less_than_one():
    found = audit.cheaper_than_one_latent()
    assert len(found) == 120
    assert found["below"].sum() == 6 and found["below_one"].sum() == 60
    least = found.loc[found["squared_error"].idxmin()]
    assert (least["model"], least["layer"], least["arm"]) == ("Qwen2.5-0.5B", 4, "FAST")
    assert least["squared_error"] == pytest.approx(2.6e-4, abs=5e-6)


def test_fisher_s_p_follows_the_hypergeometric_sum():
    counts = audit.clear_counts()
    assert counts.loc["Llama-3.2-3B"].tolist() == [27, 13, 9]
    assert counts.loc["Qwen2.5-3B"].tolist() == [30, 14, 10]
    found = audit.fisher_tests().round(3)
    assert found.loc["Llama-3.2-3B"].tolist() == [0.024, 0.002, 0.504]
    assert found.loc["Qwen2.5-3B"].tolist()[:2] == [0.012, 0.001]


def test_the_standard_error_on_llama_exceeds_an_ordinary_token_s_energy():
    found = audit.standard_energy()
    assert found["squared error"].round().tolist() == [82, 385, 1121, 1476, 2750]
    assert (found["squared error"] > found["squared norm nearby"]).all()


def test_the_ledger_s_published_values_are_the_tables_own():
    ledger = load_ledger("li2025")
    headline = audit.headline()
    printed = [p.value for p in ledger["F1"].published]
    assert printed[:3] == headline.loc[("Standard", "MSE_st"), ["FAST", "BT(F)", "BT(P)"]].tolist()
    assert printed[3] == tables.ABSTRACT_BT_F
    assert [p.value for p in ledger["F2"].published] == headline.loc[
        ("Standard", "MSE"), ["FAST", "BT(F)", "BT(P)"]
    ].tolist()
    anchors = [audit.cell(*anchor)["FAST"].tolist() for anchor in tables.ANCHORS]
    assert [p.value for p in ledger["F7"].published] == [v for four in anchors for v in four]


def test_bits_of_an_error_that_is_none_are_refused():
    assert audit.bits(0.25) == -2
    with pytest.raises(ValueError, match="not defined"):
        audit.bits(0.0)
