"""Statistics against scipy, hand-worked values and properties that must hold."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from saebook import stats

ODD = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, 5.0, 3.0]
UP = list(range(10))
numbers = st.lists(st.integers(-20, 20).map(float), min_size=3, max_size=12)
quick = settings(max_examples=40, deadline=None)


def varying(xs: list[float]) -> bool:
    return len(set(xs)) > 1


def test_the_default_bootstrap_is_scipys_bca_with_the_same_seed():
    ours = stats.bootstrap_interval(ODD, seed=3, n_resamples=999)
    theirs = scipy_stats.bootstrap(
        (ODD,), np.mean, method="BCa", n_resamples=999, rng=np.random.default_rng(3)
    ).confidence_interval
    assert ours == (np.mean(ODD), theirs.low, theirs.high)
    assert ours == stats.bootstrap_interval(ODD, seed=3, n_resamples=999)
    assert ours != stats.bootstrap_interval(ODD, seed=4, n_resamples=999)


def test_a_bca_interval_covers_the_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for i in range(120):
        low, high = stats.bootstrap_interval(rng.normal(size=40), seed=i, n_resamples=399)[1:]
        hits += low <= 0 <= high
    assert 0.87 <= hits / 120 <= 0.99


def test_a_sample_without_spread_has_an_interval_of_no_width():
    assert stats.bootstrap_interval([2.0, 2.0, 2.0], seed=0) == (2.0, 2.0, 2.0)


def test_paired_samples_are_resampled_together():
    rng = np.random.default_rng(0)
    x = rng.normal(size=60)
    y = x + 0.1 * rng.normal(size=60)
    both = stats.bootstrap_interval([x, y], stats.pearson, paired=True, seed=0, n_resamples=299)
    assert 0.9 < both.low < both.estimate < both.high <= 1


def test_a_paired_difference_is_narrower_than_the_spread_of_either_side():
    rng = np.random.default_rng(1)
    x = 10 * rng.normal(size=50)
    y = x - 1 + 0.1 * rng.normal(size=50)
    got = stats.paired_bootstrap_difference(x, y, seed=0, n_resamples=499)
    assert got.estimate == pytest.approx(np.mean(x - y))
    assert 0.9 < got.low < 1 < got.high < 1.1


def test_items_that_move_together_widen_the_cluster_interval():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(10), 20)
    values = rng.normal(size=10)[labels] + 0.1 * rng.normal(size=200)
    items = stats.bootstrap_interval(values, seed=0, n_resamples=499)
    clusters = stats.cluster_bootstrap(values, labels.tolist(), seed=0, n_resamples=499)
    assert clusters.estimate == pytest.approx(items.estimate)
    assert clusters.high - clusters.low > 2.5 * (items.high - items.low)


def test_the_exact_permutation_p_equals_a_count_by_hand():
    a, b = [5.0, 7.0, 9.0], [1.0, 2.0, 3.0, 4.0]
    pool, hits, total = a + b, 0, 0
    for chosen in itertools.combinations(range(7), 3):
        one = [pool[i] for i in chosen]
        rest = [pool[i] for i in range(7) if i not in chosen]
        hits += np.mean(one) - np.mean(rest) >= np.mean(a) - np.mean(b) - 1e-12
        total += 1
    got = stats.permutation_p(a, b, seed=0, alternative="greater")
    assert got.exact
    assert got.p == pytest.approx(hits / total)


def test_exact_sign_flips_of_five_equal_signs_give_one_in_sixteen():
    got = stats.permutation_p([1, 2, 3, 4, 5], [0, 0, 0, 0, 0], seed=0, kind="paired")
    assert (got.exact, got.p) == (True, pytest.approx(2 / 32))


def test_a_sampled_permutation_p_is_never_zero_and_says_it_is_not_exact():
    got = stats.permutation_p(np.arange(20.0) + 100, np.arange(20.0), seed=0, n_resamples=199)
    assert not got.exact
    assert got.p == pytest.approx(2 / 200)


def test_the_exact_test_of_a_perfect_rank_correlation_counts_one_pairing_of_all():
    got = stats.correlation_test(UP[:5], UP[:5], seed=0, alternative="greater")
    assert (got.statistic, got.exact) == (pytest.approx(1.0), True)
    assert got.p == pytest.approx(1 / 120)


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (3, 10), (10, 10), (489, 1000)])
def test_the_wilson_interval_matches_its_formula(hits, n):
    z, p = scipy_stats.norm.ppf(0.975), hits / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    got = stats.proportion_interval(hits, n)
    assert got == pytest.approx((p, centre - half, centre + half), abs=1e-12)


def test_tau_a_and_tau_b_part_where_there_are_ties():
    x, y = [1, 1, 2, 3], [1, 2, 2, 3]
    assert stats.kendall_tau_a(x, y) == pytest.approx(4 / 6)
    assert stats.kendall_tau_b(x, y) == pytest.approx(4 / 5)


@quick
@given(st.data())
def test_correlations_agree_with_scipy(data):
    x = data.draw(numbers.filter(varying))
    y = data.draw(
        st.lists(st.integers(-5, 5).map(float), min_size=len(x), max_size=len(x)).filter(varying)
    )
    assert stats.kendall_tau_b(x, y) == pytest.approx(scipy_stats.kendalltau(x, y)[0], abs=1e-9)
    assert stats.spearman(x, y) == pytest.approx(scipy_stats.spearmanr(x, y)[0], abs=1e-9)
    assert stats.pearson(x, y) == pytest.approx(scipy_stats.pearsonr(x, y)[0], abs=1e-9)
    assert stats.ols_slope(x, y) == pytest.approx(scipy_stats.linregress(x, y)[0], abs=1e-9)


def test_holm_matches_a_worked_example_in_the_order_given():
    got = stats.holm([0.01, 0.04, 0.03, 0.005])
    assert got == pytest.approx([0.03, 0.06, 0.06, 0.02])


@quick
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(ps):
    adjusted = stats.holm(ps)
    assert (adjusted >= np.array(ps)).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(ps, kind="stable")]) >= 0).all()
    assert adjusted.min() <= min(1.0, len(ps) * min(ps)) + 1e-12


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stats.bootstrap_interval([], seed=0), "non-empty"),
        (lambda: stats.bootstrap_interval([1.0], seed=0), "at least two"),
        (lambda: stats.bootstrap_interval([1.0, np.nan], seed=0), "1 of 2 values are not finite"),
        (lambda: stats.bootstrap_interval(ODD, seed=0, level=95), "level 95"),
        (lambda: stats.paired_bootstrap_difference([1, 2], [1, 2, 3], seed=0), r"\[2, 3\]"),
        (lambda: stats.cluster_bootstrap([1, 2], ["a", "a"], seed=0), "1 cluster"),
        (lambda: stats.cluster_bootstrap([1, 2], ["a"], seed=0), "1 cluster labels"),
        (lambda: stats.permutation_p([1, 2], [1], seed=0, kind="paired"), "unequal lengths"),
        (lambda: stats.permutation_p([1, 2], [1], seed=0, kind="odd"), "unknown kind 'odd'"),
        (lambda: stats.proportion_interval(11, 10), "11 of 10"),
        (lambda: stats.kendall_tau_b([1, 1], [1, 2]), "constant"),
        (lambda: stats.ols_slope([2, 2], [1, 2]), "at least two values of x"),
        (lambda: stats.holm([0.5, 1.5]), "between 0 and 1"),
    ],
)
def test_input_that_makes_no_sense_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_bootstrap_of_sums_equals_one_that_draws_the_rows_themselves():
    rng = np.random.default_rng(0)
    units = pd.DataFrame({"loss": rng.normal(2, 1, 40), "n": rng.integers(5, 20, 40)})
    found = stats.bootstrap_of_sums(units, lambda s: {"mean": s["loss"] / s["n"]}, seed=1)["mean"]
    drawn = [units.sample(len(units), replace=True, random_state=i).sum() for i in range(2_000)]
    low, high = np.quantile([d["loss"] / d["n"] for d in drawn], [0.025, 0.975])
    assert found.estimate == pytest.approx(units["loss"].sum() / units["n"].sum())
    assert (found.low, found.high) == pytest.approx((low, high), rel=0.05)


def test_a_bootstrap_of_sums_keeps_columns_together_and_its_estimate_inside():
    units = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [2.0, 4.0, 6.0]})
    found = stats.bootstrap_of_sums(
        units, lambda s: {"ratio": s["a"] / s["b"], "least": -(s["a"] ** 2)}, seed=0
    )
    assert found["ratio"] == pytest.approx((0.5, 0.5, 0.5))
    assert found["least"].low <= found["least"].estimate <= found["least"].high
    assert stats.column_sums(units)["b"] == pytest.approx([12.0])


@pytest.mark.parametrize(
    ("units", "level", "fault"),
    [
        (pd.DataFrame({"a": [1.0]}), 0.95, "1 unit; at least two"),
        (pd.DataFrame({"a": [1.0, np.nan]}), 0.95, "1 values to be summed are not finite"),
        (pd.DataFrame({"a": [1.0, 2.0]}), 1.0, "level 1.0 is not between"),
    ],
)
def test_a_bootstrap_of_sums_refuses_what_it_cannot_resample(units, level, fault):
    with pytest.raises(ValueError, match=fault):
        stats.bootstrap_of_sums(units, lambda s: {"a": s["a"]}, seed=0, level=level)


def test_two_samples_without_pairs_are_resampled_apart():
    rng = np.random.default_rng(0)
    one, other = rng.normal(2.0, 1.0, 400), rng.normal(1.0, 1.0, 300)
    found = stats.two_sample_bootstrap(one, other, seed=1, n_resamples=2_000)
    error = np.sqrt(one.var(ddof=1) / 400 + other.var(ddof=1) / 300)
    assert found.estimate == pytest.approx(one.mean() - other.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.08)
    assert found == stats.two_sample_bootstrap(one, other, seed=1, n_resamples=2_000)
    same = stats.two_sample_bootstrap([1.0, 1.0], [3.0], np.median, seed=0, n_resamples=50)
    assert tuple(same) == (-2.0, -2.0, -2.0)
    with pytest.raises(ValueError, match="non-empty"):
        stats.two_sample_bootstrap([], one, seed=0)
