"""One chapter from its checks to its place in the book."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from saebook.parameters import parameters_for
from saebook.run.check import FindClass, checked_parameters
from saebook.run.errors import ChapterFailed, RunError
from saebook.run.freshness import inputs_digests, seal_text, why_rerun
from saebook.run.progress import Progress, duration
from saebook.run.project import HUB_TIERS, Request
from saebook.run.publish import publish
from saebook.run.stage import place

CELL_SECONDS = {"smoke": 300, "testbed": 900}
"""Longest a cell may take; the other tiers have no limit."""


@dataclass(frozen=True)
class Outcome:
    """What a run of one chapter came to."""

    slug: str
    reason: str | None
    """Why it ran; None when its outputs were fresh."""
    seconds: float = 0.0
    differences: list[str] = field(default_factory=list)
    """Rows that differ from the committed results, both shown."""


def run_chapter(
    request: Request,
    *,
    find: FindClass = parameters_for,
    force: bool = False,
    timeout: int | None = None,
    keep: bool = False,
) -> Outcome:
    """Run a chapter unless its outputs are fresh.

    Args:
        request: Chapter, tier and overrides.
        find: Gives the chapter's parameters class.
        force: Run though the outputs are fresh.
        timeout: Seconds a cell may take; the tier's own limit by default.
        keep: Lay a rehearsal's results beside those of record.

    Raises:
        ParameterError: Before any compute.
        ChapterFailed: A cell failed; the copy lies under build/failed and the old page stands.
        RunError: Outputs could not be written, or in CI disagree with the committed ones.
    """
    progress = Progress(request.slug, _last_timings(request))
    limit = timeout or CELL_SECONDS.get(request.tier)
    try:
        with _one_at_a_time(request, progress):
            reason = "asked to" if force else why_rerun(request)
            started = time.monotonic()
            if reason is not None:
                _run(request, checked_parameters(request, find), progress, limit)
            return Outcome(request.slug, reason, time.monotonic() - started, publish(request, keep))
    except OSError as error:
        raise RunError(
            f"{request.slug}: could not write {error.filename or 'a file'}: "
            f"{error.strerror or error}; the previous output is untouched"
        ) from error


def _run(request: Request, values: dict[str, Any], progress: Progress, limit: int | None) -> None:
    # papermill and nbformat take seconds to import: only a chapter that runs pays.
    import nbformat

    from saebook.run.clean import as_bytes, cleaned
    from saebook.run.execute import Watch, executed

    digests = inputs_digests(request)
    watch = Watch(progress)
    _empty(request.scratch)
    started = time.monotonic()
    try:
        source = nbformat.read(request.chapter.notebook, as_version=4)
        notebook = executed(
            source,
            values,
            name=request.slug,
            scratch=request.scratch,
            watch=watch,
            offline=request.tier not in HUB_TIERS,
            timeout=limit,
        )
        files = {request.copy: as_bytes(cleaned(notebook, request.project.root))}
        files |= _results(request)
        place(files, request.seal, seal_text(request.project.root, digests, files))
    except ChapterFailed as error:
        raise ChapterFailed(f"{error}\n\n{_keep_failed(request, watch)}") from None
    finally:
        shutil.rmtree(request.scratch, ignore_errors=True)
    _keep_timings(request, progress)
    progress.say(f"done in {duration(time.monotonic() - started)}")


def _results(request: Request) -> dict[Path, bytes]:
    """Destination and content of what the notebook saved.

    Raises:
        RunError: A chapter with a ledger saved none, or a file has a name not its own.
    """
    slug, folder = request.slug, request.scratch / "results"
    found = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
    ledger = request.project.root / "book" / "claims" / f"{slug}.yaml"
    if ledger.is_file() and f"{slug}.json" not in found:
        raise RunError(
            f"{slug} has claims but its notebook saved no {slug}.json; call results.save()"
        )
    for name in found:
        if not name.startswith(slug) or name == request.seal.name:
            raise RunError(
                f"{slug}: the notebook saved {name!r}; a result's name starts with {slug!r}"
            )
    if f"{slug}.json" in found:
        _must_be_json(slug, found[f"{slug}.json"])
    return {request.results / name: data for name, data in found.items()}


def _must_be_json(slug: str, data: bytes) -> None:
    try:
        json.loads(data)
    except ValueError as error:
        raise RunError(f"{slug}.json is not valid JSON: {error}") from None


@contextmanager
def _one_at_a_time(request: Request, progress: Progress) -> Iterator[None]:
    """Hold the chapter's lock, waiting with a word if another run has it."""
    request.lock.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(request.lock)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress.say("another run of this chapter is going on; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _keep_failed(request: Request, watch: Any) -> str:
    """Write the copy of a failed run for reading; says where it lies, or why there is none."""
    from saebook.run.clean import as_bytes, cleaned

    if watch.notebook is None:
        return "No copy was kept: the kernel did not start."
    path = request.failed_copy
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_bytes(cleaned(watch.notebook, request.project.root)))
    except OSError as error:
        return f"No copy was kept: {error.strerror or error}."
    return f"The copy up to that cell: {path.relative_to(request.project.root)}"


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _last_timings(request: Request) -> list[float]:
    try:
        return [float(seconds) for seconds in json.loads(request.timings.read_text())]
    except (OSError, ValueError, TypeError):
        return []  # only an estimate hangs on it


def _keep_timings(request: Request, progress: Progress) -> None:
    with suppress(OSError):  # a full disk costs the estimate, not the run
        request.timings.parent.mkdir(parents=True, exist_ok=True)
        request.timings.write_text(json.dumps(progress.seconds()))
