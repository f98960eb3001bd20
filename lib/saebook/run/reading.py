"""Which parameters a notebook reads, found in its source."""

from __future__ import annotations

import ast
from pathlib import Path

from saebook.run.cells import later_code

CONFIG = "config"
"""The name a notebook gives its parameters object."""


def names_read(notebook: Path, package: Path | None = None) -> set[str]:
    """Names of parameters that a notebook reads after its parameters cell.

    `config.name` counts, and so does the bare name; with a method or property of the parameters
    counts what it reads of `self`. When the notebook hands `config` on whole, what the paper's own
    package reads as `config.name` or `parameters.name` counts too.

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
    return read | _behind_members(package, read)


def _behind_members(package: Path | None, read: set[str]) -> set[str]:
    """What the members of the parameters class that are read take from `self`, at any depth."""
    source = None if package is None else package / "parameters.py"
    if source is None or not source.is_file():
        return set()
    nodes = ast.walk(ast.parse(source.read_text(encoding="utf-8")))
    members = {n.name: attributes_of(n, {"self"}) for n in nodes if isinstance(n, ast.FunctionDef)}
    found, fresh = set[str](), {name for name in members if name in read}
    while fresh:
        found |= set().union(*(members.pop(name) for name in fresh))
        fresh = {name for name in members if name in found}
    return found


def attributes_of(tree: ast.AST, names: set[str]) -> set[str]:
    """Attributes taken from any of the names: `config.seed` and `x.config.seed` give `seed`."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and _last_name(node.value) in names
    }


def _last_name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


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
