"""A small project around the book's own pages and ledgers, with one hand-made executed notebook."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import nbformat
import pytest
import yaml

from saebook.run.project import Project

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = "01_mayne2024_example"
PNG = base64.b64encode(
    base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
).decode()


def executed_notebook(*, error: bool = False, run: bool = True, alt: str = "A dot."):
    """A chapter with a formula, a citation, a reference to a claim and one figure."""
    image = nbformat.v4.new_output("display_data", data={"image/png": PNG})
    failed = nbformat.v4.new_output("error", ename="ValueError", evalue="layer 9", traceback=[])
    cell = nbformat.v4.new_code_cell("draw()", outputs=[failed if error else image])
    cell.execution_count = 1 if run else None
    cell.metadata["mystnb"] = {
        "figure": {"caption": "A dot.", "name": "fig-dot"},
        "image": {"alt": alt},
    }
    text = (
        "(mayne2024)=\n# A chapter\n\n{cite:t}`mayne2024` add a vector $v$ to every activation, "
        "which {ref}`claim-mayne2024-r4` is about.\n\n$$ x' = x + c\\,v $$\n"
    )
    cells = [nbformat.v4.new_markdown_cell(text), cell]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    notebook.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    return notebook


def put_notebook(root: Path, notebook) -> None:
    """Write the notebook as a source and as an executed copy."""
    for folder in (root / "notebooks", root / "build" / "book" / "notebooks"):
        folder.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, folder / f"{NOTEBOOK}.ipynb")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The book's pages and ledgers, a stub of the library, and one chapter."""
    root = tmp_path / "project"
    ignored = shutil.ignore_patterns("results")
    shutil.copytree(ROOT / "book", root / "book", ignore=ignored)
    library = root / "lib" / "saebook"
    library.mkdir(parents=True)
    (library / "subjects.py").write_text('"""Models."""\n\ndef load() -> int:\n    """One."""\n')
    shutil.copy(ROOT / "_config.yml", root)
    (root / "requirements.lock").write_text("")
    (root / "README.md").write_text(
        "# x\n\n<!-- scoreboard:begin -->\nold\n<!-- scoreboard:end -->\n\nafter\n"
    )
    (root / "_toc.yml").write_text(yaml.safe_dump(_toc()))
    put_notebook(root, executed_notebook())
    return Project(root)


def _toc() -> dict:
    """The book's own table of contents with the example chapter for its chapters."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    for part in toc["parts"]:
        part["chapters"] = [c for c in part["chapters"] if not c["file"].startswith("notebooks/")]
    toc["parts"] = [part for part in toc["parts"] if part["chapters"]]
    toc["parts"][0]["chapters"].append({"file": f"notebooks/{NOTEBOOK}"})
    return toc
