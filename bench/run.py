"""Every benchmark, one after another, as ratios within this run.

    python bench/run.py [imports harvest zoo device growth latents book] [--small]

Writes book/results/bench.json, which the benchmarks page shows, and prints it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "book" / "results" / "bench.json"
PARTS = ("imports", "harvest", "zoo", "device", "growth", "latents", "book")


def seconds(command: list[str], repeats: int = 1) -> float:
    """Median wall time of a command over some repeats. Raises if it fails."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def bench_imports(small: bool) -> dict[str, Any]:
    """Import time of the package alone, of its ledger, and of what needs torch."""
    modules = {
        "interpreter alone": "pass",
        "saebook": "import saebook",
        "saebook.claims and saebook.run": "import saebook.claims, saebook.run",
        "saebook.subjects (torch)": "import saebook.subjects",
        "saebook.zoo (torch and sae-lens)": "import saebook.zoo",
    }
    repeats = 1 if small else 3
    rows = [
        {"module": name, "seconds": seconds([sys.executable, "-c", code], repeats)}
        for name, code in modules.items()
    ]
    return {"imports": rows}


def printed(*command: str) -> Any:
    """What one of the benchmarks prints, as data. Raises if it fails."""
    done = subprocess.run([sys.executable, *command], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def bench_harvest(small: bool) -> dict[str, Any]:
    """Reading activations, against sae-lens's store on the same tokens."""
    sizes = ["--tokens", "9000"] if small else []
    rows = [printed("bench/harvest.py", side, *sizes) for side in ("ours", "sae-lens")]
    speed = [row["tokens_per_second"] for row in rows]
    memory = [row["peak_memory_mib"] for row in rows]
    ratios = {"speed_ratio": speed[0] / speed[1], "memory_ratio": memory[0] / memory[1]}
    return {"harvest": {"readers": rows, **ratios}}


def bench_growth(small: bool) -> dict[str, Any]:
    """Time and memory of a grid when its tokens, its width or its number of SAEs double."""
    base = {"tokens": 10_000 if small else 50_000, "width": 384, "saes": 2}
    rows = [{"doubled": "nothing", **grown(base)}]
    for name in base:
        rows.append({"doubled": name, **grown({**base, name: 2 * base[name]})})
    first = rows[0]
    for row in rows:
        row["training_ratio"] = row["training_seconds"] / first["training_seconds"]
        row["memory_ratio"] = row["peak_memory_mib"] / first["peak_memory_mib"]
    return {"growth": rows}


def grown(sizes: dict[str, int]) -> dict[str, Any]:
    """One run of bench/growth.py."""
    return printed("bench/growth.py", *(f"--{name}={value}" for name, value in sizes.items()))


def bench_zoo(small: bool) -> dict[str, Any]:
    """The SAE grid from one stream against single runs; the trainer against a plain product."""
    sizes = ["--tokens", "20000", "--specs", "5", "--singles", "2"] if small else []
    return printed("bench/zoo.py", *sizes)


def bench_device(small: bool) -> dict[str, Any]:
    """Trainers and stacks on the card, if there is one, at a published model's sizes."""
    return {"device": printed("bench/device.py", *(["--steps", "5"] if small else []))}


def bench_latents(small: bool) -> dict[str, Any]:
    """Token confidence and detection of many latents at once, against one at a time."""
    sizes = ["--latents", "20", "--tokens", "6000"] if small else []
    return {"latents": printed("bench/latents.py", *sizes)}


def bench_book(small: bool) -> dict[str, Any]:
    """The book from an empty build folder, with its chapters done, and with nothing to do."""
    if not small:
        shutil.rmtree(ROOT / "build", ignore_errors=True)
    cold = None if small else seconds(["make", "book"])
    shutil.rmtree(ROOT / "build" / "book" / "_build", ignore_errors=True)
    warm = seconds(["make", "book"])
    return {
        "book": {
            "cold_seconds": cold,
            "warm_seconds": warm,
            "noop_seconds": seconds(["make", "book"], 3),
        }
    }


def main() -> None:
    """Run the named parts (all of them by default) and merge them into the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=PARTS, help=f"any of: {', '.join(PARTS)}")
    parser.add_argument("--small", action="store_true", help="tiny sizes: does it run at all?")
    options = parser.parse_args()
    unknown = sorted(set(options.parts) - set(PARTS))
    if unknown:
        parser.error(f"unknown part {', '.join(unknown)}; choose from {', '.join(PARTS)}")
    work: dict[str, Callable[[bool], dict[str, Any]]] = {
        "imports": bench_imports,
        "harvest": bench_harvest,
        "zoo": bench_zoo,
        "device": bench_device,
        "growth": bench_growth,
        "latents": bench_latents,
        "book": bench_book,
    }
    found = json.loads(RESULT.read_text("utf-8")) if RESULT.exists() else {}
    for part in options.parts:
        found |= work[part](options.small)
    found |= {"processor_cores": os.cpu_count(), "python": platform.python_version()}
    text = json.dumps(found, indent=1) + "\n"
    sys.stdout.write(text)
    if not options.small:
        partial = RESULT.with_suffix(".part")
        partial.write_text(text, encoding="utf-8")
        partial.replace(RESULT)


if __name__ == "__main__":
    main()
