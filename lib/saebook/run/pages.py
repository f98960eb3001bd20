"""What the pages are built from, and where they end up."""

from __future__ import annotations

from pathlib import Path

from saebook.run.freshness import files_digest, source_files
from saebook.run.project import Project, Request

WRITTEN = (".py", ".yaml", ".md", ".html", ".css", ".j2")
"""Kinds of library file that shape a page; house models and SAEs reach it through a chapter."""
CONFIGURATION = ("_config.yml", "_toc.yml", "requirements.lock", "CHANGELOG.md", "CITATION.cff")


def index_page(project: Project) -> Path:
    """The page to open first."""
    return project.build / "book" / "_build" / "html" / "index.html"


def pages_inputs(project: Project) -> dict[str, str]:
    """A digest for each kind of input of the pages."""
    root = project.root
    library = [path for path in source_files(root / "lib" / "saebook") if path.suffix in WRITTEN]
    copies = [Request(project, chapter).copy for chapter in project.chapters()]
    results = project.build / "results" / "testbed"
    return {
        "pages": files_digest(root, source_files(root / "book")),
        "configuration": files_digest(root, [root / name for name in CONFIGURATION]),
        "library source": files_digest(root, library),
        "chapters": files_digest(root, copies),
        "results": files_digest(root, results.glob("*.json") if results.is_dir() else []),
    }
