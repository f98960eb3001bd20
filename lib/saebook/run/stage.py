"""Files laid in place together: all of them, or none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from saebook.run.errors import RunError


def place(files: Mapping[Path, bytes], seal: Path, seal_text: str) -> None:
    """Write files and then the seal over them.

    Everything is first written beside its destination. Only when all of it is on disk does the old
    seal go, the files move, and the new seal follow: a kill in between leaves outputs without a
    valid seal, and the next run makes them again.

    Raises:
        RunError: A write failed; what was there before is untouched.
    """
    contents = {**files, seal: seal_text.encode()}
    written: dict[Path, Path] = {}
    try:
        for path, data in contents.items():
            written[path] = _beside(path)
            _write(written[path], data)
    except OSError as error:
        for temporary in written.values():
            temporary.unlink(missing_ok=True)
        raise RunError(
            f"could not write {path}: {error.strerror or error}; "
            "what was there before is untouched. Free some space and run again"
        ) from None
    seal.unlink(missing_ok=True)
    for path in [*files, seal]:
        written[path].replace(path)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
