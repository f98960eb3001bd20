"""The build: staged, turned into HTML beside the old book, checked, and only then put in place."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from saebook.book.checks import require
from saebook.book.config import read_yaml
from saebook.book.errors import BookError
from saebook.book.remote import address_of
from saebook.book.status import builder_versions, versions_line
from saebook.book.toc import entries
from saebook.run.freshness import files_digest, seal_text, why_stale
from saebook.run.pages import index_page, pages_inputs
from saebook.run.project import Project
from saebook.run.stage import place


def html_folder(project: Project) -> Path:
    """Where the finished book lies."""
    return index_page(project).parent


def inputs(project: Project) -> dict[str, str]:
    """A digest, or the text itself, for each kind of input of the pages."""
    sources = [chapter.notebook for chapter in project.chapters()]
    return {
        **pages_inputs(project),
        "remote": str(address_of(project.root)),
        "builders": versions_line(builder_versions()),
        "notebooks": files_digest(project.root, sources),
        "answers": files_digest(project.root, (project.build / "results").glob("*/*.json")),
    }


def build(project: Project, *, force: bool = False) -> str | None:
    """Build the book unless it is fresh.

    Returns:
        Why it was built; None when it was fresh.

    Raises:
        BookError: Staging, building or a check failed; the book built before stays as it was.
    """
    seal = project.build / "html.key.json"
    project.build.mkdir(exist_ok=True)
    with FileLock(project.build / ".html.lock"):
        now = inputs(project)
        reason = "asked to" if force else why_stale(project.root, seal, now)
        if reason is None:
            return None
        _stage(project)
        fresh = _html(project)
        require(fresh, _pages(project), (str(project.root),))
        seal.unlink(missing_ok=True)
        _put_in_place(fresh.parent, html_folder(project).parent)
        built = sorted(html_folder(project).rglob("*.html"))
        outputs = {path: path.read_bytes() for path in built}
        place({}, seal, seal_text(project.root, now, outputs))
    return reason


def _stage(project: Project) -> None:
    """Stage, importing what generates pages only now: an up-to-date book is told in no time."""
    from saebook.book.stage import stage

    stage(project)


def check(project: Project) -> int:
    """Check the book that is there; returns how many pages were looked at.

    Raises:
        BookError: There is no book, or it has faults.
    """
    if not html_folder(project).is_dir():
        raise BookError("no book is built yet: make book")
    require(html_folder(project), _pages(project), (str(project.root),))
    return len(_pages(project))


def _pages(project: Project) -> list[str]:
    return entries(read_yaml(project.root / "_toc.yml"))


def _html(project: Project) -> Path:
    """Run jupyter-book with every warning an error; the HTML of a failed run stays for reading.

    Raises:
        BookError: It ended with an error; its own messages are above.
    """
    work = project.build / ".html"
    shutil.rmtree(work, ignore_errors=True)
    words = ["build", str(html_folder(project).parents[1]), "--path-output", str(work), "--all"]
    options = ["--warningiserror", "--nitpick", "--keep-going", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", *words, *options],
        cwd=project.root,
        env={**os.environ, "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    html = work / "_build" / "html"
    if done.returncode != 0 or not (html / "index.html").is_file():
        raise BookError(f"jupyter-book failed:\n{_tail(done.stdout + done.stderr)}")
    return html


def _tail(text: str, lines: int = 60) -> str:
    """What the builder had to say, warnings first."""
    said = [line for line in text.splitlines() if line.strip()]
    warnings = [line for line in said if "WARNING" in line or "ERROR" in line]
    return "\n".join(warnings[:lines] or said[-lines:])


def _put_in_place(fresh: Path, home: Path) -> None:
    """Swap the fresh folder in; the old one goes last."""
    old = home.with_name(".build-old")
    shutil.rmtree(old, ignore_errors=True)
    home.parent.mkdir(parents=True, exist_ok=True)
    if home.exists():
        home.rename(old)
    fresh.rename(home)
    shutil.rmtree(fresh.parent, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
