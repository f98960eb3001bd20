"""Confidence intervals: bootstrap over items or clusters, and Wilson's for proportions."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Literal, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats as scipy_stats

from saebook.stats.checks import Floats, Statistic, check_level, check_paired, vector


class Interval(NamedTuple):
    """An estimate with the bounds of its confidence interval."""

    estimate: float
    low: float
    high: float


def bootstrap_interval(
    values: ArrayLike | Sequence[ArrayLike],
    statistic: Statistic = np.mean,
    *,
    seed: int,
    level: float = 0.95,
    n_resamples: int = 9_999,
    paired: bool = False,
    method: Literal["BCa", "percentile"] = "BCa",
) -> Interval:
    """Bootstrap interval of a statistic, by default bias-corrected and accelerated (Efron 1987).

    Args:
        values: One sample [n]; with `paired` a sequence of samples of equal length, whose items
            are resampled together and given to the statistic as separate arguments.
        statistic: Called with one-dimensional arrays, returns a number.
        seed: Of the resampling.
        level: Confidence level.
        n_resamples: Number of resamples.
        paired: Whether `values` holds several paired samples.
        method: "BCa" or "percentile".

    Raises:
        ValueError: fewer than two items, unequal lengths, values that are not finite, a level
            outside (0, 1), or a statistic that is undefined on the sample or its resamples.
    """
    samples = [vector(v) for v in cast("Sequence[ArrayLike]", values if paired else [values])]
    check_paired(samples)
    check_level(level)
    estimate = float(statistic(*samples))
    if not math.isfinite(estimate):
        raise ValueError(f"the statistic is {estimate} on the whole sample")
    if all(np.ptp(sample) == 0 for sample in samples):
        return Interval(estimate, estimate, estimate)  # every resample is the sample itself
    low, high = _scipy_bootstrap(samples, statistic, level, n_resamples, method, seed)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(
            f"the {method} interval is undefined: the statistic does not vary, or is undefined on "
            f"some resamples, of {len(samples[0])} items; give more items or method='percentile'"
        )
    return Interval(estimate, low, high)


def _scipy_bootstrap(
    samples: Sequence[Floats],
    statistic: Statistic,
    level: float,
    n_resamples: int,
    method: str,
    seed: int,
) -> tuple[float, float]:
    with warnings.catch_warnings():
        # A degenerate resample shows as nan in the bounds, which the caller refuses.
        warnings.simplefilter("ignore", scipy_stats.DegenerateDataWarning)
        result = scipy_stats.bootstrap(
            samples,
            statistic,
            paired=len(samples) > 1,
            vectorized=None,  # at once if the statistic takes an axis, as np.mean does
            confidence_level=level,
            n_resamples=n_resamples,
            method=method,
            rng=np.random.default_rng(seed),
        )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def paired_bootstrap_difference(
    first: ArrayLike,
    second: ArrayLike,
    *,
    seed: int,
    level: float = 0.95,
    n_resamples: int = 9_999,
) -> Interval:
    """BCa interval of mean(first - second), items resampled in pairs.

    Raises:
        ValueError: as `bootstrap_interval`.
    """
    a, b = vector(first), vector(second)
    check_paired([a, b])
    return bootstrap_interval(a - b, seed=seed, level=level, n_resamples=n_resamples)


def two_sample_bootstrap(
    first: ArrayLike,
    second: ArrayLike,
    statistic: Statistic = np.mean,
    *,
    seed: int,
    level: float = 0.95,
    n_resamples: int = 9_999,
) -> Interval:
    """Percentile interval of statistic(first) - statistic(second), the samples drawn apart.

    For samples without pairs, such as the latents of two SAEs. The interval is widened to hold
    the estimate, which the resamples of a median may all lie to one side of.

    Args:
        first: One sample [n].
        second: The other [m].
        statistic: Called with one-dimensional arrays, returns a number.
        seed: Of the resampling.
        level: Confidence level.
        n_resamples: Number of resamples.

    Raises:
        ValueError: an empty sample, values that are not finite, or a level outside (0, 1).
    """
    a, b = vector(first), vector(second)
    check_level(level)
    rng = np.random.default_rng(seed)
    draws = [
        float(statistic(rng.choice(a, len(a)))) - float(statistic(rng.choice(b, len(b))))
        for _ in range(n_resamples)
    ]
    estimate = float(statistic(a)) - float(statistic(b))
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(estimate, min(float(low), estimate), max(float(high), estimate))


def cluster_bootstrap(
    values: ArrayLike,
    clusters: Sequence[object],
    statistic: Statistic = np.mean,
    *,
    seed: int,
    level: float = 0.95,
    n_resamples: int = 9_999,
) -> Interval:
    """Percentile interval of a statistic when whole clusters, not items, are drawn.

    For items that share a prompt, a model or a seed, whose errors move together.

    Args:
        values: Items [n].
        clusters: The cluster of each item.
        statistic: Called with the pooled items of the drawn clusters.
        seed: Of the resampling.
        level: Confidence level.
        n_resamples: Number of resamples.

    Raises:
        ValueError: lengths differ, fewer than two clusters, or as `bootstrap_interval`.
    """
    x = vector(values)
    if len(clusters) != len(x):
        raise ValueError(f"{len(x)} values for {len(clusters)} cluster labels")
    check_level(level)
    members: dict[object, list[int]] = {}
    for i, label in enumerate(clusters):
        members.setdefault(label, []).append(i)
    if len(members) < 2:
        raise ValueError(f"{len(members)} cluster; at least two are needed")
    groups = [x[index] for index in members.values()]
    draws = np.random.default_rng(seed).integers(len(groups), size=(n_resamples, len(groups)))
    drawn = [statistic(np.concatenate([groups[g] for g in draw])) for draw in draws]
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(statistic(x)), float(low), float(high))


def t_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Student's interval of a mean, for a handful of seeds where resampling would be too narrow.

    Raises:
        ValueError: fewer than two values, values that are not finite, or a level outside (0, 1).
    """
    x = vector(values)
    check_level(level)
    if len(x) < 2:
        raise ValueError(f"{len(x)} value has no spread; give at least two")
    mean, error = float(x.mean()), float(x.std(ddof=1)) / math.sqrt(len(x))
    reach = float(scipy_stats.t.ppf((1 + level) / 2, len(x) - 1)) * error
    return Interval(mean, mean - reach, mean + reach)


def proportion_interval(successes: int, n: int, level: float = 0.95) -> Interval:
    """Wilson score interval of a proportion (Wilson 1927).

    Raises:
        ValueError: counts that are no proportion, or a level outside (0, 1).
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is not a proportion")
    check_level(level)
    test = scipy_stats.binomtest(int(successes), int(n))
    bounds = test.proportion_ci(confidence_level=level, method="wilson")
    return Interval(successes / n, float(bounds.low), float(bounds.high))
