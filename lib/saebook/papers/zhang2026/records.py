"""The numbers of record: every item's bit and every vector, as two tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from saebook.papers.zhang2026.cells import Cell
from saebook.papers.zhang2026.worlds import Kind
from saebook.paths import records_dir
from saebook.records import MADE_ON
from saebook.testbed.lexicon import DOMAINS

ITEMS, VECTORS = "zhang2026.items.parquet", "zhang2026.vectors.parquet"
Arrays = dict[str, np.ndarray]
BY_DOMAIN = ("profile/", "moment/")
"""How the names of matrices with a row a domain begin."""
CELL = ["kind", "family", "source", "seed", "variant"]


class Records:
    """What the grid gave, by cell and by name.

    `items` has columns kind, family, source, seed, variant, exam, item, right; `vectors` has
    family, name, values (float16, rows of a matrix follow one another).
    """

    def __init__(
        self, items: pd.DataFrame, vectors: pd.DataFrame, made_on: Mapping[str, str] | None = None
    ) -> None:
        self.items = items
        self.vectors = vectors
        self.made_on = dict(made_on or {})
        """By family: what its numbers depend on beside the code, as `Store.made_on` gives it."""

    @classmethod
    def load(cls, folder: Path | None = None) -> Records:
        """Read the tables of record.

        Raises:
            FileNotFoundError: They are not there; says how they are made.
        """
        at = records_dir() if folder is None else folder
        missing = [name for name in (ITEMS, VECTORS) if not (at / name).is_file()]
        if missing:
            raise FileNotFoundError(
                f"no {', '.join(missing)} in {at}; `make full NB=zhang2026` writes them"
            )
        items, vectors = (pd.read_parquet(at / name) for name in (ITEMS, VECTORS))
        return cls(items, vectors, items.attrs.get(MADE_ON))

    def save(self, folder: Path) -> None:
        """Write both tables."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in ((ITEMS, self.items), (VECTORS, self.vectors)):
            told = table.copy(deep=False)
            told.attrs = {MADE_ON: self.made_on}
            told.to_parquet(folder / name, index=False, compression="zstd")

    @cached_property
    def _bits(self) -> dict[tuple, np.ndarray]:
        groups = self.items.groupby([*CELL, "exam"], observed=True, sort=False)["right"]
        return {key: values.to_numpy(bool) for key, values in groups}  # type: ignore[misc]

    @cached_property
    def _vectors(self) -> dict[tuple[str, str], np.ndarray]:
        rows = self.vectors[["family", "name", "values"]].itertuples(index=False, name=None)
        return {(family, name): values.astype(np.float64) for family, name, values in rows}

    def bits(self, cell: Cell, exam: str) -> np.ndarray | None:
        """Return an exam's bits after a cell, or None if it was not run."""
        return self._bits.get((cell.kind, cell.family, cell.source, cell.seed, cell.variant, exam))

    def before(self, kind: Kind, family: str, exam: str) -> np.ndarray:
        """Return an exam's bits before any fine-tuning.

        Raises:
            KeyError: Not among the records.
        """
        world: Kind = "skill" if kind == "null" else kind
        found = self.bits(Cell(world, family, "math", 0, "before"), exam)
        if found is None:
            raise KeyError(f"no record of {exam} before fine-tuning, {kind} world, {family}")
        return found

    def seeds(self, kind: Kind, family: str, source: str, variant: str = "sft") -> list[int]:
        """Return the seeds that were run."""
        own = self.items
        held = own[
            (own["kind"] == kind)
            & (own["family"] == family)
            & (own["source"] == source)
            & (own["variant"] == variant)
        ]
        return sorted(held["seed"].unique().tolist())

    def delta(self, cell: Cell) -> np.ndarray:
        """Return each domain's accuracy after minus before, [14]. Raises KeyError as `before`."""
        changes = []
        for domain in DOMAINS:
            after = self.bits(cell, domain)
            if after is None:
                raise KeyError(f"no record of {domain} after {cell.key}")
            changes.append(after.mean() - self.before(cell.kind, cell.family, domain).mean())
        return np.array(changes)

    def deltas(
        self, kind: Kind, family: str, source: str, variant: str = "sft"
    ) -> np.ndarray | None:
        """Return the changes of every seed that was run, [n_seeds, 14], or None."""
        seeds = self.seeds(kind, family, source, variant)
        cells = [Cell(kind, family, source, seed, variant) for seed in seeds]
        return np.stack([self.delta(cell) for cell in cells]) if cells else None

    def has(self, family: str, name: str) -> bool:
        """Return whether a vector is among the records."""
        return (family, name) in self._vectors

    def vector(self, family: str, name: str, matrix: bool = False) -> np.ndarray:
        """Return a vector by name, or a matrix with a row a domain.

        Raises:
            KeyError: Not among the records.
        """
        if (family, name) not in self._vectors:
            raise KeyError(f"no record of {name} of {family}")
        found = self._vectors[family, name]
        return found.reshape(len(DOMAINS), -1) if matrix else found

    def shift(self, cell: Cell, layer: int, sae: str) -> np.ndarray | None:
        """Return the true shift [d_sae] after a cell, or None."""
        return self._vectors.get((cell.family, f"cell/{cell.key}/shift/{layer}/{sae}"))

    def cell(self, cell: Cell) -> Arrays:
        """Return all arrays of a cell as `run_cell` gave them, none if it was not run."""
        named = tuple(getattr(cell, name) for name in CELL)
        bits = {f"bits/{key[-1]}": held for key, held in self._bits.items() if key[:-1] == named}
        prefix = f"cell/{cell.key}/"
        return bits | {
            name.removeprefix(prefix): values
            for name, values in self.named(cell.family, (prefix,)).items()
        }

    def named(self, family: str, prefixes: tuple[str, ...]) -> Arrays:
        """Return a family's vectors whose name begins with one of the prefixes, by name.

        Those that have a row a domain are given so, [14, n].
        """
        return {
            name: values.reshape(len(DOMAINS), -1) if name.startswith(BY_DOMAIN) else values
            for (own, name), values in self._vectors.items()
            if own == family and name.startswith(prefixes)
        }


