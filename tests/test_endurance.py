"""A chapter survives kills, damaged files, a full disk and company, and ends with the same bytes.

Each test prints how often it tried.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import pytest

from saebook.paths import CACHE_VARIABLE

ROOT = Path(__file__).parent.parent
CHAPTER = "testbed"
"""The chapter with the most state: it trains and caches SAEs, then saves its gates."""
N_KILLS = 20
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def project(folder: Path) -> Path:
    """A project whose sources are the checkout's and whose outputs are its own."""
    folder.mkdir(parents=True)
    for name in ("lib", "notebooks", "book", "requirements.lock"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def start(root: Path, cache: Path, prepare: Callable[[], None] | None = None) -> subprocess.Popen:
    command = [sys.executable, "-m", "saebook.run", "--root", str(root), "chapter"]
    environment = {**os.environ, CACHE_VARIABLE: str(cache), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, "--nb", CHAPTER, "--tier", "smoke", "--force"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE if prepare else subprocess.DEVNULL,
        preexec_fn=prepare,
    )


def results(root: Path) -> dict[str, bytes]:
    """Every result file by name, but the one that holds time and hardware."""
    found = (root / "build" / "results" / "smoke").glob("*.json")
    kept = (path for path in found if not path.name.endswith((".run.json", ".key.json")))
    return {path.name: path.read_bytes() for path in kept}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[dict[str, bytes], float]:
    """What a run gives that nobody disturbs, and how many seconds it takes."""
    folder = tmp_path_factory.mktemp("undisturbed")
    root, began = project(folder / "project"), time.monotonic()
    assert start(root, folder / "cache").wait() == 0
    assert results(root)
    return results(root), time.monotonic() - began


@pytest.fixture
def say(capsys) -> Iterator[Callable[[str], None]]:
    """Print past pytest's capture."""

    def printed(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}")

    yield printed


def test_a_chapter_killed_at_random_moments_ends_with_the_same_results(undisturbed, tmp_path, say):
    wanted, seconds = undisturbed
    root, cache = project(tmp_path / "project"), tmp_path / "cache"
    draw = random.Random(0)
    for _ in range(N_KILLS):
        process = start(root, cache)
        time.sleep(draw.uniform(0.1, 0.95) * seconds)
        process.kill()
        process.wait()
        assert results(root) in ({}, wanted), "a killed run left a result that is not whole"
    assert start(root, cache).wait() == 0
    assert results(root) == wanted
    assert not list(cache.rglob("*.partial"))
    say(f"{N_KILLS} kills between {0.1 * seconds:.0f} and {0.95 * seconds:.0f} s")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut short": lambda path: os.truncate(path, path.stat().st_size // 2),
    "altered": lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"),
    "empty": lambda path: path.write_bytes(b""),
    "gone": lambda path: path.unlink(),
}


def one_file_of_each_kind(cache: Path) -> list[Path]:
    """One cached file for every kind of entry and file name, paths relative to the cache."""
    found = {(path.relative_to(cache).parts[0], path.name): path for path in cache.rglob("*.*")}
    return sorted(p.relative_to(cache) for p in found.values() if p.is_file())


def test_whatever_cached_file_is_damaged_the_results_stay_the_same(undisturbed, tmp_path, say):
    wanted, _ = undisturbed
    root, cache = project(tmp_path / "project"), tmp_path / "cache"
    assert start(root, cache).wait() == 0
    whole = tmp_path / "whole"
    shutil.copytree(cache, whole)
    files = [path for path in one_file_of_each_kind(cache) if path.suffix != ".lock"]
    assert files
    told = []
    for place, (name, damage) in zip(files, cycle(DAMAGES.items()), strict=False):
        shutil.rmtree(cache)
        shutil.copytree(whole, cache)
        damage(cache / place)
        assert start(root, cache).wait() == 0, (place, name)
        assert results(root) == wanted, (place, name)
        told.append(f"{place.name} {name}")
    say(f"{len(told)} damaged files: {', '.join(told)}")


def test_a_disk_that_is_full_at_any_point_leaves_nothing_half_written(undisturbed, tmp_path, say):
    """RLIMIT_FSIZE stands for the disk: no file may grow beyond so many bytes."""
    wanted, _ = undisturbed
    limits = (1_000, 20_000, 200_000)
    for limit in limits:
        root, cache = project(tmp_path / f"project-{limit}"), tmp_path / f"cache-{limit}"

        def full(limit: int = limit) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        process = start(root, cache, full)
        _, error = process.communicate()
        assert process.returncode != 0 and error.strip(), limit
        assert results(root) in ({}, wanted)
        assert not list(cache.rglob("*.partial"))
        assert start(root, cache).wait() == 0
        assert results(root) == wanted
    say(f"{len(limits)} sizes of a full disk")


def test_runs_at_once_in_one_project_and_beside_it_give_the_same_results(undisturbed, tmp_path):
    """Two share project and cache, a third the cache alone."""
    wanted, _ = undisturbed
    roots, cache = [project(tmp_path / name) for name in ("one", "other")], tmp_path / "cache"
    processes = [start(root, cache) for root in (roots[0], *roots)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert [results(root) for root in roots] == [wanted, wanted]
