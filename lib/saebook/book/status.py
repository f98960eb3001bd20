"""When and from what each chapter was made."""

from __future__ import annotations

from importlib import metadata

from saebook.book.answers import run_record
from saebook.book.markdown import plain, table
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
