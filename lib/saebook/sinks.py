"""A sink planted at the first position, for models too small to have grown one.

Large models carry a massive, nearly constant activation at the first position of whatever they
attend to. Small ones do not, so what it does to an SAE has to be built: one constant is added to
every block's output there and taken away again before the next block reads it. The model computes
what it computed before; its hook points show a sink.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from saebook.activations import stream_activations
from saebook.corpora import HasText, token_batches
from saebook.subjects import Subject, block_tensor, hook_name, with_block_tensor


class PlantedBlock(nn.Module):
    """A decoder block that takes one constant away at first positions and leaves another there."""

    taken: Tensor
    left: Tensor

    def __init__(self, block: nn.Module, taken: Tensor, left: Tensor) -> None:
        super().__init__()
        self.block = block
        self.register_buffer("taken", taken)
        self.register_buffer("left", left)

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Run the block between the two; needs `position_ids`, as transformers passes them."""
        first = (kwargs["position_ids"] == 0)[..., None].to(hidden_states.dtype)
        output = self.block(hidden_states - first * self.taken, *args, **kwargs)
        return with_block_tensor(output, block_tensor(output) + first * self.left)


class Ordinary(NamedTuple):
    """What ordinary tokens look like: all but the first of each text, a text a sequence."""

    norms: dict[int, float]
    """Median norm of each block's output."""
    scales: dict[str, float]
    """Factor by hook point that brings them to E||x||^2 = d_model."""


def ordinary_tokens(subject: Subject, texts: Sequence[str | HasText]) -> Ordinary:
    """Norms and scales of a subject's ordinary tokens on some texts."""
    acts = _ordinary(subject, texts)
    norms = {layer: float(x.norm(dim=-1).median()) for layer, x in acts.items()}
    squares = {layer: float(x.double().square().sum(-1).mean()) for layer, x in acts.items()}
    scales = {hook_name(layer): (subject.d_model / s) ** 0.5 for layer, s in squares.items()}
    return Ordinary(norms, scales)


def sink_ratio(subject: Subject, texts: Sequence[str | HasText], layer: int) -> float:
    """Norm at the first position over the median norm elsewhere, medians over texts."""
    batches = token_batches(subject, texts, _longest(subject), "single")
    parts = stream_activations(subject, batches, [layer])
    norms = torch.cat([part[hook_name(layer)].norm(dim=-1) for part in parts])
    first = torch.cat([batch.place[batch.mask] for batch in batches]) == 0
    return float(norms[first].median() / norms[~first].median())


def plant_sink(subject: Subject, norms: Mapping[int, float], ratio: float, seed: int) -> Subject:
    """Return the subject with a sink `ratio` times as long as an ordinary activation.

    Args:
        subject: The model; it is copied, not changed.
        norms: Ordinary norm of every block's output, see `ordinary_tokens`.
        ratio: Length of the constant in ordinary norms.
        seed: Of its direction, one for all blocks.

    Raises:
        ValueError: a ratio that is not positive, or a block without a norm.
    """
    if ratio <= 0:
        raise ValueError(f"a sink of {ratio:g} ordinary norms is none; give a positive ratio")
    if missing := sorted(set(range(subject.n_layers)) - set(norms)):
        raise ValueError(f"no ordinary norm for the blocks {missing} of {subject.name}")
    generator = torch.Generator().manual_seed(seed)
    unit = nn.functional.normalize(torch.randn(subject.d_model, generator=generator), dim=0)
    planted = replace(
        subject, name=f"{subject.name}+sink{ratio:g}", model=copy.deepcopy(subject.model)
    )
    taken = torch.zeros_like(unit)
    for layer, block in enumerate(list(planted.blocks)):
        last = layer == subject.n_layers - 1
        left = torch.zeros_like(unit) if last else ratio * norms[layer] * unit
        planted.blocks[layer] = PlantedBlock(block, taken, left).eval()
        taken = left
    return planted


def _longest(subject: Subject) -> int:
    return subject.model.config.max_position_embeddings


def _ordinary(subject: Subject, texts: Sequence[str | HasText]) -> dict[int, Tensor]:
    batches = token_batches(subject, texts, _longest(subject), "single")
    layers = range(subject.n_layers)
    parts: dict[int, list[Tensor]] = {layer: [] for layer in layers}
    for batch, read in zip(batches, stream_activations(subject, batches, layers), strict=True):
        later = batch.place[batch.mask] > 0
        for layer in layers:
            parts[layer].append(read[hook_name(layer)][later])
    return {layer: torch.cat(part) for layer, part in parts.items()}
