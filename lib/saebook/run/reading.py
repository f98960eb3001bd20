"""Which parameters a notebook reads, found in its source."""

from __future__ import annotations

import ast
from pathlib import Path

from saebook.run.cells import later_code

CONFIG = "config"
"""The name a notebook gives its parameters object."""


def names_read(notebook: Path, package: Path | None = None) -> set[str]:
    """Names of parameters that a notebook reads after its parameters cell.

    `config.name` counts, and so does the bare name. When the notebook hands `config` on whole,
    what the paper's own package reads as `config.name` or `parameters.name` counts too.

    Args:
        notebook: The source.
        package: Folder of the paper's package.
    """
    trees = [ast.parse(source) for source in later_code(notebook)]
    read = {name for tree in trees for name in attributes_of(tree, {CONFIG})}
    read |= {name for tree in trees for name in bare_names(tree)}
    if package is not None and package.is_dir() and any(hands_on_whole(tree) for tree in trees):
        for path in package.rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            read |= attributes_of(tree, {CONFIG, "parameters"})
    return read


def attributes_of(tree: ast.AST, names: set[str]) -> set[str]:
    """Attributes taken from any of the names: `config.seed` gives `seed`."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in names
    }


def hands_on_whole(tree: ast.AST) -> bool:
    """Whether `config` itself is passed to a call that may read it.

    `Results.start(…, config)` does not count: it only stores what it is given.
    """
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    calls = [c for c in calls if not (isinstance(c.func, ast.Attribute) and c.func.attr == "start")]
    values = [value for call in calls for value in (*call.args, *(k.value for k in call.keywords))]
    return any(isinstance(value, ast.Name) and value.id == CONFIG for value in values)


def bare_names(tree: ast.AST) -> set[str]:
    """Names that the code reads."""
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    return {node.id for node in names if isinstance(node.ctx, ast.Load)}
