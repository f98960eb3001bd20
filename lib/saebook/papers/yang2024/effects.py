"""Gains, winners and nulls, computed from the records alone.

Everything works on grids [orders, models, test sets, seeds] of accuracies in percent, with Random
as the first order. A seed fixes fold and adapter in every order alike, so gains are paired.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats as scipy_stats

from saebook.papers.yang2024.arms import FIELDS, Arm
from saebook.papers.yang2024.records import MissingRecords, accuracies
from saebook.stats import Interval, bootstrap_interval

Floats = NDArray[np.float64]
SETS = ("LEK", "MedMCQA", "MedQA")
N_ORDERS = 6
LEVEL = 0.95
SMALLEST = 0.05
"""Effect, in points, that stands for a smaller one where something is divided by it."""


class Table:
    """Accuracy of every arm, test set and seed."""

    def __init__(self, records: pd.DataFrame) -> None:
        """Read the records' bits once, if there are any. Raises ValueError as `accuracies`."""
        self._held: dict[tuple, pd.DataFrame] = {}
        if records.empty:
            return
        frame = accuracies(records)
        for key, own in frame.groupby(list(FIELDS), sort=False):
            wide = own.pivot(index="test", columns="seed", values="accuracy")
            self._held[tuple(key)] = wide.reindex(list(SETS))

    def accuracy(self, arm: Arm, seeds: Sequence[int]) -> Floats:
        """Accuracy of an arm's runs, percent [sets, seeds].

        Raises:
            MissingRecords: The arm, or one of its runs, has no record.
            ValueError: A run lacks a test set.
        """
        held = self._held.get(_key(arm))
        if held is None:
            raise MissingRecords(f"no record of {arm}")
        lacking = [seed for seed in seeds if seed not in held.columns]
        if lacking:
            raise MissingRecords(f"{len(lacking)} of {len(seeds)} runs have no record of {arm}")
        found = held[list(seeds)].to_numpy(float)
        if np.isnan(found).any():
            raise ValueError(f"{int(np.isnan(found).sum())} cells are missing of {arm}")
        return found

    def runs_on_record(self, arms: Sequence[Arm], seeds: Sequence[int]) -> int:
        """How many of the seeds, from the first on, every one of the arms has a record of."""
        held = [self._held.get(_key(arm)) for arm in arms]
        lacking = (
            i for i, s in enumerate(seeds) if any(own is None or s not in own for own in held)
        )
        return next(lacking, len(seeds))

    def holds(self, arms: Sequence[Arm]) -> bool:
        """Whether every one of the arms has a record."""
        return all(_key(arm) in self._held for arm in arms)

    def grid(self, by_model: Sequence[Sequence[Arm]], seeds: Sequence[int]) -> Floats:
        """Return [orders, models, sets, seeds] for a list of orders' arms by model."""
        if not by_model:
            raise MissingRecords("no model has all its orders on record")
        held = [np.stack([self.accuracy(arm, seeds) for arm in arms]) for arms in by_model]
        return np.stack(held, axis=1)


def _key(arm: Arm) -> tuple:
    return tuple(getattr(arm, field) for field in FIELDS)


def margins(grid: Floats) -> Floats:
    """Return the printed margins [orders, models + sets, seeds]: means over sets, over models."""
    return np.concatenate([grid.mean(2), grid.mean(1)], axis=1)


def gains(grid: Floats) -> Floats:
    """Return each strategy's accuracy minus Random's [strategies, models, sets, seeds]."""
    return grid[1:] - grid[:1]


def average_best_gain(grid: Floats) -> float:
    """Return the best strategy minus Random in each margin of the means over seeds, averaged.

    Means over seeds first, as the paper averages its five runs before it looks for the best.
    """
    means = margins(grid).mean(-1)
    return float((means[1:].max(0) - means[0]).mean())


def change_without(whole: Floats, kept: Floats | None, seeds: NDArray[np.intp]) -> float:
    """Return by which share the average best gain changes when some models are left out.

    Where there is next to no gain, 0.05 points stand for it, so that the share exists.

    Args:
        whole: Grid of all models.
        kept: Grid of those that stay; if None, none stays and nothing of the gain does.
        seeds: Runs to take, as indices.
    """
    gain = average_best_gain(whole[..., seeds])
    rest = 0.0 if kept is None else average_best_gain(kept[..., seeds])
    return (rest - gain) / max(gain, SMALLEST)


def null_gains(shuffles: Floats, n_resamples: int, seed: int) -> Floats:
    """Return average best-of-five gains among random orders [n_resamples].

    Within each seed six of the shuffles are drawn and called Random and the five strategies, so
    that the null shares folds and adapters across orders as the grid does.

    Args:
        shuffles: Grid whose orders are all random [draws >= 6, models, sets, seeds].
        n_resamples: Draws.
        seed: Of the draws.

    Raises:
        ValueError: Fewer than six shuffles.
    """
    _check_shuffles(shuffles)
    rng = np.random.default_rng(seed)
    return np.array([average_best_gain(reassigned(shuffles, rng)) for _ in range(n_resamples)])


def _check_shuffles(shuffles: Floats) -> None:
    if len(shuffles) < N_ORDERS:
        raise ValueError(f"{len(shuffles)} shuffles; a null of six orders needs six")


def reassigned(shuffles: Floats, rng: np.random.Generator) -> Floats:
    """Return six orders drawn anew within each seed [6, models, sets, seeds]."""
    n = shuffles.shape[-1]
    chosen = np.stack([rng.permutation(len(shuffles))[:N_ORDERS] for _ in range(n)], axis=1)
    return np.take_along_axis(shuffles, chosen[:, None, None, :], axis=0)


