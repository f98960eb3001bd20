"""A fresh result beside the committed one, row by row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saebook.run.errors import RunError

SLACK = 1e-4
"""Relative room between intervals: numbers are kept at six digits and processors differ."""


@dataclass(frozen=True)
class Row:
    """One claim's measurement and verdict in one evidence block."""

    name: str
    verdict: str
    parts: Mapping[str, tuple[float, float, float]]
    """Estimate, low and high by part; a row of one number has one part with an empty name."""

    def __str__(self) -> str:
        """The row as it is shown."""
        parts = [
            f"{part + ' ' if part else ''}{value:g} [{low:g}, {high:g}]"
            for part, (value, low, high) in self.parts.items()
        ]
        return f"{self.verdict}: {'; '.join(parts)}"


@dataclass(frozen=True)
class Difference:
    """A row that is not the same in two results."""

    name: str
    committed: Row | None
    fresh: Row | None

    @property
    def is_conflict(self) -> bool:
        """Whether an interval is disjoint from the committed one, or a committed row is gone."""
        if self.committed is None:
            return False
        return self.fresh is None or disjoint(self.committed, self.fresh)

    def __str__(self) -> str:
        """Both rows, one under the other."""
        mark = "intervals disjoint" if self.fresh and self.is_conflict else "differs"
        return (
            f"{self.name} ({mark})\n"
            f"    committed  {self.committed or 'no such row'}\n"
            f"    fresh      {self.fresh or 'no such row'}"
        )


def differences(committed: Path, fresh: Path) -> list[Difference]:
    """Rows that differ between two result files, in the committed order.

    Raises:
        RunError: One of the files is no result file.
    """
    old, new = read_rows(committed), read_rows(fresh)
    names = [*old, *(name for name in new if name not in old)]
    return [
        Difference(name, old.get(name), new.get(name))
        for name in names
        if old.get(name) != new.get(name)
    ]


def read_rows(path: Path) -> dict[str, Row]:
    """The rows of a result file by `block id`.

    Raises:
        RunError: The file is no result file.
    """
    try:
        records = json.loads(path.read_text(encoding="utf-8"))["records"]
        return {
            f"{claim} {block}": Row(f"{claim} {block}", record["verdict"], dict(_parts(record)))
            for block, rows in records.items()
            for claim, record in rows.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"{path.name} is not a results file ({type(error).__name__}: {error})"
        ) from None


def disjoint(one: Row, other: Row) -> bool:
    """Whether any part's intervals do not touch, or the parts have other names."""
    if set(one.parts) != set(other.parts):
        return True
    return any(_apart(one.parts[part], other.parts[part]) for part in one.parts)


def _apart(one: tuple[float, float, float], other: tuple[float, float, float]) -> bool:
    room = SLACK * max(abs(value) for value in (*one, *other))
    return one[2] + room < other[1] or other[2] + room < one[1]


def _parts(record: Mapping[str, Any]) -> Iterator[tuple[str, tuple[float, float, float]]]:
    """Leaves of the three, possibly nested, mappings `estimate`, `low` and `high`."""
    lows, highs = dict(_leaves(record["low"])), dict(_leaves(record["high"]))
    for name, value in _leaves(record["estimate"]):
        yield name, (value, lows[name], highs[name])


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}".lstrip("."))
    else:
        yield name, float(value)
