"""What a chapter names in `hub_names`, sorted by what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saebook.hub import entries
from saebook.hub.entries import matching_names
from saebook.hub.errors import HubError
from saebook.parameters import named_commits

Named = tuple[str, str | None]
"""A name in the catalogue, and the commit that was given with it."""


@dataclass(frozen=True)
class NamedEntries:
    """Names and commits by kind, each in the order in which they were given."""

    subjects: tuple[Named, ...]
    saes: tuple[Named, ...]
    data: tuple[Named, ...]

    @property
    def names(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """Names of the models, of the SAEs and of the data sets."""
        models, saes, data = (
            tuple(name for name, _ in kind) for kind in (self.subjects, self.saes, self.data)
        )
        return models, saes, data


def named_entries(hub_names: str) -> NamedEntries:
    """Sort the names in `hub_names` into models, SAEs and data sets of the catalogue.

    Args:
        hub_names: `name` or `name@commit`, spaces between; a name with `*` stands for all entries
            of one repository that it matches.

    Raises:
        HubError: A name is in no part of the catalogue, or a pattern spans repositories.
    """
    parts = (entries.subjects(), entries.saes(), entries.data_sets())
    given = named_commits(hub_names)
    unknown = [name for name, _ in given if not any(_in_part([(name, None)], p) for p in parts)]
    if unknown:
        raise HubError(
            f"hub_names holds {', '.join(unknown)}, which the catalogue does not; "
            "`python -m saebook.hub list` shows all"
        )
    return NamedEntries(*(tuple(_in_part(given, part)) for part in parts))


def _in_part(given: Sequence[Named], part: Mapping[str, Any]) -> list[Named]:
    return [(held, commit) for name, commit in given for held in matching_names(name, part)]
