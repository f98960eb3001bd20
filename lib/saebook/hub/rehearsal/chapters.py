"""What a rehearsal of a chapter cuts of its parameter file, and what has to be published for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from saebook.hub.errors import HubError
from saebook.hub.named import NamedEntries, named_entries

CUT: Mapping[str, Mapping[str, int | float | str]] = {
    "mayne2024": {},
}
"""By chapter, the sizes that are cut beside those of the stand-ins; names are never changed."""


def named_in(path: Path) -> NamedEntries:
    """What the parameter file of a hub tier names.

    Raises:
        HubError: There is no such file, or it names nothing, or something unknown.
    """
    if not path.is_file():
        raise HubError(f"there is no parameter file {path.parent.name}/{path.name}")
    held: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not held.get("hub_names"):
        raise HubError(f"{path.parent.name}/{path.name} names nothing in hub_names")
    return named_entries(held["hub_names"])
