"""Files of one repository at one commit: listed, checked for room and kind, fetched, verified."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import HfApi, constants, hf_hub_download, try_to_load_from_cache

from saebook.hub.errors import HubError
from saebook.hub.explain import Entry, NoNetworkError, explained
from saebook.hub.rehearsing import rehearsing
from saebook.hub.sizes import GIB

log = logging.getLogger(__name__)

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".msgpack", ".h5")
"""Endings of files that may run code when they are read, or that nothing here reads."""
SPARE = GIB
"""Bytes of the disk that a download leaves free."""


class RemoteFile(NamedTuple):
    """One file of a repository."""

    name: str
    size: int
    sha256: str | None
    """As the hub states it, for large files."""


def present_commit(entry: Entry) -> str:
    """The commit that the repository's main branch has now.

    Raises:
        HubError: It cannot be reached or read.
    """
    with explained(entry, "main"):
        info = HfApi().repo_info(entry.repo, repo_type=entry.kind)
    return str(info.sha)


def commit_of(entry: Entry, revision: str | None) -> str:
    """The commit to load: the one given, else the catalogue's, else, in a rehearsal alone, the
    stand-in's own.

    Raises:
        HubError: There is none.
    """
    if revision is None and rehearsing():
        return present_commit(entry)
    return entry.pinned(revision)


def listing(entry: Entry, revision: str) -> list[RemoteFile]:
    """All files of a repository at a commit.

    Raises:
        HubError: It cannot be reached or read.
    """
    with explained(entry, revision):
        api = HfApi()
        ask = api.dataset_info if entry.kind == "dataset" else api.model_info
        info = ask(entry.repo, revision=revision, files_metadata=True)
    return [
        RemoteFile(f.rfilename, f.size or 0, f.lfs.sha256 if f.lfs else None)
        for f in info.siblings or []
    ]


def fetch(entry: Entry, revision: str, patterns: Sequence[str]) -> Path:
    """Fetch the files that match, unless they are in the hub library's cache already.

    Before a byte is fetched: every pattern matches something, nothing that matches is a pickle,
    and the disk has room. Afterwards: every fetched file has the checksum that the hub states and,
    where the catalogue has one, that.

    Args:
        entry: What the catalogue says.
        revision: A commit, from `entry.pinned`.
        patterns: File names; `*` stands for anything, `/` included.

    Returns:
        The snapshot's folder, which holds the files under their names.

    Raises:
        HubError: Any of these does not hold, or the hub does not give the files.
    """
    try:
        files = matching(entry, listing(entry, revision), patterns)
    except NoNetworkError:
        return _cached_snapshot(entry, revision, patterns)
    missing = [file for file in files if not _cached(entry, revision, file.name)]
    check_room(entry, sum(file.size for file in missing))
    folder = Path()
    for file in files:
        with explained(entry, revision):
            path = Path(
                hf_hub_download(entry.repo, file.name, revision=revision, repo_type=entry.kind)
            )
        if file in missing:
            verify(path, file.sha256, f"{entry.repo}/{file.name}")
        folder = path.parents[file.name.count("/")]
    verify_against_catalogue(entry, folder, [file.name for file in files])
    return folder


def matching(
    entry: Entry, files: Iterable[RemoteFile], patterns: Sequence[str]
) -> list[RemoteFile]:
    """The files that match a pattern.

    Raises:
        HubError: A pattern matches nothing, or a file that matches is a pickle.
    """
    held = list(files)
    for pattern in patterns:
        if not any(fnmatch(file.name, pattern) for file in held):
            refuse_pickles_instead(entry, [file.name for file in held], pattern)
            raise HubError(f"{entry.repo} has no file {pattern!r}; see {entry.page}/tree/main")
    found = [file for file in held if any(fnmatch(file.name, p) for p in patterns)]
    for file in found:
        if file.name.endswith(PICKLES):
            raise HubError(f"{entry.repo}/{file.name} may run code when read; it is not fetched")
    return found


def refuse_pickles_instead(entry: Entry, names: Sequence[str], wanted: str) -> None:
    """Say so when a repository offers pickles where safetensors are wanted.

    Raises:
        HubError: It does.
    """
    pickles = [name for name in names if name.endswith(PICKLES)]
    if wanted.endswith(".safetensors") and pickles:
        raise HubError(
            f"{entry.repo} offers {pickles[0]} and no safetensors. A pickle can run any code when "
            "it is read and is refused; take a revision that has safetensors, or another copy"
        )


def check_room(entry: Entry, needed: int) -> None:
    """Refuse a download that the disk has no room for, before it starts.

    Raises:
        HubError: Names what is needed, what is free, and where.
    """
    folder = Path(constants.HF_HUB_CACHE)
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if needed and needed + SPARE > free:
        raise HubError(
            f"{entry.repo} takes {needed / GIB:.2f} GiB and {free / GIB:.2f} GiB are free for the "
            f"hub's cache (1 GiB is kept free); point HF_HOME at a larger disk, or empty it"
        )
    if needed:
        log.info("fetching %.2f GiB of %s", needed / GIB, entry.repo)


def verify(path: Path, expected: str | None, what: str) -> None:
    """Hold a file against a SHA-256.

    Raises:
        HubError: It differs.
    """
    if expected is None:
        return
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != expected:
        raise HubError(
            f"{what} has checksum {found[:12]}… where {expected[:12]}… is expected; the file was "
            "changed or broken on the way. Remove it from the cache and fetch it again; if it "
            "differs once more, do not use it"
        )


def verify_against_catalogue(entry: Entry, folder: Path, names: Iterable[str]) -> None:
    """Hold files against the checksums in the catalogue, where it has them.

    Raises:
        HubError: One differs.
    """
    known = getattr(entry, "checksums", {})
    for name in names:
        verify(folder / name, known.get(name), f"{entry.repo}/{name}")


def _cached(entry: Entry, revision: str, name: str) -> bool:
    found = try_to_load_from_cache(entry.repo, name, revision=revision, repo_type=entry.kind)
    return isinstance(found, str)


def _cached_snapshot(entry: Entry, revision: str, patterns: Sequence[str]) -> Path:
    """The snapshot in the cache, when the hub does not answer and it has what is wanted.

    Raises:
        NoNetworkError: It is not there, or lacks something.
    """
    name = f"{entry.kind}s--{entry.repo.replace('/', '--')}"
    folder = Path(constants.HF_HUB_CACHE) / name / "snapshots" / revision
    there = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
    if not all(any(fnmatch(name, pattern) for name in there) for pattern in patterns):
        with explained(entry, revision):
            HfApi().repo_info(entry.repo, revision=revision, repo_type=entry.kind)
    verify_against_catalogue(entry, folder, there)
    log.warning("the hub does not answer; %s is read from the cache", entry.repo)
    return folder
