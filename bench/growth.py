"""What a grid of SAEs costs when its tokens, its width or its number of SAEs double.

    python bench/growth.py [--tokens 50000] [--width 384] [--saes 2]

Trains so many SAEs of one harvest, with nothing cached, and prints JSON: seconds for the harvest
and for the training, and this process's peak memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import torch

from saebook.zoo import HouseSource, SAESpec, get_saes
from saebook.zoo.stored import StreamHarvest


def main() -> None:
    """Train one grid and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=50_000)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--saes", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    specs = [
        SAESpec(n_tokens=options.tokens, d_sae=options.width, seed=seed, epochs=1)
        for seed in range(options.saes)
    ]
    source = HouseSource()
    source.subject_digest(specs[0].subject)  # loads the model outside the clock
    with tempfile.TemporaryDirectory() as root:
        start = time.perf_counter()
        StreamHarvest(specs[0].stream, [specs[0].hook_name], source, Path(root)).keep()
        harvested = time.perf_counter()
        get_saes(specs, source, cache_root=Path(root), use_shipped=False, progress=False)
        trained = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    row = {
        **{name: getattr(options, name) for name in ("tokens", "width", "saes")},
        "harvest_seconds": harvested - start,
        "training_seconds": trained - harvested,
        "peak_memory_mib": round(peak),
    }
    sys.stdout.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
