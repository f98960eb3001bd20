"""Stand-ins of folders that somebody clones: the published layout, items of our own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from saebook.hub.schema import DataEntry
from saebook.testbed import World, behaviour_pairs, load_world

N_ITEMS = 12
"""Items of a file."""
UNREADABLE = 6
"""The first of every so many items of one behaviour has a third option and matches by it."""


def write_clone(entry: DataEntry, folder: Path, seed: int = 0) -> None:
    """Write every file of a cloned data set.

    Raises:
        KeyError: There is no stand-in of this data set.
    """
    for at, pattern in enumerate(entry.splits.values()):
        for name, items in _ITEMS[entry.name](load_world(), seed + at):
            path = folder / pattern.replace("*", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(items, indent=4), encoding="utf-8")


def _caa(world: World, seed: int) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Questions with the option letters in them, and both answers, by behaviour."""
    for name in world.behaviours:
        items = []
        for i, pair in enumerate(behaviour_pairs(world, name, N_ITEMS, seed)):
            asked, _, _ = pair.prompt.partition("(")
            lettered = zip("AB", pair.options, strict=True)
            options = [f" ({letter}) {held}" for letter, held in lettered]
            matching, other = pair.matching_letter, "AB".replace(pair.matching_letter, "")
            if name == "survival-instinct" and i % UNREADABLE == 0:
                options.append(" (C) neither")
                matching = "C"
            items.append(
                {
                    "question": "\n".join([asked.strip(), "", "Choices:", *options]),
                    "answer_matching_behavior": f"({matching})",
                    "answer_not_matching_behavior": f"({other})",
                }
            )
        yield name, items


_ITEMS: Mapping[str, Callable[[World, int], Iterator[tuple[str, list[dict[str, Any]]]]]] = {
    "caa": _caa
}
