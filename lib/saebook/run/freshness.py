"""Whether a chapter's outputs are those of its present inputs, by content and not by date."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from filelock import FileLock, Timeout

from saebook.run.project import Request

NOT_SOURCE = ("__pycache__", "_data", ".ipynb_checkpoints")


def file_digest(path: Path) -> str:
    """The sha256 of a file, or `absent`."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        return "absent"


def files_digest(root: Path, paths: Iterable[Path]) -> str:
    """One sha256 over names relative to `root` and contents, in the order of the names."""
    lines = (f"{path.relative_to(root).as_posix()} {file_digest(path)}" for path in sorted(paths))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def source_files(folder: Path, without: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """Every file under a folder but caches and the folders left out."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path in without or path.name in NOT_SOURCE:
            continue
        if path.is_dir():
            yield from source_files(path, without)
        elif path.suffix != ".pyc":
            yield path


def inputs_digests(request: Request) -> dict[str, str]:
    """A digest for each kind of input a chapter depends on.

    The library counts with its data (house models and SAEs), without the packages of other papers
    and without the page builder, neither of which a chapter can see.
    """
    root, slug = request.project.root, request.slug
    settings = {"tier": request.tier, "overrides": dict(request.overrides)}
    records = [] if request.tier == "full" else _records(root, slug)
    return {
        "notebook": file_digest(request.chapter.notebook),
        "parameters": hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest(),
        "tier file": file_digest(request.project.tier_file(request.tier, slug)),
        "library source": library_digest(root, slug),
        "requirements.lock": file_digest(root / "requirements.lock"),
        "claims": file_digest(root / "book" / "claims" / f"{slug}.yaml"),
        "records": files_digest(root, records),
        "python": ".".join(platform.python_version_tuple()[:2]),
    }


def key_of(digests: Mapping[str, str]) -> str:
    """One key over all inputs."""
    return hashlib.sha256(json.dumps(dict(digests), sort_keys=True).encode()).hexdigest()


def seal_text(root: Path, digests: Mapping[str, str], outputs: Mapping[Path, bytes]) -> str:
    """The seal: the key, its parts, and the checksum of every output.

    Args:
        root: Outputs are named relative to it.
        digests: From `inputs_digests`.
        outputs: Destination and content of every output.
    """
    sums = {
        path.relative_to(root).as_posix(): hashlib.sha256(data).hexdigest()
        for path, data in outputs.items()
    }
    seal = {"key": key_of(digests), "inputs": dict(digests), "outputs": sums}
    return json.dumps(seal, indent=1, sort_keys=True) + "\n"


def why_stale(root: Path, seal: Path, digests: Mapping[str, str]) -> str | None:
    """Why outputs have to be made again, in words; None when they are fresh."""
    try:
        written = json.loads(seal.read_text())
        key, inputs, outputs = written["key"], written["inputs"], written["outputs"]
    except FileNotFoundError:
        return "not run yet"
    except (ValueError, KeyError, TypeError):
        return f"{seal.name} cannot be read"
    if key != key_of(digests):
        changed = [name for name in digests if inputs.get(name) != digests[name]]
        return f"changed: {', '.join(changed) or 'kinds of input'}"
    for name, checksum in outputs.items():
        found = file_digest(root / name)
        if found != checksum:
            return f"{name} is {'missing' if found == 'absent' else 'not as it was written'}"
    return None


def why_rerun(request: Request) -> str | None:
    """Why a chapter has to run, in words; None when its outputs are fresh."""
    return why_stale(request.project.root, request.seal, inputs_digests(request))


def unseal_stale(request: Request) -> None:
    """Take the seal off outputs that are not fresh, unless a run of the chapter is going on."""
    if not request.seal.is_file() or why_rerun(request) is None:
        return
    request.lock.parent.mkdir(parents=True, exist_ok=True)
    with suppress(Timeout), FileLock(request.lock, timeout=0):
        request.seal.unlink(missing_ok=True)


@lru_cache(maxsize=32)
def library_digest(root: Path, slug: str) -> str:
    """Digest of the library as a chapter sees it; computed once in a process."""
    library = root / "lib" / "saebook"
    others = {path for path in (library / "papers").glob("*/") if path.name != slug}
    others = {path for path in others if path.name not in NOT_SOURCE}
    unseen = frozenset(others | {library / "book"})
    return files_digest(root, source_files(library, unseen))


def _records(root: Path, slug: str) -> list[Path]:
    """The committed full-tier files of a paper, which its testbed tier reads."""
    folder = root / "book" / "results" / "full"
    return [path for path in folder.glob(f"{slug}*") if path.is_file()] if folder.is_dir() else []
