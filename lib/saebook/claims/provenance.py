"""What varies between two runs of the same numbers: time, machine, versions."""

from __future__ import annotations

import datetime
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from saebook import __version__

PACKAGES = ("numpy", "scipy", "pandas", "torch", "transformers", "sae-lens", "nnsight")


def versions() -> dict[str, str]:
    """Versions of saebook, Python and the packages that make numbers, where installed."""
    found = {"saebook": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def provenance(seconds: float) -> dict[str, Any]:
    """The content of `<slug>.run.json`; no host name and no path."""
    return {
        "seconds": seconds,
        "finished": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%MZ"),
        "processor": processor(),
        "cores": os.cpu_count() or 1,
        "threads": os.environ.get("OMP_NUM_THREADS", "unset"),
        "peak_memory_mb": peak_memory_mb(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions(),
    }


def processor() -> str:
    """The processor's model name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def peak_memory_mb() -> float | None:
    """Largest resident memory of this process in MB, where the system tells."""
    try:
        import resource
    except ImportError:  # Windows has no such module
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
