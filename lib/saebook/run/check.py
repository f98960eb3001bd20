"""Parameters of a run, checked before any compute: papermill alone only warns."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from saebook.parameters import (
    SCALARS,
    ChapterParameters,
    ParameterError,
    parameters_for,
    undeclared,
    unknown_name,
)
from saebook.run.cells import Cell, parameters_cells
from saebook.run.project import SOURCE_TIER, Request
from saebook.run.reading import names_read

WANTED = "wanted one plain int, float, str or bool"
FindClass = Callable[[str], type[ChapterParameters]]


def checked_parameters(request: Request, find: FindClass = parameters_for) -> dict[str, Any]:
    """The values to inject, after every check that needs no compute.

    The notebook's parameters cell, the chapter's class, the tier's file and the overrides have to
    agree: same names, right types, in range, and every parameter read by a later cell.

    Returns:
        The tier's values and the overrides on top; empty when the notebook's defaults stand.

    Raises:
        ParameterError: Names the parameter, the value found and what is allowed.
    """
    where = f"{request.slug} at tier {request.tier}"
    try:
        cls = find(request.slug)
        defaults = notebook_defaults(request.chapter.notebook)
        _same_names(request.chapter.notebook.name, defaults, cls)
        values = {**tier_values(request), **request.overrides}
        built = cls.checked({**defaults, **values})
        _tier_agrees(request, built)
        _every_name_is_read(request, defaults)
    except ParameterError as error:
        raise ParameterError(f"{where}: {error}") from None
    return {name: getattr(built, name) for name in values}


def notebook_defaults(notebook: Path) -> dict[str, Any]:
    """Names and default values of a notebook's parameters, as papermill reads them.

    Raises:
        ParameterError: A line is not one that papermill reads whole (`name: type = value  # why`),
            or the cells are not as `parameters_cells` wants them.
    """
    from papermill.translators import PythonTranslator  # half a second: only when one is to run

    cells = parameters_cells(notebook)
    read = (PythonTranslator.inspect({"source": cell.source}) for cell in cells)
    seen = {parameter.name for found in read for parameter in found}
    written = _assignments(notebook, cells)
    for name in sorted(seen ^ set(written)):
        raise ParameterError(
            f"{notebook.name}: papermill does not read {name!r} as a parameter; "
            "write one plain line `name: type = value  # comment`"
        )
    return {name: _literal(notebook, name, node) for name, node in written.items()}


def tier_values(request: Request) -> dict[str, Any]:
    """The flat mapping in the tier's file; empty at the tier of the notebooks' own defaults.

    Raises:
        ParameterError: The file is missing, is no flat mapping of scalars, or sets a name twice.
    """
    path = request.project.tier_file(request.tier, request.slug)
    if not path.is_file():
        if request.tier == SOURCE_TIER:
            return {}
        raise ParameterError(f"there is no parameter file {path.relative_to(request.project.root)}")
    return flat_yaml(path)


def flat_yaml(path: Path) -> dict[str, Any]:
    """A flat YAML mapping from names to scalars.

    Raises:
        ParameterError: It cannot be read, is not flat, or sets a name twice.
    """
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ParameterError(f"{path.name} cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise ParameterError(
            f"{path.name} holds a {type(values).__name__}; wanted lines `name: value`"
        )
    keys = [key.value for key, _ in node.value] if node is not None else []
    for name in {key for key in keys if keys.count(key) > 1}:
        raise ParameterError(f"{path.name} sets {name!r} twice")
    for name, value in values.items():
        if not isinstance(name, str) or type(value) not in SCALARS:
            raise ParameterError(f"{path.name}: {name!r} is {value!r}; {WANTED}")
    return values


def from_text(name: str, text: str, cls: type[ChapterParameters]) -> Any:
    """A value typed on the command line, as the type its parameter declares.

    Raises:
        ParameterError: The name is unknown or the text is not of that type.
    """
    if name not in cls.model_fields:
        raise ParameterError(unknown_name(name, cls.model_fields))
    kind = cls.model_fields[name].annotation
    truth = {"true": True, "false": False}
    try:
        if kind is bool:
            return truth[text.lower()]
        return kind(text) if kind in (int, float) else text
    except (KeyError, ValueError):
        wanted = "true or false" if kind is bool else f"{kind.__name__}"  # type: ignore[union-attr]
        raise ParameterError(f"{name!r} is {text!r}; allowed: {wanted}") from None


def _assignments(notebook: Path, cells: list[Cell]) -> dict[str, ast.expr]:
    """Right-hand sides of the parameters by name."""
    found: dict[str, ast.expr] = {}
    for node in (node for cell in cells for node in ast.parse(cell.source).body):
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
            raise ParameterError(
                f"{notebook.name}: parameters line {node.lineno} is not `name: type = value`"
            )
        if node.target.id in found:
            raise ParameterError(f"{notebook.name} sets {node.target.id!r} twice in its parameters")
        found[node.target.id] = node.value or ast.Constant(None)
    return found


def _literal(notebook: Path, name: str, node: ast.expr) -> Any:
    try:
        value = ast.literal_eval(node)
    except ValueError:
        value = None
    if type(value) not in SCALARS:
        raise ParameterError(f"{notebook.name}: the default of {name!r}: {WANTED}")
    return value


def _same_names(notebook: str, defaults: Mapping[str, Any], cls: type[ChapterParameters]) -> None:
    """The notebook and the class declare the same names."""
    extra = undeclared(defaults, cls)
    missing = [name for name in cls.model_fields if name not in defaults]
    if extra:
        raise ParameterError(f"{notebook} declares {', '.join(extra)}; {cls.__module__} does not")
    if missing:
        raise ParameterError(f"{cls.__module__} declares {', '.join(missing)}; {notebook} does not")


def _tier_agrees(request: Request, built: ChapterParameters) -> None:
    """A parameter named `tier`, if there is one, says the tier that is run."""
    said = getattr(built, "tier", request.tier)
    if said != request.tier:
        raise ParameterError(
            f"'tier' is {said!r}; set `tier: {request.tier}` in its parameter file"
        )


def _every_name_is_read(request: Request, defaults: Mapping[str, Any]) -> None:
    """A parameter that nothing reads is a fault: changing it would change nothing."""
    package = request.project.root / "lib" / "saebook" / "papers" / request.slug
    unread = sorted(set(defaults) - names_read(request.chapter.notebook, package) - {"tier"})
    if unread:
        raise ParameterError(
            f"nothing in {request.chapter.notebook.name} reads {', '.join(unread)}"
        )
