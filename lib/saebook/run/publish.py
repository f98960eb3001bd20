"""Results of default runs, held against the committed ones and laid beside the pages."""

from __future__ import annotations

from pathlib import Path

from saebook.run.compare import differences
from saebook.run.errors import RunError
from saebook.run.freshness import file_digest
from saebook.run.project import Request, in_ci

PUBLISHED = ("testbed", "full")
"""Tiers whose results are kept under book/results: the live numbers, and those of record."""


def publish(request: Request) -> list[str]:
    """Compare fresh results with the committed ones and, outside CI, copy them over.

    Only runs at a tier's own values count; a run with overridden values is nobody's reference.

    Returns:
        Both rows of every difference, as text.

    Raises:
        RunError: In CI, a fresh interval is disjoint from the committed one, or a row is gone.
    """
    if request.label not in PUBLISHED:
        return []
    fresh = request.results / f"{request.slug}.json"
    committed = committed_results(request) / fresh.name
    found = differences(committed, fresh) if committed.is_file() and fresh.is_file() else []
    conflicts = [str(difference) for difference in found if difference.is_conflict]
    if in_ci():
        if conflicts:
            raise RunError(
                f"{request.slug}: {len(conflicts)} of the fresh rows disagree with the committed "
                f"{request.tier} results:\n" + "\n".join(conflicts)
            )
    else:
        _copy_over(request)
    return [str(difference) for difference in found]


def committed_results(request: Request) -> Path:
    """Folder of the committed results of the request's tier."""
    return request.project.root / "book" / "results" / request.tier


def _copy_over(request: Request) -> None:
    """Copy the run's result files beside the committed ones, those that changed only."""
    folder = committed_results(request)
    folder.mkdir(parents=True, exist_ok=True)
    if file_digest(folder / f"{request.slug}.json") == file_digest(
        request.results / f"{request.slug}.json"
    ):
        return  # the same numbers: leave the record of time and hardware that made them
    for path in sorted(request.results.glob(f"{request.slug}*")):
        if path == request.seal or path.name.endswith(".part"):
            continue
        temporary = folder / f".{path.name}.part"
        temporary.write_bytes(path.read_bytes())
        temporary.replace(folder / path.name)
