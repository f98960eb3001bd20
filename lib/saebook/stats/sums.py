"""Bootstrap of statistics of sums, such as a ratio of total losses: many resamples in one product.

Where a statistic depends on a sample only through the sums of its columns, a resample is a vector
of counts, and all resamples together are one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

import numpy as np
import pandas as pd

from saebook.stats.checks import Floats, check_level
from saebook.stats.intervals import Interval

Sums = Mapping[Hashable, Floats]
"""Column of a table to its sums: one number of the sample, or one a resample."""
OfSums = Callable[[Sums], Mapping[str, Floats]]
"""From sums to named numbers, elementwise over resamples."""


def column_sums(units: pd.DataFrame) -> Sums:
    """Sums of a table's columns, each as an array [1]."""
    return dict(zip(units.columns, units.to_numpy(float).sum(0)[:, None], strict=True))


def bootstrap_of_sums(
    units: pd.DataFrame,
    statistic: OfSums,
    *,
    seed: int,
    level: float = 0.95,
    n_resamples: int = 9_999,
) -> dict[str, Interval]:
    """Percentile intervals of statistics of column sums, whole rows resampled.

    The interval is widened to its estimate where a skewed statistic leaves it outside.

    Args:
        units: A row an independent unit (text, dialogue, sequence); the columns are summed.
        statistic: From the sums to named numbers.
        seed: Of the resampling.
        level: Confidence level.
        n_resamples: Number of resamples.

    Raises:
        ValueError: fewer than two units, values that are not finite, or a level outside (0, 1).
    """
    values = units.to_numpy(float)
    if len(values) < 2:
        raise ValueError(f"{len(values)} unit; at least two are needed to resample")
    if not np.isfinite(values).all():
        raise ValueError(f"{int((~np.isfinite(values)).sum())} values to be summed are not finite")
    check_level(level)
    n = len(values)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_resamples)
    drawn = statistic(dict(zip(units.columns, (counts @ values).T, strict=True)))
    found = {}
    for name, (estimate,) in statistic(column_sums(units)).items():
        low, high = np.quantile(drawn[name], [(1 - level) / 2, (1 + level) / 2])
        ends = float(min(low, estimate)), float(max(high, estimate))
        found[name] = Interval(float(estimate), *ends)
    return found
