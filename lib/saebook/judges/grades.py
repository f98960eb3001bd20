"""From a measure to a grade, and from three grades to one score."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
TOP = 2.0
"""The best grade; 0 is the worst."""


class Cuts(NamedTuple):
    """Where grades change: above `low` the grade is 1, from `high` (and above `low`) it is 2."""

    low: float
    high: float


def grade(values: ArrayLike, low: ArrayLike, high: ArrayLike) -> Floats:
    """Grade measures of which more is better: 0 up to `low`, 1 above it, 2 from `high` on.

    Cuts are set on unsteered text before any steered text is seen.

    Raises:
        ValueError: values that are not finite, or a low cut above its high one.
    """
    x, lower, upper = (np.asarray(v, dtype=np.float64) for v in (values, low, high))
    if not np.isfinite(x).all():
        raise ValueError(f"{int((~np.isfinite(x)).sum())} of {x.size} measures are not finite")
    if (lower > upper).any():
        raise ValueError("a low cut lies above its high cut; grades would not rise")
    above = x > lower
    return above.astype(np.float64) + (above & (x >= upper))


def harmonic_mean(concept: ArrayLike, instruction: ArrayLike, fluency: ArrayLike) -> Floats:
    """Harmonic mean of three grades, 0 if any of them is 0 (AxBench 2501.17148, section 4.2).

    3 / (1/C + 1/I + 1/F), example by example; averages come afterwards.

    Raises:
        ValueError: a grade outside [0, 2] or not a number.
    """
    grades = np.stack(
        np.broadcast_arrays(
            *(np.asarray(g, dtype=np.float64) for g in (concept, instruction, fluency))
        )
    )
    if not ((grades >= 0) & (grades <= TOP)).all():
        raise ValueError("grades lie between 0 and 2")
    inverse = (1 / np.where(grades > 0, grades, 1)).sum(0)
    return np.where((grades > 0).all(0), 3 / inverse, 0.0)
