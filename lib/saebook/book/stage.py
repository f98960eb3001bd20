"""Everything the page builder reads, laid under build/book in the folders of the repository."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import nbformat
import yaml

from saebook.book.answers import PaperAnswers, load_papers
from saebook.book.api import reference
from saebook.book.bench_page import bench_tables
from saebook.book.chapters_page import chapters_table
from saebook.book.citing import cite, first_steps
from saebook.book.claims_pages import claims_page
from saebook.book.config import read_yaml, staged_config
from saebook.book.cost import catalogue_tables, colab_table, cost_tables
from saebook.book.errors import BookError
from saebook.book.filling import filled
from saebook.book.footer import now
from saebook.book.forest import alt_text, bars, draw
from saebook.book.open_rows import inconclusive_lists, unanswered_lists
from saebook.book.remote import Address, address_of
from saebook.book.scoreboard import legend, scoreboard, totals, verdict_table
from saebook.book.status import (
    builder_versions,
    provenance_of,
    status_table,
    versions_table,
)
from saebook.book.toc import check_toc
from saebook.book.writing import write_if_changed
from saebook.run.freshness import source_files
from saebook.run.project import Project

PROVENANCE = "provenance.json"
_NOT_PAGES = ("claims", "results")
_RUNNERS = ("notebooks", "_build")
"""Folders under build/book that others fill: executed notebooks, and the HTML itself."""


def stage_folder(project: Project) -> Path:
    """Where the pages are laid."""
    return project.build / "book"


def stage(project: Project) -> None:
    """Lay out all pages; files that changed are written, files that went are removed.

    Raises:
        BookError: A page, a ledger, a result or the table of contents is not in order.
    """
    folder, address = stage_folder(project), address_of(project.root)
    files = contents(project, address)
    notebooks = executed(project)
    toc = read_yaml(project.root / "_toc.yml")
    pages = [name for name in files if name.endswith(".md") and "/_generated/" not in name]
    sources = {f"notebooks/{chapter.notebook.stem}" for chapter in project.chapters()}
    done = {f"notebooks/{path.stem}" for path in notebooks}
    check_toc(toc, [*pages, *(f"{name}.ipynb" for name in done)], sources - done)
    for path in notebooks:
        check_executed(path)
    for name, data in files.items():
        write_if_changed(folder / name, data)
    _remove_others(folder, set(files) | {p.relative_to(folder).as_posix() for p in notebooks})


def contents(project: Project, address: Address | None) -> dict[str, bytes]:
    """Name and content of every staged file but the notebooks."""
    config = staged_config(read_yaml(project.root / "_config.yml"), address)
    papers = load_papers(project)
    files = dict(_committed(project.root, papers))
    files["_config.yml"] = yaml.safe_dump(config, allow_unicode=True, sort_keys=False).encode()
    files["_toc.yml"] = (project.root / "_toc.yml").read_bytes()
    files |= {name: text.encode() for name, text in generated(project, papers, address).items()}
    if found := bars(answer for paper in papers for answer in paper.answers()):
        files["book/_generated/forest.svg"] = draw(found)
    return files


def _committed(root: Path, papers: list[PaperAnswers]) -> Iterator[tuple[str, bytes]]:
    """The pages, styles and references under book/, with what pages ask of the results."""
    book, by_slug = root / "book", {paper.slug: paper for paper in papers}
    without = frozenset(book / name for name in _NOT_PAGES)
    for path in source_files(book, without):
        name, data = path.relative_to(root).as_posix(), path.read_bytes()
        if path.suffix == ".md":
            data = filled(data.decode("utf-8"), by_slug, name).encode()
        yield name, data


def generated(
    project: Project, papers: list[PaperAnswers], address: Address | None
) -> dict[str, str]:
    """Name and text of everything made from ledgers, results and source."""
    chapters = chapter_pages(project)
    pieces = {
        "scoreboard": f"{scoreboard(project, papers, chapters)}\n{legend()}\n\n{totals(papers)}",
        "forest": _forest(papers),
        "verdicts": verdict_table(),
        "chapters": chapters_table(papers, chapters),
        "unanswered": unanswered_lists(papers),
        "inconclusive": inconclusive_lists(papers),
        "status": status_table(project),
        "versions": versions_table(project),
        "bench": bench_tables(project),
        "cost": cost_tables(),
        "cost-colab": colab_table(),
        "catalogue": catalogue_tables(),
        "api": reference(project.root / "lib" / "saebook"),
        "first-steps": first_steps(address),
        "cite": cite(project.root, address),
    }
    files = {f"book/_generated/{name}.md": text for name, text in pieces.items()}
    for paper in papers:
        page = claims_page(paper, chapters.get(paper.slug))
        files[f"book/claims/{paper.slug}.md"] = page
    files[PROVENANCE] = _provenance(project)
    return files


def chapter_pages(project: Project) -> dict[str, str]:
    """Page of each chapter that is written, by slug."""
    return {c.slug: f"notebooks/{c.notebook.stem}" for c in project.chapters()}


def _forest(papers: list[PaperAnswers]) -> str:
    found = bars(answer for paper in papers for answer in paper.answers())
    if not found:
        return "No claim has a measurement yet, so there is nothing to draw.\n"
    return (
        "```{figure} /book/_generated/forest.svg\n:name: fig-forest\n:width: 100%\n"
        f":alt: {alt_text(found)}\n\n"
        "Every row with a measurement: distance of its deciding number from the target (or from "
        "the line it has to pass), in units of the tolerance fixed beforehand, with its 95 % "
        "interval. The shaded side passes; arrows mark what lies beyond the axis. At 2, a "
        "one-sided test shows no effect at all.\n```\n\n"
        "What to see: how many marks lie in the shaded part, and how wide the bars are that cross "
        "its edge.\n"
    )


def _provenance(project: Project) -> str:
    told = {
        "chapters": {
            f"notebooks/{chapter.notebook.stem}": provenance_of(project, chapter)
            for chapter in project.chapters()
        },
        "built": now(),
        "threads": os.environ.get("OMP_NUM_THREADS", "unset"),
        "versions": builder_versions(),
    }
    return json.dumps(told, indent=1, sort_keys=True) + "\n"


def executed(project: Project) -> list[Path]:
    """The executed notebooks, those whose source is gone left out."""
    folder = stage_folder(project) / "notebooks"
    found = (folder / chapter.notebook.name for chapter in project.chapters())
    return [path for path in found if path.is_file()]


def check_executed(path: Path) -> None:
    """Refuse a notebook with a failed cell, one never run, or none at all.

    Raises:
        BookError: Names the notebook, the cell and the error.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
    except (ValueError, KeyError, AttributeError) as error:
        raise BookError(f"{path.name} is no notebook: {error}") from error
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not code:
        raise BookError(f"{path.name} has no code cell; a chapter that runs nothing is a page")
    for i, cell in enumerate(code, 1):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                raise BookError(
                    f"{path.name}: code cell {i} failed with {output.ename}: {output.evalue}"
                )
        if cell.source.strip() and cell.get("execution_count") is None:
            raise BookError(f"{path.name}: code cell {i} was not run; run the chapter again")


def _remove_others(folder: Path, keep: set[str]) -> None:
    """Remove staged files that no longer belong; what the runner and the builder own stays."""
    for path in sorted(folder.rglob("*"), reverse=True):
        name = path.relative_to(folder)
        if name.parts[0] in _RUNNERS:
            continue
        if path.is_file() and name.as_posix() not in keep:
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()
