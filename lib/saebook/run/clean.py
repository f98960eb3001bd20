"""The executed copy without what varies from run to run and machine to machine."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat

INJECTED = "injected-parameters"
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def cleaned(notebook: Any, root: Path) -> Any:
    """Strip timings and paths; keep tags, figure captions (`mystnb`) and outputs.

    The cell that papermill injects keeps its place, gets a fixed id and is folded away under a
    line that says what it is.

    Args:
        notebook: An executed notebook, changed in place and returned.
        root: The project's folder; its path is taken out of the outputs.
    """
    notebook.metadata.pop("papermill", None)
    notebook.cells = [cell for cell in notebook.cells if not _is_error_marker(cell)]
    names = machine_paths(root)
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if INJECTED in cell.metadata.get("tags", []):
            _style_injected(cell)
        for output in cell.get("outputs", []):
            _without_paths(output, names)
    return notebook


def as_bytes(notebook: Any) -> bytes:
    """The notebook as it is written to disk."""
    return (nbformat.writes(notebook) + "\n").encode()


def machine_paths(root: Path) -> list[tuple[str, str]]:
    """Paths of this machine and what stands for them in an output, the longest first."""
    pairs = {
        str(root): ".",
        str(Path(sys.prefix)): "<environment>",
        str(Path(sys.base_prefix)): "<python>",
        tempfile.gettempdir(): "<temporary>",
        str(Path.home()): "~",
    }
    return sorted(
        ((old, new) for old, new in pairs.items() if len(old) > 1), key=lambda p: -len(p[0])
    )


def plain(text: str) -> str:
    """Text without terminal colours."""
    return ANSI.sub("", text)


def _style_injected(cell: Any) -> None:
    cell["id"] = INJECTED
    cell.metadata["tags"] = [INJECTED, "hide-input"]
    cell.metadata["mystnb"] = {
        "code_prompt_show": "Parameters set for this run",
        "code_prompt_hide": "Parameters set for this run",
    }


def _is_error_marker(cell: Any) -> bool:
    return "papermill-error-cell-tag" in cell.metadata.get("tags", [])


def _without_paths(output: Any, names: list[tuple[str, str]]) -> None:
    """Replace machine paths in the text of an output."""
    if "text" in output:
        output["text"] = _replaced(output["text"], names)
    for kind, value in output.get("data", {}).items():
        if kind.startswith("text/"):
            output["data"][kind] = _replaced(value, names)


def _replaced(text: Any, names: list[tuple[str, str]]) -> Any:
    if isinstance(text, list):
        return [_replaced(line, names) for line in text]
    for old, new in names:
        text = re.sub(rf"{re.escape(old)}(?=[/\s'\":,)]|$)", new, text)
    return text
