"""A folder of repositories as a hub holds them: by kind, owner, name and commit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LARGE = (".safetensors", ".npz", ".parquet", ".zst", ".gz")
"""Endings of files that a hub stores apart and states a SHA-256 for."""


@dataclass(frozen=True)
class StoredFile:
    """One file of a stored repository."""

    name: str
    path: Path

    @property
    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size

    @property
    def sha256(self) -> str:
        """Checksum of the content."""
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    @property
    def blob(self) -> str:
        """git's name for the content."""
        data = self.path.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()

    @property
    def is_large(self) -> bool:
        """Whether a hub would store it apart."""
        return self.name.endswith(LARGE)


@dataclass(frozen=True)
class Store:
    """Repositories under one folder."""

    root: Path

    def publish(
        self, repo: str, write: Callable[[Path], None], kind: str = "model", gated: bool = False
    ) -> str:
        """Store a repository whose files `write` puts into the folder it is given.

        Returns:
            Its commit: a digest of names and contents, so the same files give the same commit.
        """
        home = self.root / f"{kind}s" / repo
        draft = home / "draft"
        draft.mkdir(parents=True)
        write(draft)
        total = hashlib.sha1(usedforsecurity=False)
        for file in _files(draft):
            total.update(f"{file.name} {file.sha256}\n".encode())
        commit = total.hexdigest()
        draft.rename(home / commit)
        (home / "head.json").write_text(json.dumps({"commit": commit, "gated": gated}))
        return commit

    def head(self, repo: str, kind: str = "model") -> dict[str, Any] | None:
        """Commit of the main branch and whether the repository is gated; None if there is none."""
        path = self.root / f"{kind}s" / repo / "head.json"
        return json.loads(path.read_text()) if path.is_file() else None

    def commit(self, repo: str, kind: str = "model") -> str:
        """Commit of the main branch of a repository that is there."""
        return str(json.loads((self.root / f"{kind}s" / repo / "head.json").read_text())["commit"])

    def files(self, repo: str, commit: str, kind: str = "model") -> list[StoredFile] | None:
        """Files of a repository at a commit; None if it has no such commit."""
        folder = self.root / f"{kind}s" / repo / commit
        return list(_files(folder)) if folder.is_dir() else None


def _files(folder: Path) -> Iterator[StoredFile]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield StoredFile(path.relative_to(folder).as_posix(), path)
