"""The catalogue, read and checked once."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from typing import Any, TypeVar

import yaml

from saebook.hub.errors import HubError
from saebook.hub.schema import DataEntry, SAEEntry, SubjectEntry

E = TypeVar("E", SubjectEntry, SAEEntry, DataEntry)


def subject_entry(name: str) -> SubjectEntry:
    """A model by its name in the catalogue or on the hub.

    Raises:
        HubError: The catalogue has no such model.
    """
    return _find(subjects(), name, "model")


def published_sae(name: str) -> SAEEntry:
    """An SAE by its name in the catalogue.

    Raises:
        HubError: The catalogue has no such SAE.
    """
    return _find(saes(), name, "SAE")


def data_set(name: str) -> DataEntry:
    """A data set by its name in the catalogue or on the hub.

    Raises:
        HubError: The catalogue has no such data set.
    """
    return _find(data_sets(), name, "data set")


def any_entry(name: str) -> SubjectEntry | SAEEntry | DataEntry:
    """A model, SAE or data set by its name in the catalogue.

    Args:
        name: One with `*` stands for the first of those it matches; see `matching_names`.

    Raises:
        HubError: The catalogue has nothing of that name.
    """
    parts: tuple[Mapping[str, Any], ...] = (subjects(), saes(), data_sets())
    for part in parts:
        for one in matching_names(name, part):
            return part[one]
    raise HubError(f"the catalogue has no {name!r}; `python -m saebook.hub list` shows all")


def matching_names(name: str, part: Mapping[str, Any]) -> list[str]:
    """Names of a part of the catalogue that are `name`, or that it matches where it holds `*`.

    `llama-scope-l*r-8x` stands for the SAEs of all layers, in the catalogue's order.

    Raises:
        HubError: What it matches lies in several repositories, so that no one commit names it.
    """
    found = [held for held in part if held == name or ("*" in name and fnmatchcase(held, name))]
    repos = sorted({part[held].repo for held in found})
    if len(repos) > 1:
        raise HubError(f"{name} matches entries of {', '.join(repos)}; write one name for each")
    return found


@cache
def subjects() -> Mapping[str, SubjectEntry]:
    """All models by name."""
    return _named(SubjectEntry, _read("subjects"))


@cache
def saes() -> Mapping[str, SAEEntry]:
    """All SAEs by name; an entry with `layers` stands for one SAE a layer."""
    rows = [row for entry in _read("saes") for row in _one_per_layer(entry)]
    return _named(SAEEntry, rows)


@cache
def data_sets() -> Mapping[str, DataEntry]:
    """All data sets by name."""
    return _named(DataEntry, _read("data"))


def _read(name: str) -> list[dict[str, Any]]:
    """The entries of one file, each on top of the file's `shared` fields."""
    text = resources.files("saebook.hub").joinpath("catalogue", f"{name}.yaml").read_text("utf-8")
    held = yaml.safe_load(text)
    return [{**held["shared"], **entry} for entry in held["entries"]]


def _one_per_layer(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """An entry with `layers: n` and `{layer}` in its texts stands for n entries."""
    if "layers" not in entry:
        return [entry]
    rest = {name: value for name, value in entry.items() if name != "layers"}
    return [
        {"layer": at, **{k: v.format(layer=at) if type(v) is str else v for k, v in rest.items()}}
        for at in range(entry["layers"])
    ]


def _named(kind: type[E], rows: list[dict[str, Any]]) -> Mapping[str, E]:
    found: dict[str, E] = {}
    for row in rows:
        entry = kind.model_validate(row)
        if entry.name in found:
            raise ValueError(f"the catalogue has {entry.name!r} twice")
        found[entry.name] = entry
    return found


def _find(entries: Mapping[str, E], name: str, what: str) -> E:
    """An entry by its name, or by its repository where one entry alone has that."""
    held = [entry for entry in entries.values() if entry.repo == name]
    if name in entries or len(held) == 1:
        return entries.get(name) or held[0]
    near = difflib.get_close_matches(name, [*entries, *(e.repo for e in entries.values())], n=3)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise HubError(
        f"the catalogue has no {what} {name!r}; {hint}`python -m saebook.hub list` shows all"
    )
