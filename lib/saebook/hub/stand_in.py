"""Telling a rehearsal's stand-in from what is published: by its sizes, never by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from saebook.hub.errors import HubError
from saebook.hub.explain import Entry
from saebook.hub.rehearsing import VARIABLE, rehearsing


def scale_of(
    entry: Entry, found: Mapping[str, int], kept: tuple[str, ...] = ()
) -> Literal["rehearsal", "paper"]:
    """Hold sizes found in a file against the catalogue's and say which kind of evidence it is.

    Fields that the catalogue marks as unread are not held against it.

    Args:
        entry: What the catalogue says.
        found: Field of the entry to the size found.
        kept: Fields that a stand-in may not cut.

    Raises:
        HubError: A size differs outside a rehearsal, or one of `kept` in it.
    """
    read = {name: size for name, size in found.items() if name not in entry.unread}
    differ = [name for name, size in read.items() if getattr(entry, name) != size]
    if rehearsing():
        differ = [name for name in differ if name in kept]
    if differ:
        said = ", ".join(f"{n} {found[n]:,} (catalogue {getattr(entry, n):,})" for n in differ)
        raise HubError(
            f"{entry.repo} is not what the catalogue describes: {said}. This is another revision "
            f"or a rehearsal's stand-in; stand-ins are read only with {VARIABLE}=1, and what rests "
            "on them is never more than rehearsed"
        )
    return "rehearsal" if rehearsing() else "paper"
