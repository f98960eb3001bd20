"""The twelve ways of reading Delta Token Confidence that K7 compares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from saebook.papers.wang2025.parameters import Parameters

OTHER_PREFIXES = {"prefix 2": "today the", "prefix 3": "in the park people speak of"}
"""Further neutral prefixes; which one the chapter takes is a parameter."""


class Change(NamedTuple):
    """What is done to the residual, and where."""

    reading: str
    alpha: float
    prefix: str


@dataclass(frozen=True)
class Variant:
    """One computation of Delta Token Confidence."""

    reading: str
    alpha: float
    k: int
    prefix: str

    @property
    def change(self) -> Change:
        """The change it looks at; variants that differ in k alone share one."""
        return Change(self.reading, self.alpha, self.prefix)


def variants(config: Parameters) -> dict[str, Variant]:
    """Computations by column name; "V1" is the default one."""
    alpha, k = config.alpha, config.k
    own = {reading: Variant(reading, alpha, k, "own") for reading in ("V1", "V2", "V3", "V4")}
    return {
        **own,
        "k 5": Variant("V1", alpha, 5, "own"),
        "k 20": Variant("V1", alpha, 20, "own"),
        "alpha half": Variant("V1", alpha / 2, k, "own"),
        "alpha twice": Variant("V1", alpha * 2, k, "own"),
        **{name: Variant("V1", alpha, k, name) for name in OTHER_PREFIXES},
    }


SIDED = {"V1 up": ("V1", "up"), "V1 down": ("V1", "down")}
"""Cells of K7 that rank by one direction of change; the other ten rank by magnitude."""
