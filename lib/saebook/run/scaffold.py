"""The files of a new chapter, laid out so that they pass the checks as they are."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

from saebook.run.errors import RunError
from saebook.run.project import Project

_SLUG = re.compile(r"([a-z]+)(\d{4})")


def scaffold(project: Project, slug: str) -> list[Path]:
    """Write package, ledger, notebook and smoke parameters of a new paper.

    Args:
        project: Where to.
        slug: Author and year, such as `gao2024`.

    Raises:
        RunError: The slug is not an author and a year, or one of the files is there already.
    """
    match = _SLUG.fullmatch(slug)
    if match is None:
        raise RunError(f"{slug!r} is no author and year; write it like gao2024")
    files = _files(project, slug, match[1].capitalize(), match[2])
    there = [path.relative_to(project.root).as_posix() for path in files if path.exists()]
    if there or slug in {chapter.slug for chapter in project.chapters()}:
        raise RunError(f"{slug} is there already: {', '.join(there) or 'its notebook'}")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(files)


def _files(project: Project, slug: str, author: str, year: str) -> dict[Path, str]:
    def filled(name: str) -> str:
        text = resources.files("saebook.run").joinpath("templates", name).read_text("utf-8")
        return text.replace("@slug@", slug).replace("@author@", author).replace("@year@", year)

    root, number = project.root, _next_number(project)
    package = root / "lib" / "saebook" / "papers" / slug
    return {
        package / "__init__.py": filled("package.txt"),
        package / "parameters.py": filled("parameters.txt"),
        package / "protocol.py": filled("protocol.txt"),
        root / "book" / "claims" / f"{slug}.yaml": filled("claims.txt"),
        project.tier_file("smoke", slug): filled("smoke.txt"),
        root / "notebooks" / f"{number:02d}_{slug}.ipynb": notebook_text(
            slug, filled("notebook.txt")
        ),
    }


def _next_number(project: Project) -> int:
    numbers = [int(chapter.notebook.name[:2]) for chapter in project.chapters()]
    return max(numbers, default=0) + 1


def notebook_text(slug: str, template: str) -> str:
    """A notebook from text in which `%% markdown` and `%% code tag …` open the cells."""
    parts = re.split(r"^%% (\w+)(.*)\n", template, flags=re.MULTILINE)[1:]
    groups = zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    cells = [
        _cell(f"{slug}-{at:02d}", kind, tags.split(), source.strip())
        for at, (kind, tags, source) in enumerate(groups)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    notebook = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _cell(name: str, kind: str, tags: list[str], source: str) -> dict[str, Any]:
    code = {"execution_count": None, "outputs": []} if kind == "code" else {}
    metadata = {"tags": tags} if tags else {}
    lines = source.splitlines(keepends=True)
    return {"cell_type": kind, "id": name, "metadata": metadata, "source": lines, **code}