def resampled_seeds(
    statistic: Callable[[NDArray[np.intp]], float], n_seeds: int, n_resamples: int, seed: int
) -> Interval:
    """Return a statistic of all seeds with its expanded percentile interval over resampled seeds.

    Percentiles of a few resampled runs are too narrow; the level is raised so that the mean of n
    normal values would get its Student interval (Hesterberg 2015, section 5.3.2).

    Args:
        statistic: Called with indices of seeds [n_seeds].
        n_seeds: Seeds.
        n_resamples: Resamples.
        seed: Of the resamples.
    """
    widest = 1 - 1e-9  # two or three runs: all resamples
    reach = scipy_stats.t.ppf((1 + LEVEL) / 2, n_seeds - 1) * (n_seeds / (n_seeds - 1)) ** 0.5
    found = bootstrap_interval(
        np.arange(n_seeds, dtype=float),
        lambda index: statistic(np.asarray(index, dtype=np.intp)),
        seed=seed, n_resamples=n_resamples, method="percentile",
        level=min(widest, float(2 * scipy_stats.norm.cdf(reach) - 1)),
    )  # fmt: skip
    return Interval(found.estimate, min(found.low, found.estimate), max(found.high, found.estimate))


def beyond_null(grid: Floats, shuffles: Floats, n_resamples: int, seed: int) -> Interval:
    """Return the average best gain minus the 95th percentile among random orders, over seeds."""
    bar = float(np.quantile(null_gains(shuffles, n_resamples, seed), LEVEL))
    return resampled_seeds(
        lambda index: average_best_gain(grid[..., index]) - bar, grid.shape[-1], n_resamples, seed
    )


def largest_set_gain(grid: Floats) -> float:
    """Return the largest gain of any strategy on any test set, means over models and seeds."""
    return float(gains(grid).mean((1, 3)).max())


def sweeps(grid: Floats) -> Floats:
    """Return whether each strategy beats Random in every margin of a seed [strategies, seeds]."""
    held = margins(grid)
    return (held[1:] > held[:1]).all(1).astype(float)


def distinct_winners(grid: Floats) -> Floats:
    """Return how many different orders win the margins of each seed [seeds]."""
    won = np.sort(margins(grid).argmax(0), axis=0)
    return 1.0 + (np.diff(won, axis=0) > 0).sum(0)


def null_winners(shuffles: Floats, n_resamples: int, seed: int) -> float:
    """Return the mean number of distinct winners among random orders."""
    _check_shuffles(shuffles)
    rng = np.random.default_rng(seed)
    draws = [distinct_winners(reassigned(shuffles, rng)).mean() for _ in range(n_resamples)]
    return float(np.mean(draws))


def excess_spread(by_model: Floats) -> float:
    """Return the spread over models of a mean gain minus the spread that seeds alone make.

    Args:
        by_model: Gains [models, seeds].

    Returns:
        SD over models of the means over seeds, minus sqrt(mean variance over seeds / seeds).
    """
    spread = by_model.mean(1).std(ddof=1)
    alone = np.sqrt(by_model.var(1, ddof=1).mean() / by_model.shape[1])
    return float(spread - alone)


def interaction_p(by_model: Floats) -> float:
    """Return the p value that one gain is the same in all models (one-way analysis of variance)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", scipy_stats.ConstantInputWarning)
        return float(scipy_stats.f_oneway(*by_model).pvalue)


def order_spread(grid: Floats) -> float:
    """Return the standard deviation over the six orders of their mean accuracy."""
    return float(grid.mean((1, 2, 3)).std(ddof=1))


def order_effect(grid: Floats, shuffles: Floats, n_resamples: int, seed: int) -> float:
    """Return the spread over six orders minus the mean spread of six random ones."""
    _check_shuffles(shuffles)
    rng = np.random.default_rng(seed)
    null = [order_spread(reassigned(shuffles, rng)) for _ in range(n_resamples)]
    return order_spread(grid) - float(np.mean(null))


def paper_test(grid: Floats) -> float:
    """Return the p value of the paper's own kind of test: best of five against Random, paired t.

    Pairs are the margins, means over seeds. The best is chosen in each margin first, so the test
    finds a gain where there is none.
    """
    means = margins(grid).mean(-1)
    return float(scipy_stats.ttest_rel(means[1:].max(0), means[0]).pvalue)


def false_pass_rates(
    shuffles: Floats, other: Floats, n_resamples: int, seed: int, alpha: float = 0.05
) -> dict[str, float]:
    """Return how often an analysis finds a gain among orders that are all random.

    Args:
        shuffles: Random orders that play the six orders [draws >= 6, models, sets, seeds].
        other: Other random orders, from which our null is made.
        n_resamples: Plays.
        seed: Of the plays.
        alpha: Level of both tests.

    Returns:
        `ours`: average best gain above the null's (1 - alpha) quantile; `paper`: `paper_test`
        below alpha; `any gain`: the average best gain is above 0, which needs no test.
    """
    bar = float(np.quantile(null_gains(other, n_resamples, seed), 1 - alpha))
    rng = np.random.default_rng(seed + 1)
    plays = [reassigned(shuffles, rng) for _ in range(n_resamples)]
    best = np.array([average_best_gain(play) for play in plays])
    return {
        "ours": float((best > bar).mean()),
        "paper": float(np.mean([paper_test(play) < alpha for play in plays])),
        "any gain": float((best > 0).mean()),
    }


def standard_errors(values: Floats) -> float:
    """Return a mean over seeds in standard errors; infinite where seeds do not differ."""
    error = values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() / error) if error else float(np.sign(values.mean()) * np.inf)
