"""Parameters of a chapter: flat typed scalars, checked before anything is computed."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from collections.abc import Iterable, Mapping
from typing import Any, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

SCALARS = (int, float, str, bool)
_MARK = "_saebook_parameters_read"
_BOUNDS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


class ParameterError(ValueError):
    """A parameter is unknown, missing, of the wrong type or out of range."""


class ChapterParameters(BaseModel):
    """Base of every chapter's `Parameters`: frozen, strict, and closed to unknown names.

    Strict means that a bool is no int and text is no number; an int given for a float is taken.
    """

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, validate_default=True
    )

    @classmethod
    def checked(cls, values: Mapping[str, Any]) -> Self:
        """Parameters from a mapping, with an error that names each fault and what is allowed.

        Raises:
            ParameterError: A name is unknown or missing, or a value is of the wrong type or range.
        """
        faults = [unknown_name(name, cls.model_fields) for name in undeclared(values, cls)]
        known = {name: value for name, value in values.items() if name in cls.model_fields}
        try:
            built = cls.model_validate(known)
        except ValidationError as error:
            faults += [_fault(cls, item) for item in error.errors()]
            raise ParameterError("; ".join(faults)) from None
        if faults:
            raise ParameterError("; ".join(faults))
        return built

    @classmethod
    def from_notebook(cls, namespace: dict[str, Any]) -> Self:
        """Parameters from the globals of a notebook, called in the cell after the parameters.

        papermill injects a misspelt name and only warns, so every public global of type int,
        float, str or bool has to be a declared parameter here. In a kernel that has been here
        before (a reader changes a parameter and runs the setup again) later cells may have left
        scalars behind; then only annotated names (`name: type = value`) are held against the
        declaration.

        Raises:
            ParameterError: An undeclared scalar, a missing parameter, or a wrong value.
        """
        missing = [name for name in cls.model_fields if name not in namespace]
        if missing:
            raise ParameterError(
                f"the parameters cell does not set {', '.join(missing)}; "
                f"declared in {cls.__module__}: {', '.join(cls.model_fields)}"
            )
        strays = {name: namespace[name] for name in _candidates(namespace, cls)}
        values = {name: namespace[name] for name in cls.model_fields}
        built = cls.checked({**strays, **values})
        namespace[_MARK] = True
        return built


def undeclared(names: Iterable[str], cls: type[ChapterParameters]) -> list[str]:
    """The names that the class does not declare, sorted."""
    return sorted(set(names) - set(cls.model_fields))


def named_commits(text: str) -> list[tuple[str, str | None]]:
    """Names and commits in a parameter such as `hub_names`: `name` or `name@commit`, by spaces.

    A commit is None where none is given; the catalogue's then holds.
    """
    parts = [item.partition("@") for item in text.split()]
    return [(name, commit or None) for name, _, commit in parts]


def unknown_name(name: str, declared: Iterable[str]) -> str:
    """One sentence about an unknown name, with the nearest declared one."""
    declared = list(declared)
    near = difflib.get_close_matches(name, declared, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{name!r} is not a parameter; {hint}declared: {', '.join(declared) or 'none'}"


def allowed_values(field: FieldInfo) -> str:
    """What a field takes, in words: `int, >= 1, <= 64` or `one of 'topk', 'jumprelu'`."""
    kind: Any = field.annotation
    if get_origin(kind) is not None and get_args(kind):
        return "one of " + ", ".join(repr(choice) for choice in get_args(kind))
    words = [getattr(kind, "__name__", str(kind))]
    for bound in field.metadata:
        words += [f"{sign} {getattr(bound, k)}" for k, sign in _BOUNDS.items() if hasattr(bound, k)]
        words += [
            f"{k} {getattr(bound, k)}"
            for k in ("min_length", "max_length", "pattern")
            if getattr(bound, k, None) is not None
        ]
    return ", ".join(words)


def parameters_for(slug: str) -> type[ChapterParameters]:
    """The class `Parameters` in `saebook.papers.<slug>.parameters`.

    Raises:
        ParameterError: There is no such module or class.
    """
    name = f"saebook.papers.{slug}.parameters"
    if not slug.isidentifier() or importlib.util.find_spec(f"saebook.papers.{slug}") is None:
        raise ParameterError(
            f"no package saebook.papers.{slug}; a chapter declares its parameters in {name}"
        )
    found = getattr(importlib.import_module(name), "Parameters", None)
    if not (isinstance(found, type) and issubclass(found, ChapterParameters)):
        raise ParameterError(f"{name} has to define `class Parameters(ChapterParameters)`")
    return found


def _candidates(namespace: Mapping[str, Any], cls: type[ChapterParameters]) -> list[str]:
    """Undeclared names in a notebook's globals that look like parameters."""
    if namespace.get(_MARK):
        names = set(namespace.get("__annotations__", {})) & set(namespace)
    else:
        names = {name for name, value in namespace.items() if type(value) in SCALARS}
    return undeclared((name for name in names if not name.startswith("_")), cls)


def _fault(cls: type[ChapterParameters], item: Any) -> str:
    """One of pydantic's errors as a sentence: name, value found, what is allowed."""
    name = str(item["loc"][0]) if item["loc"] else ""
    if name not in cls.model_fields:
        return str(item["msg"])
    if item["type"] == "missing":
        return f"{name!r} is missing; allowed: {allowed_values(cls.model_fields[name])}"
    found = item["input"]
    hint = ""
    if isinstance(found, str) and item["type"].startswith(("int", "float", "bool")):
        hint = " (text; in a YAML file write 1.0e-3, not 1e-3)" if _is_number(found) else " (text)"
    why = f": {item['msg']}" if item["type"] == "value_error" else ""
    return (
        f"{name!r} is {found!r} ({type(found).__name__}){hint}{why}; "
        f"allowed: {allowed_values(cls.model_fields[name])}"
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
