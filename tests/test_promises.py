"""A chapter killed at any moment goes on to the same bytes, and two runs at once do no harm."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from saebook.paths import CACHE_VARIABLE

ROOT = Path(__file__).parent.parent
CHAPTER = "testbed"
"""The chapter with the most state: it trains and caches SAEs, then saves its gates."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def project(folder: Path) -> Path:
    """A project whose sources are the checkout's and whose outputs are its own."""
    folder.mkdir(parents=True)
    for name in ("lib", "notebooks", "book", "requirements.lock"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def start(root: Path, cache: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "saebook.run", "--root", str(root), "chapter"]
    environment = {**os.environ, CACHE_VARIABLE: str(cache), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, "--nb", CHAPTER, "--tier", "smoke"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
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


def test_a_chapter_killed_at_random_moments_ends_with_the_same_results(undisturbed, tmp_path):
    wanted, seconds = undisturbed
    root, cache = project(tmp_path / "project"), tmp_path / "cache"
    draw = random.Random(0)
    for _ in range(4):
        process = start(root, cache)
        time.sleep(draw.uniform(0.1, 0.95) * seconds)
        process.kill()
        process.wait()
        assert results(root) in ({}, wanted), "a killed run left a result that is not whole"
    assert start(root, cache).wait() == 0
    assert results(root) == wanted
    assert not list(cache.rglob("*.partial"))


def test_runs_at_once_in_one_project_and_beside_it_give_the_same_results(undisturbed, tmp_path):
    """Two share project and cache, a third the cache alone."""
    wanted, _ = undisturbed
    roots, cache = [project(tmp_path / name) for name in ("one", "other")], tmp_path / "cache"
    processes = [start(root, cache) for root in (roots[0], *roots)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert [results(root) for root in roots] == [wanted, wanted]
