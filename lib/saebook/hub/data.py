"""Published data sets through the datasets library, at a pinned commit."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path
from typing import Any

from saebook.hub.entries import data_set
from saebook.hub.errors import HubError
from saebook.hub.explain import explained
from saebook.hub.fetch import commit_of, fetch, listing, matching, verify_against_catalogue
from saebook.hub.quiet import quiet
from saebook.hub.schema import DataEntry


def rows(
    name: str, split: str, revision: str | None = None, limit: int | None = None
) -> Iterator[dict[str, Any]]:
    """Rows of one split of a data set, as dictionaries with at least the catalogue's columns.

    Large sets are streamed: nothing is kept on disk. The others are fetched once.

    Args:
        name: Its name in the catalogue or on the hub.
        split: One of its splits.
        revision: The commit; the catalogue's by default.
        limit: Rows to give, all by default.

    Raises:
        HubError: Unknown, unpinned, out of reach, gated, changed, or without a column.
    """
    entry = data_set(name)
    if entry.host != "hub":
        raise HubError(f"{entry.name} is not on the hub: {entry.note} See {entry.page}")
    commit = commit_of(entry, revision)
    pattern = _pattern(entry, split)
    with quiet(), explained(entry, commit):
        held = (
            _streamed(entry, commit, pattern) if entry.streamed else _whole(entry, commit, pattern)
        )
        for i, row in enumerate(islice(held, limit)):
            if i == 0:
                check_columns(entry, row)
            yield row


def check_folder(name: str, folder: Path) -> list[str]:
    """Hold a clone's files against the catalogue's checksums; return those it has none for.

    Raises:
        HubError: A file differs, or no file is there at all.
    """
    entry = data_set(name)
    there = [
        path.relative_to(folder).as_posix()
        for pattern in entry.splits.values()
        for path in sorted(folder.glob(pattern))
    ]
    if not there:
        raise HubError(f"{folder} holds none of {', '.join(entry.splits.values())}; {entry.note}")
    verify_against_catalogue(entry, folder, there)
    return [name for name in there if name not in entry.checksums]


def check_columns(entry: DataEntry, row: dict[str, Any]) -> None:
    """Refuse rows that lack a column.

    Raises:
        HubError: Names the columns that are missing and those that are there.
    """
    missing = [column for column in entry.columns if column not in row]
    if missing:
        raise HubError(
            f"{entry.repo} lacks {', '.join(missing)}; it has {', '.join(row)}. Its layout has "
            "changed: take the revision that the results were made with"
        )


def _pattern(entry: DataEntry, split: str) -> str:
    if split not in entry.splits:
        raise HubError(f"{entry.name} has no split {split!r}; it has {', '.join(entry.splits)}")
    return entry.splits[split]


def _whole(entry: DataEntry, commit: str, pattern: str) -> Any:
    from datasets import load_dataset

    folder = fetch(entry, commit, [pattern])
    there = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*"))]
    names = [str(folder / name) for name in there if fnmatch(name, pattern)]
    return load_dataset(entry.reader, data_files=names, split="train")


def _streamed(entry: DataEntry, commit: str, pattern: str) -> Any:
    from datasets import load_dataset

    files = matching(entry, listing(entry, commit), [pattern])
    names = [f"hf://datasets/{entry.repo}@{commit}/{file.name}" for file in files]
    return load_dataset(entry.reader, data_files=sorted(names), split="train", streaming=True)
