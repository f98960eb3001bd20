"""What every notebook of the book looks like, as checks that give faults in words."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

from saebook.parameters import ParameterError
from saebook.run.cells import Cell, later_code, parameters_cells, read_cells
from saebook.run.reading import attributes_of, hands_on_whole

PAPER_SECTIONS = (
    "At a glance",
    "What the paper claims",
    "Setup",
    "Data and model",
    "Method",
    "Does the implementation agree?",
    "Scorecard",
    "Where we differ, and why",
    "What to try next",
    "Provenance",
)
TESTBED_SECTIONS = ("At a glance", "Setup", "Where we differ, and why", "Provenance")
LONGEST_CELL = 25
MOST_FUNCTIONS = 2
FEWEST_WORDS_A_LINE = 8
PARAMETER_LINE = re.compile(r"[a-z]\w*: (int|float|str|bool) = [^=#]+  # \S.*")


def faults(notebook: Path, slug: str) -> list[str]:
    """Everything in a notebook that is not as agreed."""
    cells = read_cells(notebook)
    raw = json.loads(notebook.read_text(encoding="utf-8"))
    return [
        *_form(raw),
        *_opening(cells, slug),
        *_sections(cells, slug),
        *_code(cells),
        *_parameters(notebook, cells),
        *_prose(cells),
    ]


def _form(raw: dict) -> Iterator[str]:
    if raw["metadata"].get("kernelspec", {}).get("name") != "python3":
        yield "the kernel is not python3"
    ids = [cell.get("id") for cell in raw["cells"]]
    if None in ids or len(set(ids)) < len(ids):
        yield "a cell has no id, or two share one"
    for at, cell in enumerate(raw["cells"], 1):
        if cell.get("outputs") or cell.get("execution_count"):
            yield f"cell {at} carries outputs; sources are committed without"


def _opening(cells: list[Cell], slug: str) -> Iterator[str]:
    first = cells[0].source.splitlines() if cells else []
    if (cells and cells[0].kind != "markdown") or first[:1] != [f"({slug})="]:
        yield f"the first cell does not begin with the label ({slug})="
    if sum(line.startswith("# ") for cell in _texts(cells) for line in _outside_code(cell)) != 1:
        yield "there is not exactly one title"
    code = [cell for cell in cells if cell.kind == "code"]
    if not code or "colab" not in code[0].tags:
        yield "the first code cell is not the one tagged colab"


def _sections(cells: list[Cell], slug: str) -> Iterator[str]:
    wanted = TESTBED_SECTIONS if slug == "testbed" else PAPER_SECTIONS
    lines = [line for cell in _texts(cells) for line in _outside_code(cell)]
    found = [line[3:].strip() for line in lines if line.startswith("## ")]
    missing = [name for name in wanted if name not in found]
    if missing:
        yield f"no section {', '.join(missing)}"
    order = [name for name in found if name in wanted]
    if not missing and order != list(wanted):
        yield f"sections out of order: {', '.join(order)}"
    if slug != "testbed" and not missing:
        between = found[found.index(PAPER_SECTIONS[5]) + 1 : found.index("Scorecard")]
        if not any(re.match(r"[A-Z]\d+", name) for name in between):
            yield "no experiment between the check of the implementation and the scorecard"


def _code(cells: list[Cell]) -> Iterator[str]:
    defined = 0
    for at, cell in enumerate(cells, 1):
        if cell.kind != "code":
            continue
        lines = [line for line in cell.source.splitlines() if line.strip()]
        if len(lines) > LONGEST_CELL:
            yield f"cell {at} has {len(lines)} lines, more than {LONGEST_CELL}"
        if any(line.lstrip().startswith(("%", "!")) for line in lines):
            yield f"cell {at} has a line that only a notebook understands (% or !)"
            continue
        tree = _parsed(cell.source)
        if tree is None:
            yield f"cell {at} is not Python"
            continue
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        defined += sum(isinstance(node, kinds) for node in ast.walk(tree))
        if attributes_of(tree, {"warnings"}):
            yield f"cell {at} filters warnings"
    if defined > MOST_FUNCTIONS:
        yield f"{defined} functions defined; the library is their place (at most {MOST_FUNCTIONS})"


def _parameters(notebook: Path, cells: list[Cell]) -> Iterator[str]:
    try:
        declaring = parameters_cells(notebook)
    except ParameterError as error:
        yield str(error)
        return
    source = "\n".join(cell.source for cell in declaring)
    for line in source.splitlines():
        if not PARAMETER_LINE.fullmatch(line):
            yield f"not `name: type = value  # comment`: {line}"
    after = [cell for cell in cells[cells.index(declaring[-1]) + 1 :] if cell.kind == "code"]
    if not after or "config = Parameters.from_notebook(globals())" not in after[0].source:
        yield "the code cell after the parameters does not build config from them"
    declared = set(re.findall(r"^(\w+):", source, flags=re.MULTILINE))
    trees = [tree for source in later_code(notebook) if (tree := _parsed(source)) is not None]
    read = {name for tree in trees for name in attributes_of(tree, {"config"})}
    if not any(hands_on_whole(tree) for tree in trees) and declared - read:
        yield f"config.{', config.'.join(sorted(declared - read))} is never read"


def _prose(cells: list[Cell]) -> Iterator[str]:
    words = sum(len(cell.source.split()) for cell in _texts(cells))
    lines = sum(bool(x.strip()) for c in cells if c.kind == "code" for x in c.source.splitlines())
    if lines and words / lines < FEWEST_WORDS_A_LINE:
        yield f"{words / lines:.1f} words of prose a line of code; at least {FEWEST_WORDS_A_LINE}"


def _parsed(source: str) -> ast.AST | None:
    try:
        return ast.parse(source)
    except SyntaxError:
        return None


def _texts(cells: list[Cell]) -> list[Cell]:
    return [cell for cell in cells if cell.kind == "markdown"]


def _outside_code(cell: Cell) -> Iterator[str]:
    """Lines that are not inside a fenced block."""
    fenced = False
    for line in cell.source.splitlines():
        if line.startswith(("```", "~~~", ":::")):
            fenced = not fenced
        elif not fenced:
            yield line
