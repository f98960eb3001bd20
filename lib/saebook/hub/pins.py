"""Commits written into a parameter file, so that a run at a hub tier can be repeated."""

from __future__ import annotations

from pathlib import Path

import yaml

from saebook.hub.entries import any_entry
from saebook.hub.errors import HubError
from saebook.hub.fetch import present_commit
from saebook.parameters import named_commits

KEY = "hub_names"


def pin(path: Path) -> dict[str, str]:
    """Give every name in a file's `hub_names` the commit its repository has now.

    Names that carry a commit, or have one in the catalogue, stay as they are; so does the rest of
    the file, comments included.

    Returns:
        The commits that were added, by name.

    Raises:
        HubError: No such file, no names in it, one that is unknown, or the hub does not answer.
    """
    if not path.is_file():
        raise HubError(f"there is no parameter file {path.parent.name}/{path.name}")
    text = path.read_text(encoding="utf-8")
    start, end, names = _written(text, path)
    added = {
        name: present_commit(entry)
        for name, commit in named_commits(names)
        if commit is None and (entry := any_entry(name)).revision is None
    }
    if added:
        pinned = " ".join(
            f"{name}@{commit or added.get(name)}" if commit or name in added else name
            for name, commit in named_commits(names)
        )
        part = path.with_name(f".{path.name}.part")
        part.write_text(f"{text[:start]}{pinned}{text[end:]}", encoding="utf-8")
        part.replace(path)
    return added


def _written(text: str, path: Path) -> tuple[int, int, str]:
    """Where the value of `hub_names` begins and ends in a file's text, and the value."""
    tree = yaml.compose(text, Loader=yaml.SafeLoader)
    for key, value in tree.value if isinstance(tree, yaml.MappingNode) else []:
        if key.value == KEY and value.value:
            start, end = value.start_mark.index, value.end_mark.index
            tail = text[start:end]
            return start, start + len(tail.rstrip()), value.value
    raise HubError(f"{path.parent.name}/{path.name} names nothing in {KEY}")
