"""What a gate returns: one figure, the bounds it must keep, and which claims hang on it."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class GateResult:
    """One gate on one house model.

    A gate whose figure leaves its bounds makes the claims that name it inconclusive.
    """

    name: str
    """Name by which the ledger refers to the gate."""
    paper: str
    """Slug of the paper that needs it, or `general`."""
    model: str
    value: float
    low: float
    """Smallest value that passes; -inf where there is none."""
    high: float
    """Largest value that passes; inf where there is none."""
    unit: str
    says: str
    """What the figure is, in a sentence."""
    n: int
    """Items measured."""

    @property
    def passed(self) -> bool:
        """Whether the value lies within its bounds."""
        return not math.isnan(self.value) and self.low <= self.value <= self.high
