"""How fast the zoo trains, against a plain matrix product and against one run an SAE.

    python bench/zoo.py [--subject gemma2-base] [--tokens 100000] [--specs 30]

Prints JSON. Two comparisons:

* `grid`: the house grid's SAEs from one harvest, one after another and in stacks, against the same
  number of single sae-lens runs that each read the model anew. Of the latter, one of each
  architecture is run; the rest is extrapolated from their mean, and the output says so.
* `trainer`: tokens a second of one SAE a training step of sae-lens, against the six matrix
  products that forward and backward passes of its encoder and decoder cannot do without.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from saebook.zoo import ARCHITECTURES, HouseSource, SAESpec, get_saes, house_grid
from saebook.zoo.harvest import Harvest, harvest
from saebook.zoo.recipes import recipe_of
from saebook.zoo.train import batch_size_for, fit, training_tokens


def seconds(work: Callable[[], Any]) -> float:
    """Processor time of a call; on one thread that is its wall time on an idle machine."""
    start = time.process_time()
    work()
    return time.process_time() - start


def matmul_tokens_per_second(batch: int, d_in: int, d_sae: int, repeats: int = 60) -> float:
    """Tokens a second of the six products of one training step, nothing else."""
    x, codes = torch.randn(batch, d_in), torch.randn(batch, d_sae)
    w = torch.randn(d_in, d_sae)

    def step() -> None:
        for _ in range(2):  # encoder forward and codes' gradient
            x @ w
        for _ in range(2):  # decoder forward and input's gradient
            codes @ w.T
        for _ in range(2):  # both weight gradients
            x.T @ codes

    step()
    return batch * repeats / seconds(lambda: [step() for _ in range(repeats)])


def trainer_shares(data: Harvest, base: SAESpec) -> dict[str, Any]:
    """Tokens a second of each architecture, and as a share of the bare products."""
    batch, d_in = batch_size_for(base, recipe_of(base)), data.train.shape[1]
    bare = matmul_tokens_per_second(batch, d_in, base.d_sae)
    rows = []
    for architecture in ARCHITECTURES:
        spec = base.model_copy(update={"architecture": architecture})
        speed = training_tokens(spec) / seconds(lambda spec=spec: fit(spec, data))
        rows.append(
            {
                "architecture": architecture,
                "tokens_per_second": round(speed),
                "share_of_matmul": speed / bare,
            }
        )
    return {"batch": batch, "matmul_tokens_per_second": round(bare), "architectures": rows}


def grid_against_singles(specs: list[SAESpec], singles: int) -> dict[str, Any]:
    """Time of all specs from one harvest, and of some of them each from its own."""
    source = HouseSource()
    source.subject_digest(specs[0].subject)  # loads the model outside the clock
    chosen = [spec for i, spec in enumerate(specs) if i in _spread(len(specs), singles)]
    with tempfile.TemporaryDirectory() as root:

        def run(wanted: list[SAESpec], name: str, stacked: bool = False) -> float:
            options: dict[str, Any] = {"use_shipped": False, "progress": False, "stacked": stacked}
            return seconds(lambda: get_saes(wanted, source, cache_root=Path(root, name), **options))

        stacked = run(specs, "stacked", stacked=True)
        together = run(specs, "one")
        alone = [run([spec], spec.label) for spec in chosen]
    extrapolated = sum(alone) / len(alone) * len(specs)
    return {
        "n_saes": len(specs),
        "one_stream_seconds": together,
        "stacked_seconds": stacked,
        "sae_activations_per_second": sum(map(training_tokens, specs)) / together,
        "singles_measured": [s.label for s in chosen],
        "singles_seconds_extrapolated": extrapolated,
        "speed_up_extrapolated": extrapolated / together,
        "stacked_speed_up_extrapolated": extrapolated / stacked,
    }


def _spread(n: int, k: int) -> set[int]:
    """k of n places, evenly apart, so that a grid in order gives each architecture alike."""
    return {(2 * i + 1) * n // (2 * k) for i in range(k)}


def _with_full_batches(spec: SAESpec) -> SAESpec:
    """The same spec with enough epochs for the recipe's own batch size, at a middling L0."""
    recipe = recipe_of(spec)
    epochs = -(-recipe.min_steps * recipe.batch_size // spec.n_tokens)
    return spec.model_copy(update={"epochs": epochs, "sparsity": 13.0})


def main() -> None:
    """Run both comparisons and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subject", default="gemma2-base")
    parser.add_argument("--tokens", type=int, default=100_000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--specs", type=int, default=30)
    parser.add_argument("--singles", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    changes = {"n_tokens": options.tokens, "epochs": options.epochs}
    grid = [spec.model_copy(update=changes) for spec in house_grid(options.subject)]
    specs = grid[:: max(1, len(grid) // options.specs)][: options.specs]
    stream = HouseSource().stream(specs[0].stream, [specs[0].hook_name])
    data = harvest(stream, [specs[0].hook_name], options.tokens)[specs[0].hook_name]
    result = {
        "trainer": trainer_shares(data, _with_full_batches(specs[0])),
        "grid": grid_against_singles(specs, options.singles),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
