"""When and from what each chapter was made; and what the benchmarks measured."""

from __future__ import annotations

import json
from importlib import metadata
from typing import Any

from saebook.book.answers import run_record
from saebook.book.errors import BookError
from saebook.book.markdown import number, plain, table
from saebook.run.freshness import file_digest
from saebook.run.project import Chapter, Project

BUILDERS = ("jupyter-book", "sphinx", "myst-nb", "sphinx-book-theme")
NOT_KEPT = "not recorded"


def provenance_of(project: Project, chapter: Chapter) -> dict[str, str]:
    """What a chapter's page says about its making, in words; no host name and no path."""
    run = run_record(project, chapter.slug) or {}
    memory = run.get("peak_memory_mb")
    return {
        "made": str(run.get("finished", NOT_KEPT)).replace("T", " ").replace("Z", " UTC"),
        "took": f"{run['seconds']:.0f} s" if "seconds" in run else NOT_KEPT,
        "peak memory": f"{memory:.0f} MB" if memory else NOT_KEPT,
        "processor": str(run.get("processor", NOT_KEPT)),
        "threads": str(run.get("threads", NOT_KEPT)),
        "versions": versions_line(run.get("versions", {})) or NOT_KEPT,
        "source": file_digest(chapter.notebook)[:12],
    }


def versions_line(versions: dict[str, str]) -> str:
    """Names and versions, saebook and Python first."""
    first = [name for name in ("saebook", "python") if name in versions]
    rest = sorted(set(versions) - set(first))
    return ", ".join(f"{name} {versions[name]}" for name in first + rest)


def builder_versions() -> dict[str, str]:
    """Versions of what turns pages into HTML."""
    return {name: metadata.version(name) for name in BUILDERS}


def status_table(project: Project) -> str:
    """One row a chapter."""
    header = ["chapter", "made", "took", "peak memory", "threads", "processor", "source"]
    rows = []
    for chapter in project.chapters():
        told = provenance_of(project, chapter)
        cells = [plain(told[key]) for key in header[1:-1]]
        link = f"[{plain(chapter.notebook.stem)}](/notebooks/{chapter.notebook.name})"
        rows.append([link, *cells, f"`{told['source']}`"])
    return table(header, rows, "llrrrll", name="status") if rows else "No chapter is written yet.\n"


def versions_table(project: Project) -> str:
    """Versions that made each chapter, told once for chapters that share them."""
    shared: dict[str, list[str]] = {}
    for chapter in project.chapters():
        told = provenance_of(project, chapter)["versions"]
        shared.setdefault(told, []).append(chapter.slug)
    shared[versions_line(builder_versions())] = ["the pages"]
    rows = [[", ".join(names), plain(versions)] for versions, names in shared.items()]
    return table(["made", "with"], rows)


def bench_tables(project: Project) -> str:
    """The committed benchmark as tables: one of plain values, one for each list of rows.

    Raises:
        BookError: The file is not a JSON object.
    """
    path = project.root / "book" / "results" / "bench.json"
    if not path.is_file():
        return "No benchmark has been committed yet; `make bench` makes one.\n"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BookError(f"book/results/bench.json is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise BookError("book/results/bench.json has to hold an object at its top")
    return _tables(data, level=2)


def _tables(data: dict[str, Any], level: int) -> str:
    """Plain values as one table; nested objects and lists of rows under headings of their own."""
    nested = {k: v for k, v in data.items() if isinstance(v, dict) or _is_rows(v)}
    values = [[plain(k), _value(v)] for k, v in data.items() if k not in nested]
    parts = [table(["what", "value"], values, "lr") + "\n"] if values else []
    for name, inner in nested.items():
        parts.append(f"{'#' * level} {plain(name.replace('_', ' '))}\n\n")
        parts.append(_tables(inner, level + 1) if isinstance(inner, dict) else _rows(inner))
    return "".join(parts)


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)


def _rows(rows: list[dict[str, Any]]) -> str:
    header = list(dict.fromkeys(key for row in rows for key in row))
    cells = [[_value(row.get(key)) for key in header] for row in rows]
    numeric = [all(isinstance(r.get(k), int | float | None) for r in rows) for k in header]
    align = "".join("r" if n else "l" for n in numeric)
    return table([plain(key.replace("_", " ")) for key in header], cells, align) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None or not isinstance(value, int | float):
        return plain("–" if value is None else value)
    return f"{value:,}" if isinstance(value, int) else number(value, 4)
