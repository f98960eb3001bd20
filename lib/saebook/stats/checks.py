"""What the statistics demand of their input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Statistic = Callable[..., Any]
"""From arrays to a number, or to numbers along an `axis`."""


def vector(values: ArrayLike) -> Floats:
    """Return the numbers as an array [n >= 1]. Raises ValueError if one is not finite."""
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or not len(x):
        raise ValueError(f"a non-empty list of numbers is needed, got shape {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError(f"{int((~np.isfinite(x)).sum())} of {len(x)} values are not finite")
    return x


def check_paired(samples: Sequence[Floats]) -> None:
    """Raise ValueError unless all samples have one length of at least two."""
    if not samples:
        raise ValueError("there are no samples")
    lengths = sorted({len(sample) for sample in samples})
    if len(lengths) > 1:
        raise ValueError(f"paired samples have unequal lengths {lengths}")
    if lengths[0] < 2:
        raise ValueError(f"{lengths[0]} item; at least two are needed")


def check_level(level: float) -> None:
    """Raise ValueError unless a confidence level lies between 0 and 1."""
    if not 0 < level < 1:
        raise ValueError(f"level {level} is not between 0 and 1")


def pair(x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    """Return two arrays of one length of at least two. Raises ValueError otherwise."""
    a, b = vector(x), vector(y)
    check_paired([a, b])
    return a, b


def varying_pair(x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    """As `pair`, and neither side may be constant."""
    a, b = pair(x, y)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        raise ValueError("a correlation is undefined when one side is constant")
    return a, b
