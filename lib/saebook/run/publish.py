"""Results of default runs, held against the committed ones and laid beside the pages."""

from __future__ import annotations

from pathlib import Path

from saebook.hub.rehearsing import rehearsing
from saebook.run.compare import differences
from saebook.run.errors import RunError
from saebook.run.freshness import file_digest
from saebook.run.project import Request, in_ci

PUBLISHED = ("testbed", "full", "paper")
"""Tiers whose results are kept under book/results: live, of record, and on published models."""


def publish(request: Request, keep: bool = False) -> list[str]:
    """Compare fresh results with the committed ones and, outside CI, copy them over.

    Only runs at a tier's own values count; a run with overridden values is nobody's reference, and
    neither is a rehearsal, unless it is to be kept.

    Args:
        request: The run.
        keep: Whether a rehearsal's results are copied, with whatever sizes it cut.

    Returns:
        Both rows of every difference, as text.

    Raises:
        RunError: In CI, a fresh interval is disjoint from the committed one, a row is gone, or
            results are to be kept; or what is to be kept is no rehearsal at the paper tier.
    """
    if keep and not (rehearsing() and request.tier == "paper"):
        raise RunError("--keep is for rehearsals at the tier paper; other results keep themselves")
    if keep and in_ci():
        raise RunError("--keep: in CI nothing is laid under book/results; unset CI to keep it")
    if not keep and (request.label not in PUBLISHED or rehearsing()):
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
    """Copy the run's result files over the committed ones.

    Where all numbers are the same, the committed record of time and hardware stays too.
    """
    folder = committed_results(request)
    folder.mkdir(parents=True, exist_ok=True)
    made = [
        path
        for path in sorted(request.results.glob(f"{request.slug}*"))
        if path != request.seal and not path.name.endswith(".part")
    ]
    numbers = [path for path in made if not path.name.endswith(".run.json")]
    if all(file_digest(path) == file_digest(folder / path.name) for path in numbers):
        return
    for path in made:
        temporary = folder / f".{path.name}.part"
        temporary.write_bytes(path.read_bytes())
        temporary.replace(folder / path.name)
