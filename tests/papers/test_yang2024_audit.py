"""What follows from the printed tables: every figure to the last printed digit."""

from __future__ import annotations

import pytest

from saebook.papers.yang2024 import audit, nulls, tables
from saebook.testbed.registers.exams import EXAM_COUNTS


def test_the_quoted_gains_follow_from_the_tables_but_for_one():
    frame = audit.headlines()
    found = frame["found"].round(2).to_dict()
    assert found == {
        "best per data set": 1.81,
        "best per model": 1.44,
        "best per model, version 1": 1.77,
        "average best, data sets": 0.95,
        "average best, models": 0.94,
        "best per data set, clustered": 1.15,
    }
    assert frame.index[~frame["follows"]].tolist() == ["average best, data sets"]


def test_the_average_best_gain_of_data_sets_is_no_label_s():
    average = audit.average_best_gains().round(3)
    assert average["data sets"].tolist() == [0.827, 1.07, 0.948]
    assert average["models"].tolist() == [0.94, 0.935, 0.938]


def test_the_best_gain_of_each_model_with_human_labels():
    best = audit.best_gains("1a")[list(tables.MODELS)]
    assert best.tolist() == [1.40, 0.34, 1.11, 0.91]
    assert audit.best_gains("1b")["TinyLlama"] == 1.44


def test_fourteen_margins_have_four_different_winners():
    assert audit.winner_counts().to_dict() == {
        "Random": 0, "Curriculum": 5, "Blocked": 0, "Blocked Curriculum": 2,
        "Interleaved": 4, "Interleaved Curriculum": 3,
    }  # fmt: skip
    assert audit.winners("1a").nunique() == 3
    assert audit.winners("1b").nunique() == 4


def test_interleaving_beats_random_in_all_seven_margins_and_leads_on_average():
    assert audit.margins_won("Interleaved") == 7
    assert audit.mean_gains("1a").to_dict() == {
        "Curriculum": 0.05, "Blocked": 0.06, "Blocked Curriculum": 0.04,
        "Interleaved": 0.66, "Interleaved Curriculum": 0.07,
    }  # fmt: skip
    assert audit.lead("Interleaved") == 0.59


def test_a_curriculum_helps_two_models_and_harms_two():
    row = audit.gains("1a").loc["Curriculum", list(tables.MODELS)]
    assert row.tolist() == [-0.61, 0.34, 1.11, -0.66]


def test_the_label_comparison_over_printed_margins_is_significant_in_one_order_of_three():
    frame = audit.label_tests()
    assert frame["difference"].tolist() == [0.37, 0.33, 0.77]
    assert frame["p_models"].round(2).tolist() == [0.49, 0.51, 0.03]
    assert frame["p_data_sets"].round(2).tolist() == [0.42, 0.35, 0.23]
    assert audit.largest_label_gains().tolist() == [1.65, 0.91, 0.74]


def test_the_clustered_means_are_those_of_the_printed_margins():
    printed_random = tables.TABLE_1A["Random"][7]
    means = (audit.mean_gains("3") + printed_random).round(2)
    assert means.drop("Curriculum").tolist() == [37.55, 37.62, 37.80, 37.52]


def test_a_curriculum_is_best_on_all_three_tests_of_the_large_set():
    assert audit.winners("5").tolist() == ["Curriculum"] * 3
    assert audit.mean_gains("5")["Curriculum"] == 0.70


def test_printed_means_agree_with_their_margins_within_rounding():
    assert audit.margins_disagree() <= 0.0101


def test_noise_of_one_test_set_is_as_large_as_the_gains():
    assert audit.data_set_errors().round(2).tolist() == [1.68, 0.74, 1.31]


def test_the_smallest_model_straddles_chance():
    assert round(audit.chance_level(), 2) == 21.67
    assert audit.above_chance(20.40) < 0 < audit.above_chance(22.17) < 2


def test_the_best_of_five_gains_without_any_effect():
    assert round(nulls.expected_maximum(5), 2) == 1.16
    assert round(nulls.expected_maximum(6), 2) == 1.27
    found = nulls.grid_null()
    assert round(found.distinct_winners, 1) == 3.8
    assert round(found.some_sweeps, 2) == 0.14


def test_noise_of_one_point_three_in_a_cell_gives_the_printed_average_gains():
    of_models = nulls.sigma_behind(audit.best_gains("1a")[list(tables.MODELS)].mean(), 3, 6)
    of_sets = nulls.sigma_behind(audit.best_gains("1a")[list(tables.DATA_SETS)].mean(), 4, 6)
    assert round(of_models, 1) == round(of_sets, 1) == 1.3


def test_a_quarter_of_the_counted_models_are_copies():
    counted = audit.counted_models()
    assert counted.to_dict() == {"cells": 144, "copies": 36, "trainings": 900}
    assert counted["cells"] == tables.MODELS_COUNTED


def test_the_last_third_of_the_items_sees_a_sixth_of_the_rate():
    assert audit.rate_of_last_share() == pytest.approx(1 / 6)
    assert audit.optimiser_steps(874).tolist() == [55, 110, 110, 110]
    with pytest.raises(ValueError, match="share"):
        audit.rate_of_last_share(0)


def test_the_exam_of_the_testbed_has_the_published_size_and_categories():
    assert sum(EXAM_COUNTS.values()) == tables.TEST_ITEMS["LEK"]
    assert len(EXAM_COUNTS) == 10


def test_an_unknown_table_is_refused_by_name():
    with pytest.raises(ValueError, match="'7'"):
        audit.gains("7")
