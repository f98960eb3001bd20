"""What the best of five strategies gains when no order has any effect."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import integrate
from scipy import stats as scipy_stats


def expected_maximum(n: int) -> float:
    """Return the mean of the largest of n standard normal draws (1.163 for 5, 1.267 for 6).

    Raises:
        ValueError: n below 1.
    """
    if n < 1:
        raise ValueError(f"the largest of {n} draws does not exist")
    norm = scipy_stats.norm

    def density(x: float) -> float:
        return float(n * x * norm.pdf(x) * norm.cdf(x) ** (n - 1))

    return float(integrate.quad(density, -10, 10)[0])


def sigma_behind(gain: float, averaged: int, n_orders: int = 5) -> float:
    """Return the spread of one cell that alone gives an average best gain.

    Args:
        gain: Average best gain over margins, percentage points.
        averaged: Cells that a margin averages: 3 for a model, 4 for a data set.
        n_orders: 5 for the best strategy minus Random; 6 if Random itself may be the best, so
            that no gain is negative.
    """
    return gain * averaged**0.5 / expected_maximum(n_orders)


class GridNull(NamedTuple):
    """What a grid of cells without any effect of order shows."""

    distinct_winners: float
    """Mean number of different orders among the winners of all margins."""
    some_sweeps: float
    """Probability that some strategy exceeds Random in every margin."""
    one_sweeps: float
    """Probability that one strategy named beforehand does."""


def grid_null(
    n_models: int = 4, n_sets: int = 3, n_orders: int = 6, draws: int = 100_000, seed: int = 0
) -> GridNull:
    """Draw grids of independent standard normal cells and read their margins as the paper does.

    Args:
        n_models: Rows of cells; a margin averages a row or a column.
        n_sets: Columns of cells.
        n_orders: Orders, the first being Random.
        draws: Simulated grids.
        seed: Of the draws.
    """
    rng = np.random.default_rng(seed)
    cells = rng.standard_normal((draws, n_orders, n_models, n_sets))
    margins = np.concatenate([cells.mean(3), cells.mean(2)], axis=2)
    won = np.sort(margins.argmax(1), axis=1)
    distinct = 1 + (np.diff(won, axis=1) > 0).sum(1)
    sweeps = (margins[:, 1:] > margins[:, :1]).all(-1)
    return GridNull(float(distinct.mean()), float(sweeps.any(-1).mean()), float(sweeps.mean()))
