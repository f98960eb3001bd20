"""Association of two variables: rank and linear correlations, their tests, and slopes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats as scipy_stats

from saebook.stats.checks import Floats, Statistic, pair, varying_pair
from saebook.stats.permutation import Alternative, Tested, permutation_p


def kendall_tau_a(x: ArrayLike, y: ArrayLike) -> float:
    """Kendall's tau-a: (concordant - discordant) / (n (n - 1) / 2), ties counting as neither.

    Raises:
        ValueError: fewer than two items, unequal lengths, or values that are not finite.
    """
    a, b = pair(x, y)
    return float((_signs(a) * _signs(b)).sum() / (len(a) * (len(a) - 1)))


def kendall_tau_b(x: ArrayLike, y: ArrayLike) -> float:
    """Kendall's tau-b: (concordant - discordant) / sqrt(pairs untied in x * pairs untied in y).

    Written out because scipy's takes half a millisecond a call, too long inside a bootstrap.

    Raises:
        ValueError: as `kendall_tau_a`, or one side is constant, where it is undefined.
    """
    a, b = varying_pair(x, y)
    sign_a, sign_b = _signs(a), _signs(b)
    untied = np.count_nonzero(sign_a) * np.count_nonzero(sign_b)
    return float((sign_a * sign_b).sum() / np.sqrt(untied))


def _signs(x: Floats) -> Floats:
    """Sign of every difference, [n, n]; each pair appears twice."""
    return np.sign(x[:, None] - x)


def pearson(x: ArrayLike, y: ArrayLike) -> float:
    """Pearson's r. Raises ValueError as `kendall_tau_b`."""
    a, b = varying_pair(x, y)
    return float(np.corrcoef(a, b)[0, 1])


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Spearman's rho: Pearson's r of the mid-ranks. Raises ValueError as `kendall_tau_b`."""
    a, b = varying_pair(x, y)
    return pearson(scipy_stats.rankdata(a), scipy_stats.rankdata(b))


def correlation_test(
    x: ArrayLike,
    y: ArrayLike,
    correlation: Statistic = spearman,
    *,
    seed: int,
    alternative: Alternative = "two-sided",
    n_resamples: int = 9_999,
) -> Tested:
    """A correlation with the permutation p-value of no association.

    Raises:
        ValueError: as `kendall_tau_b`.
    """
    a, b = varying_pair(x, y)
    return permutation_p(
        a,
        b,
        correlation,
        seed=seed,
        kind="pairings",
        alternative=alternative,
        n_resamples=n_resamples,
    )


def ols_slope(x: ArrayLike, y: ArrayLike) -> float:
    """Least-squares slope of y on x: sum (x - mean x)(y - mean y) / sum (x - mean x)^2.

    Raises:
        ValueError: fewer than two items, unequal lengths, or x constant.
    """
    a, b = pair(x, y)
    centred = a - a.mean()
    if np.ptp(a) == 0:
        raise ValueError(f"a slope needs at least two values of x, all are {a[0]}")
    return float(centred @ (b - b.mean()) / (centred @ centred))
