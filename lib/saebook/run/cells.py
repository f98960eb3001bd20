"""Code cells of a notebook source, read as JSON: nbformat takes two seconds to import."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from saebook.run.errors import RunError


@dataclass(frozen=True)
class Cell:
    """One cell of a notebook source."""

    kind: str
    """`code`, `markdown` or `raw`."""
    source: str
    tags: tuple[str, ...]


def read_cells(notebook: Path) -> list[Cell]:
    """The cells of a notebook in the fourth notebook format.

    Raises:
        RunError: The file is no such notebook.
    """
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        return [
            Cell(
                cell["cell_type"],
                "".join(cell["source"]),
                tuple(cell.get("metadata", {}).get("tags", ())),
            )
            for cell in cells
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{notebook.name} is no notebook that can be read: {error!r}") from None


def parameters_cells(notebook: Path) -> list[Cell]:
    """The cells tagged `parameters`."""
    return [cell for cell in read_cells(notebook) if "parameters" in cell.tags]


def later_code(notebook: Path) -> list[str]:
    """Sources of all code cells but the parameters cell."""
    cells = [cell for cell in read_cells(notebook) if cell.kind == "code"]
    return [cell.source for cell in cells if "parameters" not in cell.tags]
