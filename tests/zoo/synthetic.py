"""A stream of activations with known sparse structure, in place of a model reading text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from saebook.zoo import SAESpec
from saebook.zoo.spec import StreamSpec

D_IN = 16
HOOK = "blocks.1.hook_resid_post"


def synthetic_activations(n: int, seed: int, d_in: int = D_IN) -> Tensor:
    """Sparse non-negative mixtures of 40 fixed directions around a mean, [n, d_in]."""
    fixed = torch.Generator().manual_seed(99)
    directions = torch.nn.functional.normalize(torch.randn(40, d_in, generator=fixed), dim=-1)
    mean = torch.randn(d_in, generator=fixed)
    drawn = torch.Generator().manual_seed(seed)
    on = torch.rand(n, 40, generator=drawn) < 0.06
    strength = 2 + torch.rand(n, 40, generator=drawn)
    return 3 * (on * strength) @ directions + mean


class SyntheticSource:
    """An activation source without a model; counts how often its stream is opened."""

    def __init__(self, digest: str = "weights-1", version: str = "text-1") -> None:
        self.digest, self.version = digest, version
        self.opened: list[StreamSpec] = []

    def subject_digest(self, name: str) -> str:
        return self.digest

    def corpus_version(self, name: str) -> str:
        return self.version

    def d_in(self, name: str) -> int:
        return D_IN

    def input_scale(self, name: str, hook_name: str) -> float | None:
        return None

    def stream(self, spec: StreamSpec, hook_names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
        self.opened.append(spec)
        part = 0
        while True:
            acts = synthetic_activations(500, 1000 * spec.data_seed + part)
            yield {name: acts + i for i, name in enumerate(hook_names)}
            part += 1


def small_spec(**changes: Any) -> SAESpec:
    """A spec that trains in about a second."""
    fields = {"subject": "synthetic", "hook_name": HOOK, "sparsity": 3, "d_sae": 4 * D_IN}
    return SAESpec(**{**fields, "n_tokens": 4096, "epochs": 1, **changes})
