"""How fast SAEs are trained on one device at the sizes of a published model.

    python bench/device.py [--device cuda] [--d-in 2304] [--d-sae 16384] [--batch 4096]

Prints JSON. Activations are random and lie on the device: harvesting is not counted. For each
architecture, tokens a second

* of the matrix products that one training step cannot do without, and nothing else;
* of sae-lens's own trainer on one SAE, and its share of those products;
* of one SAE in a stack of its own, and its share;
* of several SAEs in one stack, against as many single runs of sae-lens's trainer.

On a card products are taken in bfloat16. Without one, small sizes show that it runs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from saebook.zoo import SAESpec
from saebook.zoo.spec import Architecture
from saebook.zoo.stacked import StackedTraining
from saebook.zoo.train import Training

ON_CARD = {"d_in": 2304, "d_sae": 16_384, "batch": 4096, "steps": 60, "saes": 8}
ON_PROCESSOR = {"d_in": 96, "d_sae": 768, "batch": 256, "steps": 20, "saes": 3}
ARCHITECTURES: tuple[Architecture, ...] = ("topk", "standard")
WARM_UP = 5
"""Steps before the clock starts."""


class Steps(Protocol):
    """What takes training steps."""

    def step(self, batch: Tensor) -> None: ...


def tokens_per_second(work: Callable[[], Any], tokens: int, steps: int, device: str) -> float:
    """Speed of so many calls after a warm-up, the device's queue emptied on both sides.

    By the wall on a card; by processor time without one, as the other benchmarks of training.
    """
    clock = time.perf_counter if torch.device(device).type == "cuda" else time.process_time
    for _ in range(WARM_UP):
        work()
    _wait(device)
    start = clock()
    for _ in range(steps):
        work()
    _wait(device)
    return steps * tokens / (clock() - start)


def _wait(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def products(x: Tensor, d_sae: int, dtype: torch.dtype) -> Callable[[], None]:
    """The five products of one step: two forward, one to the codes, one to each weight."""
    x = x.to(dtype)
    codes = torch.randn(len(x), d_sae, device=x.device, dtype=dtype)
    encoder = torch.randn(x.shape[1], d_sae, device=x.device, dtype=dtype)
    decoder = encoder.T.contiguous()

    def step() -> None:
        x @ encoder
        codes @ decoder
        x @ decoder.T
        codes.T @ x
        x.T @ codes

    return step


def measured(architecture: Architecture, sizes: dict[str, int], device: str) -> dict[str, Any]:
    """All speeds of one architecture."""
    batch, steps = sizes["batch"], sizes["steps"]
    x = torch.randn(batch, sizes["d_in"], device=device)
    on_card = torch.device(device).type == "cuda"
    dtype = torch.bfloat16 if on_card else torch.float32

    def spec(seed: int) -> SAESpec:
        return SAESpec(
            architecture=architecture, sparsity=sizes["d_in"] // 32, d_sae=sizes["d_sae"],
            n_tokens=100 * batch * steps, epochs=1, seed=seed,
            recipe="2-bfloat16" if on_card else "2",
        )  # fmt: skip

    def speed(training: Steps) -> float:
        return tokens_per_second(lambda: training.step(x), batch, steps, device)

    bare = tokens_per_second(products(x, sizes["d_sae"], dtype), batch, steps, device)
    single = speed(Training(spec(0), sizes["d_in"], device))
    alone = speed(StackedTraining([spec(0)], sizes["d_in"], device))
    n = sizes["saes"]
    together = speed(StackedTraining([spec(i) for i in range(n)], sizes["d_in"], device))
    return {
        "architecture": architecture,
        "products_tokens_per_second": round(bare),
        "sae_lens_tokens_per_second": round(single),
        "sae_lens_share_of_products": single / bare,
        "stack_of_one_tokens_per_second": round(alone),
        "stack_of_one_share_of_products": alone / bare,
        "n_saes": n,
        "stack_sae_tokens_per_second": round(together * n),
        "stack_share_of_products": together * n / bare,
        "stack_speed_up": together * n / single,
    }


def main() -> None:
    """Measure and print."""
    default = "cuda" if torch.cuda.is_available() else "cpu"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default=default)
    for name in ON_CARD:
        parser.add_argument("--" + name.replace("_", "-"), type=int)
    options = vars(parser.parse_args())
    device = options.pop("device")
    on_card = torch.device(device).type == "cuda"
    sizes = ON_CARD if on_card else ON_PROCESSOR
    sizes = sizes | {name: value for name, value in options.items() if value is not None}
    if not on_card:
        torch.set_num_threads(1)
    torch.set_float32_matmul_precision("high")
    result = {
        "device": torch.cuda.get_device_name(device) if on_card else "processor",
        "precision": "bfloat16 products, float32 weights" if on_card else "float32",
        **sizes,
        "architectures": [measured(name, sizes, device) for name in ARCHITECTURES],
    }
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
