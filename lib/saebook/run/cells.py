"""Code cells of a notebook source, read as JSON: nbformat takes two seconds to import."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from saebook.parameters import ParameterError
from saebook.run.errors import RunError

DECLARING = {"parameters", "hub-parameters"}
"""Tags of the cells that declare parameters."""


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
    """The cell tagged `parameters`, after one tagged `hub-parameters` where there is one.

    What only the tiers paper and colab read may stand in a cell of its own. It comes first: values
    are injected after the cell tagged `parameters`, and have to win over both.

    Raises:
        ParameterError: Not one cell is tagged `parameters`, or the other stands elsewhere.
    """
    cells = read_cells(notebook)
    tagged = [cell for cell in cells if DECLARING & set(cell.tags)]
    tags = [tag for cell in tagged for tag in cell.tags if tag in DECLARING]
    if tags not in (["parameters"], ["hub-parameters", "parameters"]):
        raise ParameterError(
            f"{notebook.name} has {tags.count('parameters')} cells tagged 'parameters'; wanted "
            "one, and before it at most one tagged 'hub-parameters'"
        )
    return tagged


def later_code(notebook: Path) -> list[str]:
    """Sources of all code cells but those that declare parameters."""
    cells = [cell for cell in read_cells(notebook) if cell.kind == "code"]
    return [cell.source for cell in cells if not DECLARING & set(cell.tags)]
