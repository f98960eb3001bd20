"""Folders of computed things, kept on disk under a key: whole and checked, or absent.

An entry is written into a temporary folder beside its place and moved there in one step, with a
manifest of sizes and SHA-256 sums. Reading checks the manifest; an entry that fails is removed,
said so in the log, and made again. A lock per entry keeps two writers apart.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from saebook.paths import user_cache_dir

MANIFEST = "manifest.json"
LOCKS = "locks"
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
log = logging.getLogger("saebook")


class CacheError(RuntimeError):
    """Base of the cache's errors."""


class CorruptEntryError(CacheError):
    """A folder does not match its manifest."""


class CacheWriteError(CacheError):
    """An entry could not be written; nothing of it is left."""


class CacheBusyError(CacheError):
    """Another process holds the entry's lock."""


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_manifest(folder: Path) -> None:
    """Write the manifest of a folder: size and SHA-256 of every file in it."""
    files = {
        path.relative_to(folder).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": file_digest(path),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    text = json.dumps({"files": files}, indent=1, sort_keys=True) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def verify_folder(folder: Path) -> None:
    """Check a folder against its manifest.

    Raises:
        CorruptEntryError: manifest unreadable, a file missing, extra, truncated or altered.
    """
    listed = _listed_files(folder)
    present = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    odd = (present - {MANIFEST}) ^ set(listed)
    if odd:
        raise CorruptEntryError(f"{folder.name}: files differ from the manifest: {sorted(odd)}")
    for name, expected in listed.items():
        size = (folder / name).stat().st_size
        if size != expected["bytes"]:
            raise CorruptEntryError(
                f"{folder.name}: {name} holds {size} bytes, the manifest says {expected['bytes']}"
            )
        if file_digest(folder / name) != expected["sha256"]:
            raise CorruptEntryError(f"{folder.name}: {name} was altered (SHA-256 differs)")


def _listed_files(folder: Path) -> dict[str, dict]:
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        return {
            str(name): {"bytes": f["bytes"], "sha256": f["sha256"]} for name, f in files.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptEntryError(f"{folder.name}: no readable manifest ({error})") from error


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes `target`, with a manifest, when the block ends well.

    The caller holds whatever lock is needed. What an earlier, killed writer left is removed.

    Raises:
        CacheWriteError: the disk refused; nothing is left at `target` or beside it.
    """
    partial = target.with_name(f".{target.name}.partial")
    _remove(partial)
    try:
        partial.mkdir(parents=True)
        yield partial
        write_manifest(partial)
        _flush_to_disk(partial)
        _remove(target)
        partial.replace(target)
    except (OSError, SafetensorError) as error:
        raise CacheWriteError(
            f"could not write {target}: {error}; nothing was kept. Free some space, or point "
            "SAEBOOK_CACHE at another folder"
        ) from error
    finally:
        _remove(partial)


def _flush_to_disk(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as handle:
                os.fsync(handle.fileno())


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


class Cache:
    """One kind of entry (such as "saes") in the cache folder."""

    def __init__(self, kind: str, root: Path | None = None) -> None:
        """Open a kind of entry.

        Args:
            kind: Name of the subfolder.
            root: Cache folder; the user's own unless given.
        """
        self.kind = kind
        self.root = user_cache_dir() if root is None else root
        self.folder = self.root / _checked(kind)

    def path(self, key: str) -> Path:
        """Where an entry is, or would be."""
        return self.folder / _checked(key)

    def get(self, key: str) -> Path | None:
        """Return a checked entry's folder, or None; a damaged entry is removed and said."""
        folder = self.path(key)
        if not folder.is_dir():
            return None
        try:
            verify_folder(folder)
        except CorruptEntryError as error:
            log.warning("cache entry removed, it will be made again: %s", error)
            self._discard(key)
            return None
        return folder

    def _discard(self, key: str) -> None:
        """Remove a damaged entry unless a writer has replaced it with a sound one meanwhile."""
        with self._lock(key, blocking=True):
            try:
                verify_folder(self.path(key))
            except (CorruptEntryError, FileNotFoundError):
                _remove(self.path(key))

    def get_or_make(
        self, key: str, make: Callable[[Path], None], blocking: bool = True
    ) -> tuple[Path, bool]:
        """Return an entry's folder and whether it was made now.

        Args:
            key: Name of the entry.
            make: Fills the folder it is given.
            blocking: Wait for another process that is making the entry.

        Raises:
            CacheBusyError: another process is making it and `blocking` is off.
            CacheWriteError: the disk refused.
        """
        found = self.get(key)
        if found is not None:
            return found, False
        with self._lock(key, blocking):
            if self.path(key).is_dir():  # made, or left damaged, while we waited
                try:
                    verify_folder(self.path(key))
                    return self.path(key), False
                except CorruptEntryError as error:
                    log.warning("cache entry made again: %s", error)
            with atomic_folder(self.path(key)) as folder:
                make(folder)
        return self.path(key), True

    @contextmanager
    def _lock(self, key: str, blocking: bool) -> Iterator[None]:
        locks = self.root / LOCKS
        try:
            locks.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CacheWriteError(
                f"the cache folder {self.root} is not writable: {error}"
            ) from None
        lock = FileLock(locks / f"{self.kind}-{_checked(key)}.lock")
        try:
            lock.acquire(blocking=blocking)
        except Timeout:
            raise CacheBusyError(f"another process is making {self.kind}/{key}") from None
        try:
            yield
        finally:
            lock.release()


def _checked(name: str) -> str:
    if _KEY.fullmatch(name) is None:
        raise ValueError(f"{name!r} cannot name a cache entry: letters, digits, '.', '_', '-' only")
    return name


def size(root: Path | None = None) -> int:
    """Bytes the cache takes on disk."""
    root = user_cache_dir() if root is None else root
    return sum(p.stat().st_size for p in root.rglob("*") if p.is_file()) if root.exists() else 0


def clear(root: Path | None = None, kind: str | None = None) -> int:
    """Remove the whole cache, or one kind of entry, and return the bytes freed.

    Only folders this module makes are removed: a cache folder that was pointed at something else
    by mistake keeps what is in it.
    """
    root = user_cache_dir() if root is None else root
    if not root.exists():
        return 0
    before = size(root)
    for folder in sorted(p for p in root.iterdir() if p.is_dir()):
        if folder.name == (kind or folder.name) and _is_ours(folder):
            shutil.rmtree(folder)
    return before - size(root)


def _is_ours(folder: Path) -> bool:
    """Whether a folder holds only lock files, or only entries and remains of entries."""
    if folder.name == LOCKS:
        return True
    children = list(folder.iterdir())
    return all(
        c.is_dir() and ((c / MANIFEST).is_file() or c.name.endswith(".partial")) for c in children
    )
