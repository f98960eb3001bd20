"""Pieces of a project of one tiny chapter, laid out like the book."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import nbformat
from pydantic import Field

from saebook.parameters import ChapterParameters

PARAMETERS_CELL = "n: int = 3  # how many\nscale: float = 1.5  # by what"
SETUP_CELL = """\
import json, os
from pathlib import Path
config = {"n": n, "scale": scale}
"""
RESULT_CELL = """\
folder = Path(os.environ["SAEBOOK_RESULTS_DIR"])
(folder / "tiny2020.json").write_text(json.dumps({"records": {}, "total": n * scale}))
print("total", n * scale)
"""


class TinyParameters(ChapterParameters):
    """What the tiny chapter declares."""

    n: Annotated[int, Field(ge=1, le=9)] = 3
    scale: Annotated[float, Field(gt=0)] = 1.5


def find_tiny(slug: str) -> type[ChapterParameters]:
    """Every slug of the tiny project has the same parameters."""
    return TinyParameters


def write_notebook(path: Path, cells: list[str], parameters: str = PARAMETERS_CELL) -> Path:
    """A notebook of a parameters cell and the given code cells."""
    made = [
        nbformat.v4.new_code_cell(parameters, id="parameters", metadata={"tags": ["parameters"]})
    ]
    made += [nbformat.v4.new_code_cell(cell, id=f"cell-{at}") for at, cell in enumerate(cells)]
    notebook = nbformat.v4.new_notebook(cells=made)
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path
