"""Intervals, permutation tests and rank correlations; every random draw comes from a seed."""

from saebook.stats.association import (
    correlation_test,
    kendall_tau_a,
    kendall_tau_b,
    ols_slope,
    pearson,
    spearman,
)
from saebook.stats.intervals import (
    Interval,
    bootstrap_interval,
    cluster_bootstrap,
    paired_bootstrap_difference,
    proportion_interval,
    t_interval,
    two_sample_bootstrap,
)
from saebook.stats.permutation import Tested, holm, permutation_p
from saebook.stats.sums import bootstrap_of_sums, column_sums

__all__ = [
    "Interval",
    "Tested",
    "bootstrap_interval",
    "bootstrap_of_sums",
    "cluster_bootstrap",
    "column_sums",
    "correlation_test",
    "holm",
    "kendall_tau_a",
    "kendall_tau_b",
    "ols_slope",
    "paired_bootstrap_difference",
    "pearson",
    "permutation_p",
    "proportion_interval",
    "spearman",
    "t_interval",
    "two_sample_bootstrap",
]
