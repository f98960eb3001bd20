"""The table of contents, and whether every page stands in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

from saebook.book.errors import BookError

PAGE_SUFFIXES = (".md", ".ipynb")


def entries(toc: dict[str, Any]) -> list[str]:
    """Every page a `_toc.yml` names, the root first, without suffix."""
    return [_stem(toc["root"]), *_files(toc.get("parts", [])), *_files(toc.get("chapters", []))]


def _files(nodes: Iterable[dict[str, Any]]) -> Iterator[str]:
    for node in nodes:
        if "file" in node:
            yield _stem(node["file"])
        yield from _files(node.get("chapters", []))
        yield from _files(node.get("sections", []))


def _stem(name: str) -> str:
    path = PurePosixPath(name)
    return str(path.with_suffix("") if path.suffix in PAGE_SUFFIXES else path)


def check_toc(toc: dict[str, Any], pages: Iterable[str], unexecuted: Iterable[str] = ()) -> None:
    """Refuse a table of contents that names a page there is not, or leaves one out.

    Args:
        toc: Content of `_toc.yml`.
        pages: Staged pages, relative to the book's folder, with suffix.
        unexecuted: Notebook sources (such as `notebooks/00_testbed`) without an executed copy.

    Raises:
        BookError: Every fault, each with what to do.
    """
    named, staged, waiting = entries(toc), {_stem(page) for page in pages}, set(unexecuted)
    faults = [
        f"{name} stands twice in _toc.yml" for name in {n for n in named if named.count(n) > 1}
    ]
    faults += [f"{name} has not been run: make book" for name in sorted(waiting)]
    faults += [
        f"_toc.yml names {name}, and there is no such page; write it or take the line out"
        for name in named
        if name not in staged | waiting
    ]
    faults += [
        f"{name} stands nowhere in _toc.yml; add a line `- file: {name}` under its question"
        for name in sorted((staged | waiting) - set(named))
    ]
    if faults:
        raise BookError("the table of contents and the pages disagree:\n  " + "\n  ".join(faults))