def tables(
    cells: Iterable[tuple[Cell, Arrays]],
    vectors: Iterable[tuple[str, Arrays]],
    made_on: Mapping[str, str] | None = None,
    dtype: type[np.floating] = np.float16,
) -> Records:
    """Make the tables of record from arrays by cell and by family.

    Raises:
        ValueError: A value is too large for the number type.
    """
    items, values = [], []
    for cell, arrays in cells:
        for name, array in arrays.items():
            if name.startswith("bits/"):
                items.append(_bit_rows(cell, name.removeprefix("bits/"), array))
            else:
                values.append((cell.family, f"cell/{cell.key}/{name}", _flat(array, dtype)))
    for family, arrays in vectors:
        values += [(family, name, _flat(array, dtype)) for name, array in arrays.items()]
    categories = ["kind", "family", "source", "variant", "exam"]
    return Records(
        pd.concat(items, ignore_index=True).astype(dict.fromkeys(categories, "category")),
        pd.DataFrame(values, columns=pd.Index(["family", "name", "values"])),
        made_on,
    )


def _bit_rows(cell: Cell, exam: str, bits: np.ndarray) -> pd.DataFrame:
    named = {name: getattr(cell, name) for name in CELL}
    return pd.DataFrame({**named, "exam": exam, "item": np.arange(len(bits)), "right": bits})


def _flat(array: np.ndarray, dtype: type[np.floating]) -> np.ndarray:
    """Array as a row of the table.

    Raises:
        ValueError: A value is too large for the number type.
    """
    largest = np.finfo(dtype).max
    if array.size and not np.abs(array).max() <= largest:
        raise ValueError(
            f"a vector reaches {np.abs(array).max():g}; {dtype.__name__} ends at {largest:g}"
        )
    return array.reshape(-1).astype(dtype)


def missing(records: Records, planned: Iterable[Cell]) -> list[Cell]:
    """Return the planned cells that the records do not hold."""
    held = set(records.items[CELL].drop_duplicates().itertuples(index=False, name=None))
    return [c for c in planned if (c.kind, c.family, c.source, c.seed, c.variant) not in held]
