"""Permutation tests, and p-values of many tests at once."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats as scipy_stats

from saebook.stats.checks import Floats, Statistic, check_paired, vector

Alternative = Literal["two-sided", "greater", "less"]
MAX_EXACT = 20_000
"""Permutations up to this number are all gone through; beyond it they are sampled."""


class Tested(NamedTuple):
    """A statistic with the p-value of a permutation test."""

    statistic: float
    p: float
    exact: bool
    """Whether all permutations were gone through."""


def permutation_p(
    first: ArrayLike,
    second: ArrayLike,
    statistic: Statistic | None = None,
    *,
    seed: int,
    kind: Literal["independent", "paired", "pairings"] = "independent",
    alternative: Alternative = "two-sided",
    n_resamples: int = 9_999,
) -> Tested:
    """Permutation p-value, exact when there are few permutations.

    Args:
        first: One sample.
        second: The other.
        statistic: Of the two samples; by default mean(first) - mean(second).
        seed: Of the sampled permutations.
        kind: What the null lets be exchanged: "independent", items between the samples;
            "paired", the two members of each pair; "pairings", which item goes with which
            (association).
        alternative: Side of the test; "two-sided" doubles the smaller tail.
        n_resamples: Permutations drawn when there are more than 20,000. The p-value is then
            (hits + 1) / (n_resamples + 1), never zero.

    Raises:
        ValueError: empty samples, values that are not finite, or unequal lengths of pairs.
    """
    a, b = vector(first), vector(second)
    types = {"independent": "independent", "paired": "samples", "pairings": "pairings"}
    if kind not in types:
        raise ValueError(f"unknown kind {kind!r}; known: {', '.join(types)}")
    if kind != "independent":
        check_paired([a, b])
    measure = statistic or _mean_difference
    data: tuple[Floats, ...] = (a, b)
    if kind == "pairings":
        # Permuting one side is enough; scipy would permute both and meet each pairing n! times.
        data, measure = (a,), _with_second(measure, b)
    exact = _n_permutations(kind, len(a), len(b)) <= MAX_EXACT
    result = scipy_stats.permutation_test(
        data,
        measure,
        permutation_type=types[kind],
        alternative=alternative,
        n_resamples=cast(int, np.inf) if exact else n_resamples,  # inf asks for all of them
        vectorized=None,  # at once if the statistic takes an axis
        rng=np.random.default_rng(seed),
    )
    return Tested(float(result.statistic), float(result.pvalue), exact)


def _with_second(statistic: Statistic, second: Floats) -> Statistic:
    def of_first(first: Floats) -> float:
        return statistic(first, second)

    return of_first


def _mean_difference(first: Floats, second: Floats, axis: int = -1) -> Floats:
    return np.mean(first, axis=axis) - np.mean(second, axis=axis)


def _n_permutations(kind: str, n: int, m: int) -> float:
    if kind == "independent":
        return math.comb(n + m, n)
    if kind == "paired":
        return 2.0**n
    return math.factorial(n) if n < 20 else math.inf


def holm(p_values: ArrayLike) -> Floats:
    """Holm's step-down adjustment, in the order given: reject where the result is <= alpha.

    Sorted, the i-th of m p-values becomes max over j <= i of min(1, (m - j + 1) p_j).

    Raises:
        ValueError: no p-values, or one outside [0, 1].
    """
    p = vector(p_values)
    if ((p < 0) | (p > 1)).any():
        raise ValueError(f"p-values lie between 0 and 1, got {p.min()} to {p.max()}")
    order = np.argsort(p, kind="stable")
    steps = np.minimum(1.0, p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(steps)
    return adjusted
