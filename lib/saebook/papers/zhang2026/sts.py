"""The two scores, the sets of latents they sum over, and what a correlation of domains is worth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from saebook.stats import correlation_test, pearson, spearman

PAPER_SHARE = 100 / 28_672
"""Top latents over dictionary size in the paper's main setting, 0.35 %."""
LEAST = 4
"""Fewest latents that make a set, by whichever rule."""
OVERLAP_TOP = 40
"""Length of the lists whose overlap is counted."""
LIVELY = 0.01
"""Least variance, as a share of the median's, for a dimension's change to be divided by it."""


def top(change: ArrayLike, n: int, live: ArrayLike | None = None) -> np.ndarray:
    """Return the n latents with the largest change, ties by id.

    Raises:
        ValueError: n is below 1 or above the number of live latents.
    """
    values = np.asarray(change, dtype=float)
    alive = np.ones(len(values), bool) if live is None else np.asarray(live, bool)
    if not 1 <= n <= alive.sum():
        raise ValueError(f"{n} latents asked for, {int(alive.sum())} are live")
    return np.argsort(np.where(alive, -values, np.inf), kind="stable")[:n]


def n_by_ratio(d_sae: int) -> int:
    """Return the paper's share of the dictionary, at least four latents."""
    return max(LEAST, round(PAPER_SHARE * d_sae))


def n_by_share(change: ArrayLike, share: float) -> int:
    """Return the smallest number of latents that hold a share of the whole change.

    Raises:
        ValueError: Nothing changes.
    """
    ranked = np.sort(np.asarray(change, dtype=float))[::-1]
    if ranked.sum() <= 0:
        raise ValueError("no latent changes, so no set of them holds a share of the change")
    return int(np.searchsorted(np.cumsum(ranked) / ranked.sum(), share) + 1)


def smallest_set(change: ArrayLike, share: float) -> np.ndarray:
    """Return the smallest set of at least `LEAST` latents that holds a share of the change."""
    return top(change, max(LEAST, n_by_share(change, share)))


def sts(profiles: ArrayLike, chosen: ArrayLike) -> np.ndarray:
    """Return each domain's score: the sum of its profile [n_domains, d_sae] over the set."""
    return np.asarray(profiles, dtype=float)[:, np.asarray(chosen)].sum(1)


def overlap(first: ArrayLike, second: ArrayLike, n: int = OVERLAP_TOP) -> float:
    """Return the share of their top n that two change vectors have in common."""
    return len(set(top(first, n)) & set(top(second, n))) / n


def concentration(shift: np.ndarray, variance: np.ndarray, share: float) -> float:
    """Return the part of the whole change in the top share of dimensions.

    Each dimension's mean squared change is divided by its variance before fine-tuning; those
    that hardly vary are left out.
    """
    lively = variance > LIVELY * np.median(variance[variance > 0])
    relative = np.sort(shift[lively] / variance[lively])[::-1]
    n = max(1, round(share * len(shift)))
    return float(relative[:n].sum() / relative.sum())


class Correlated(NamedTuple):
    """One correlation over domains and what it is worth."""

    r: float
    low: float
    high: float
    """Percentile bootstrap over domains, widened to hold r."""
    p: float
    """Two-sided permutation p-value."""
    spearman: float
    smallest: float
    """r when the worst single domain is left out."""
    left_out: int
    """Which."""
    extremes: float
    """r over the four largest and four smallest sizes, the paper's choice."""


def correlate(x: ArrayLike, size: ArrayLike, *, seed: int, n_resamples: int) -> Correlated:
    """Correlate a score with the size of each domain's change.

    Args:
        x: Score of each domain.
        size: |change in accuracy| of each domain.
        seed: Of bootstrap and permutations.
        n_resamples: Of both.

    Raises:
        ValueError: As `saebook.stats.pearson`.
    """
    a, b = np.asarray(x, dtype=float), np.asarray(size, dtype=float)
    r, left = pearson(a, b), leave_one_out(a, b)
    low, high = bootstrap_r(a, b, seed, n_resamples)
    order = np.argsort(-b, kind="stable")
    ends = np.r_[order[:4], order[-4:]]
    test = correlation_test(a, b, pearson, seed=seed, n_resamples=n_resamples)
    return Correlated(
        r,
        min(low, r),
        max(high, r),
        test.p,
        spearman(a, b),
        float(left.min()),
        int(left.argmin()),
        pearson(a[ends], b[ends]),
    )


def leave_one_out(x: ArrayLike, size: ArrayLike) -> np.ndarray:
    """Return r without each domain in turn."""
    a, b = np.asarray(x, dtype=float), np.asarray(size, dtype=float)
    kept = ~np.eye(len(a), dtype=bool)
    return np.array([pearson(a[k], b[k]) for k in kept])


def bootstrap_r(x: ArrayLike, size: ArrayLike, seed: int, n_resamples: int) -> tuple[float, float]:
    """Return the 95 % percentile interval of r over resampled domains.

    Resamples in which one side does not vary say nothing and are left out.
    """
    draws = _domain_draws(len(np.asarray(x)), seed, n_resamples)
    r = rows_r(np.asarray(x, dtype=float)[draws], np.asarray(size, dtype=float)[draws])
    low, high = np.nanquantile(r, [0.025, 0.975])
    return float(low), float(high)


def _domain_draws(n: int, seed: int, n_resamples: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(n, size=(n_resamples, n))


def rows_r(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return Pearson's r of each pair of rows, [n]; NaN where one side does not vary."""
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    scale = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(scale > 1e-12, (a * b).sum(1) / scale, np.nan)
