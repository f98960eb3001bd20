"""A checkout whose runs leave their files in another folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from saebook.run import Project


@dataclass(frozen=True)
class Elsewhere(Project):
    """The checkout, with everything that is made in another folder."""

    place: Path = Path()

    @property
    def build(self) -> Path:
        return self.place
