"""What follows from the printed numbers of Wang et al., and the selection rule behind them."""

from __future__ import annotations

import numpy as np
import pytest

from saebook.claims import load_ledger
from saebook.papers.wang2025 import audit, selection, tables


def test_the_overall_association_is_four_null_standard_errors():
    assert audit.overall_z() == pytest.approx(4.16, abs=0.01)
    assert audit.gain_z() == pytest.approx(-0.97, abs=0.01)
    with pytest.raises(ValueError, match="two items"):
        audit.null_se(1)


def test_every_printed_psi_is_the_mean_it_is_said_to_be():
    assert audit.psi_frame()["difference"].abs().max() <= 1e-4


def test_the_association_falls_with_density_in_the_printed_rows():
    assert audit.sparsity_trend() == pytest.approx(-0.93, abs=0.01)


def test_gated_stands_out_by_two_standard_errors_and_the_order_of_models_does_not():
    assert audit.gated_gap() == pytest.approx(-2.15, abs=0.01)
    assert audit.model_gap() == pytest.approx(0.48, abs=0.01)


def test_the_claimed_gain_is_a_difference_of_lifts_and_no_ratio():
    frame = audit.gain_readings()
    assert frame["value"].round(1).tolist() == [30.2, 29.9, 52.6] or (
        abs(frame["off"].iloc[2]) < 0.3 and (frame["off"].iloc[:2] < -20).all()
    )
    assert audit.lift("token confidence") == pytest.approx(127.8, abs=0.2)


def test_each_model_doubles():
    assert min(audit.selection_ratios("no selection").values()) > 2


def test_a_random_ranking_with_the_best_of_rule_comes_near_the_printed_scores():
    frame = audit.winners_curse(draws=400, seed=0)
    both = frame[frame["rule"] == "best of 18"]
    assert both["random_best"].between(0.28, 0.60).all()
    assert (both["random_best"] > 2 * both["base"]).mean() > 0.5
    left = audit.over_the_curse(frame)
    assert left.low <= left.estimate <= left.high and left.high < 0.05


def test_made_up_scores_have_the_mean_they_are_given():
    made = audit.synthetic_utilities(0.14, 0.6, 2000, np.random.default_rng(0))
    assert made.mean() == pytest.approx(0.14, abs=0.003) and (made == 0).mean() > 0.58


def test_the_printed_intervals_are_quantiles_of_the_null():
    frame = audit.null_bands(draws=1500, seed=0)
    assert (frame["null_low"] - frame["printed_low"]).abs().max() < 0.03
    assert (frame["null_high"] - frame["printed_high"]).abs().max() < 0.03


def test_random_windows_fire_more_often_the_denser_the_sae():
    frame = audit.mislabelled_share()
    assert frame["fires"].round(2).tolist() == [0.06, 0.1, 0.19, 0.34, 0.49, 0.66]
    assert frame["ceiling"].is_monotonic_decreasing


def test_printed_values_of_the_ledger_and_the_tables_agree():
    ledger = load_ledger("wang2025")
    said = {p.quantity: p.value for c in ledger.claims for p in c.published}
    assert said["tau_b of interpretability and utility"] == tables.TAU
    for l0, (tau, _) in tables.TABLE_1["sparsity"].items():
        assert said[f"tau_b at L0 {l0}"] == tau
    for model, score in tables.TABLE_2["token confidence"].items():
        assert said[f"{model} with Delta Token Confidence"] == score


def test_tiers_are_five_counts_and_four_tails():
    assert selection.tier_sizes(100) == [1, 2, 3, 4, 5, 1, 5, 10, 20]
    assert selection.tier_sizes(16) == [1, 2, 3, 4, 5, 1, 1, 2, 4]
    with pytest.raises(ValueError, match="4 latents are fewer"):
        selection.tier_sizes(4)


def test_the_best_subset_equals_a_slow_search():
    rng = np.random.default_rng(0)
    utility, score = rng.random(30), rng.normal(size=30)
    slow = max(
        utility[np.argsort(sign * score)[:size]].mean()
        for sign in (-1, 1)
        for size in selection.tier_sizes(30)
    )
    assert selection.best_of_score(utility, score) == pytest.approx(slow)
    order = np.argsort(-score)
    fast = selection.best_of_prefixes(utility[order][None], "both")[0]
    assert fast == pytest.approx(slow)
    assert selection.best_of_score(utility, score, "up") <= slow


def test_cross_fitting_scores_what_was_chosen_elsewhere():
    score = np.arange(10.0)
    chosen_on, scored_on = np.zeros(10), np.arange(10.0)
    chosen_on[9] = 1.0
    assert selection.cross_fitted_score(chosen_on, scored_on, score) == 9.0
    assert selection.one_tier_score(scored_on, -score) == 9.0


def test_random_rankings_of_equal_utilities_gain_nothing():
    rng = np.random.default_rng(0)
    assert np.allclose(selection.random_best_of(np.full(20, 0.3), 50, rng), 0.3)
    spread = selection.random_best_of(np.eye(20)[0], 500, rng)
    assert spread.mean() > 0.1, "the best of eighteen subsets beats the mean of 0.05"


def test_unknown_sides_and_missing_scores_are_refused():
    with pytest.raises(ValueError, match="unknown sides 'left'"):
        selection.rankings(np.zeros(5), "left")
    with pytest.raises(ValueError, match="latent 1 has no finite score"):
        selection.rankings(np.array([0.0, np.nan]), "up")
