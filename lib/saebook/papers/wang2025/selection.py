"""Choosing latents by a score and keeping the best subset, as section 4.1 and App. D describe.

The subsets are the K highest for K from 1 to 5 and the tails beyond four quantiles. The paper
keeps, for each SAE, the subset with the best steering score: the winner is chosen with the very
score that is reported, so every ranking, a random one too, gains from it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

TOP_K = (1, 2, 3, 4, 5)
TAILS = (0.99, 0.95, 0.90, 0.80)
FIXED_TAIL = 0.90
"""The one tier of the fixed rule: the top tenth."""

Floats = NDArray[np.float64]


def tier_sizes(n: int) -> list[int]:
    """Sizes of the nine subsets of n latents, by K and then by tail; they may repeat.

    Raises:
        ValueError: fewer latents than the largest K.
    """
    if n < max(TOP_K):
        raise ValueError(f"{n} latents are fewer than the {max(TOP_K)} that a tier may hold")
    return [*TOP_K, *(tail_size(n, q) for q in TAILS)]


def tail_size(n: int, quantile: float) -> int:
    """Latents beyond a quantile of n, at least one."""
    return max(1, math.ceil(round((1 - quantile) * n, 9)))


def rankings(score: Floats, sides: str) -> list[NDArray[np.int64]]:
    """Orders of the latents by a score, best first.

    Args:
        score: One number a latent [n].
        sides: "magnitude" (largest |score|), "up", "down", "both" (up and down, apart) or
            "all" (the three orders).

    Raises:
        ValueError: unknown sides, or a score that is not finite.
    """
    if not np.isfinite(score).all():
        raise ValueError(f"latent {int((~np.isfinite(score)).argmax())} has no finite score")
    orders = {"magnitude": -np.abs(score), "up": -score, "down": score}
    named = {"both": ("up", "down"), "all": ("magnitude", "up", "down")}.get(sides, (sides,))
    if not set(named) <= set(orders):
        raise ValueError(f"unknown sides {sides!r}; known: {', '.join([*orders, 'both', 'all'])}")
    return [np.argsort(orders[name], kind="stable") for name in named]


def subsets(score: Floats, sides: str = "both") -> list[NDArray[np.int64]]:
    """All subsets the best-of rule looks at: nine an order."""
    sizes = tier_sizes(len(score))
    return [order[:size] for order in rankings(score, sides) for size in sizes]


def best_subset(utility: Floats, score: Floats, sides: str = "both") -> NDArray[np.int64]:
    """The subset with the highest mean utility; the first of equals."""
    return max(subsets(score, sides), key=lambda chosen: float(utility[chosen].mean()))


def best_of_score(utility: Floats, score: Floats, sides: str = "both") -> float:
    """Mean utility of the best subset: what the paper reports for one SAE."""
    return float(utility[best_subset(utility, score, sides)].mean())


def cross_fitted_score(
    chosen_on: Floats, scored_on: Floats, score: Floats, sides: str = "both"
) -> float:
    """Mean utility of a subset chosen on other prompts than it is scored on."""
    return float(scored_on[best_subset(chosen_on, score, sides)].mean())


def one_tier_score(utility: Floats, score: Floats, sides: str = "magnitude") -> float:
    """Mean utility of the top tenth of one ranking, chosen without looking at utility."""
    (order,) = rankings(score, sides)
    return float(utility[order[: tail_size(len(score), FIXED_TAIL)]].mean())


def random_best_of(
    utility: Floats, n_rankings: int, rng: np.random.Generator, sides: str = "both"
) -> Floats:
    """Best-of scores under random rankings, [n_rankings]."""
    draws = rng.permuted(np.tile(utility, (n_rankings, 1)), axis=1)
    return best_of_prefixes(draws, sides)


def best_of_prefixes(ordered: Floats, sides: str = "both") -> Floats:
    """Best mean over the tiers of utilities [draws, n] that stand in the ranking's order.

    "up" tiers are taken from the front; "both" adds "down" tiers from the back; "magnitude" of a
    random ranking is a front like any other.
    """
    sizes = np.array(tier_sizes(ordered.shape[1]))
    ends = [ordered, ordered[:, ::-1]] if sides == "both" else [ordered]
    means = [end.cumsum(1)[:, sizes - 1] / sizes for end in ends]
    return np.concatenate(means, axis=1).max(1)
