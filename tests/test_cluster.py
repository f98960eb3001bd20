"""The grid of SAEs on a real Slurm: through sbatch, with a worker killed, equal to a local run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from saebook.paths import CACHE_VARIABLE

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "tests" / "cluster" / "start.sh"
LABELS = ("topk-3", "topk-13", "gated-13")
GRID = ["saes", "--config", f"labels={','.join(LABELS)}", "n_tokens=20000"]
WORKER = "saebook.zoo member"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(os.getuid() != 0, reason="a cluster of one machine is started by root"),
    pytest.mark.skipif(
        not all(map(shutil.which, ("sbatch", "slurmctld", "slurmd", "munged"))),
        reason="needs Debian's slurm-wlm and munge",
    ),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    subprocess.run([SCRIPT, "start"], check=True)
    yield
    subprocess.run([SCRIPT, "stop"], check=True)


def project(folder: Path) -> Path:
    """A project whose sources are the checkout's and whose outputs are its own."""
    folder.mkdir(parents=True)
    for name in ("lib", "notebooks", "book", "requirements.lock", "workflow", "profiles"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "Snakefile", folder)
    return folder


def start(root: Path, cache: Path, *options: str) -> subprocess.Popen[str]:
    tools = Path(sys.executable).parent
    environment = {
        **os.environ,
        CACHE_VARIABLE: str(cache),
        "OMP_NUM_THREADS": "1",
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
    }
    command = [sys.executable, "-m", "snakemake", *GRID, *options]
    log = (root / "log").open("w")
    return subprocess.Popen(
        command, cwd=root, env=environment, stdout=log, stderr=subprocess.STDOUT, text=True
    )


def results(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / "build" / "saes").rglob("*.json")}


def kill_a_worker() -> int:
    """Kill the first job that trains an SAE, as a node's failure would; its process id."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        found = subprocess.run(
            ["pgrep", "-f", f"python -m {WORKER}"], capture_output=True, text=True
        ).stdout.split()
        for pid in map(int, reversed(found)):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            return pid
        time.sleep(0.2)
    raise AssertionError("no job trained an SAE within five minutes")


def test_a_grid_on_slurm_survives_a_killed_worker_and_equals_the_local_run(cluster, tmp_path):
    local = project(tmp_path / "local")
    assert start(local, tmp_path / "local-cache", "--profile", "profiles/local").wait() == 0
    assert set(results(local)) == {f"{label}.json" for label in LABELS}

    spread = project(tmp_path / "spread")
    process = start(
        spread, tmp_path / "spread-cache", "--profile", "profiles/slurm", "--slurm-no-account",
        "--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "5",
        "--jobs", "2", "--default-resources", "slurm_partition=main", "mem_mb=2000", "runtime=20",
    )  # fmt: skip
    killed = kill_a_worker()
    assert process.wait() == 0, (spread / "log").read_text()[-3000:]
    log = (spread / "log").read_text()
    assert "Trying to restart job" in log, f"process {killed} was killed and nobody noticed"
    assert log.count("submitted with SLURM jobid") > len(LABELS) + 1
    assert results(spread) == results(local)
