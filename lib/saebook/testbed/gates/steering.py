"""Gates on steering: a contrastive vector read at the option letter must move the behaviour."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from saebook.testbed.gates.language import encode
from saebook.testbed.gates.result import GateResult
from saebook.testbed.house import DEFAULT_LAYER, HouseModel
from saebook.testbed.registers.behaviours import behaviour_pairs, free_prompts
from saebook.testbed.tokenizers import word_ids
from saebook.testbed.world import World

INF = math.inf
MOVES = 0.15
"""Change of the matching share between +v and -v from which a behaviour counts as steered."""
UNDECIDED = (0.35, 0.65)
"""Matching share without steering that leaves room in both directions."""
ENOUGH = 5
"""Behaviours of seven that a gate on steering asks for."""
MEAN_SHARES = {0.0: (0.0, 0.25), 3.0: (0.5, 1.0)}
"""Bounds of ||mean||^2 / E||a||^2 by residual mean: too small to dominate, and large enough."""


@contextmanager
def _block_output(house: HouseModel, layer: int, edit) -> Iterator[None]:
    block = house.model.model.layers[layer]
    handle = block.register_forward_hook(lambda _m, _i, out: edit(out))
    try:
        yield
    finally:
        handle.remove()


@torch.no_grad()
def _run(house: HouseModel, text: str, layer: int, edit) -> Tensor:
    with _block_output(house, layer, edit):
        ids = torch.tensor([encode(house, text.split())])
        return house.model(input_ids=ids, use_cache=False).logits[0, -1]


def last_activation(house: HouseModel, text: str, layer: int) -> Tensor:
    """Return the output [d] of a block at the last token of a text."""
    seen: list[Tensor] = []
    _run(house, text, layer, lambda out: seen.append(out[0, -1].clone()) or out)
    return seen[0]


def letter_vector(
    house: HouseModel, world: World, behaviour: str, layer: int, n: int, seed: int
) -> Tensor:
    """Return the mean difference [d] of block outputs at the two option letters (CAA)."""
    pairs = behaviour_pairs(world, behaviour, n, seed)
    differences = [
        last_activation(house, p.positive, layer) - last_activation(house, p.negative, layer)
        for p in pairs
    ]
    return torch.stack(differences).mean(0)


@dataclass(frozen=True)
class Movement:
    """How far plus and minus a vector move a behaviour."""

    unsteered: float
    choice: float
    """P(matching letter) at +coeff minus at -coeff."""
    free: float
    """P(matching verb | a pole's verb) at +coeff minus at -coeff."""


def _share(logits: Tensor, matching: Sequence[int], other: Sequence[int]) -> float:
    probabilities = logits.softmax(-1)
    first, second = probabilities[list(matching)].sum(), probabilities[list(other)].sum()
    return float(first / (first + second))


def behaviour_movement(
    house: HouseModel,
    world: World,
    behaviour: str,
    vector: Tensor,
    layer: int,
    coeff: float,
    n: int,
    seed: int,
) -> Movement:
    """Measure letter choice and free answers at -coeff, 0 and +coeff, the last token steered."""
    poles = [word_ids(house.tokenizer, words) for words in world.pole_words(behaviour)]
    pairs = behaviour_pairs(world, behaviour, n, seed + 1)
    prompts = free_prompts(world, behaviour, n, seed + 1)

    def mean(scale: float, free: bool) -> float:
        def edit(out: Tensor) -> Tensor:
            return torch.cat([out[:, :-1], out[:, -1:] + scale * vector], 1)

        if free:
            return sum(_share(_run(house, p, layer, edit), poles[0], poles[1]) for p in prompts) / n
        letters = dict(zip("AB", word_ids(house.tokenizer, "AB"), strict=True))
        shares = (
            _share(
                _run(house, p.prompt, layer, edit),
                [letters[p.matching_letter]],
                [i for letter, i in letters.items() if letter != p.matching_letter],
            )
            for p in pairs
        )
        return sum(shares) / n

    return Movement(
        mean(0.0, False),
        mean(coeff, False) - mean(-coeff, False),
        mean(coeff, True) - mean(-coeff, True),
    )


def movements(
    house: HouseModel, world: World, layer: int, coeff: float, n: int, seed: int
) -> dict[str, Movement]:
    """Return the movement of each of the seven behaviours."""
    return {
        b: behaviour_movement(
            house, world, b, letter_vector(house, world, b, layer, n, seed), layer, coeff, n, seed
        )
        for b in world.behaviours
    }


def steering_gates(
    house: HouseModel,
    world: World,
    n: int,
    seed: int,
    layer: int = DEFAULT_LAYER,
    coeff: float = 1.0,
) -> list[GateResult]:
    """At least five of seven behaviours must move by .15; unsteered choices must be undecided."""
    moved = movements(house, world, layer, coeff, n, seed)
    total, (low, high) = n * len(moved), UNDECIDED
    counts = {
        kind: sum(getattr(m, kind) >= MOVES for m in moved.values()) for kind in ("choice", "free")
    }
    either = sum(max(m.choice, m.free) >= MOVES for m in moved.values())
    undecided = sum(low <= m.unsteered <= high for m in moved.values())
    says = f"behaviours moved by {MOVES} (choice {counts['choice']}, free answer {counts['free']})"
    return [
        GateResult(
            "steering-moves", "mayne2024", house.name, either, ENOUGH, 7, "behaviours", says, total
        ),
        GateResult(
            "unsteered-undecided",
            "mayne2024",
            house.name,
            undecided,
            ENOUGH,
            7,
            "behaviours",
            "behaviours with 35-65 % matching letters unsteered",
            total,
        ),
    ]


@torch.no_grad()
def block_outputs(
    house: HouseModel, world: World, register: str, layer: int, n: int, seed: int
) -> list[Tensor]:
    """Return the block outputs [tokens, d] of `n` texts of one register, BOS included."""
    kept: list[Tensor] = []
    for text in world.sample(register, n, seed):
        _run(house, text.text, layer, lambda out: kept.append(out[0].clone()) or out)
    return kept


def mean_gate(
    house: HouseModel, world: World, n: int, seed: int, layer: int = DEFAULT_LAYER
) -> GateResult:
    """Share of the mean squared activation norm that the mean activation holds, BOS left out."""
    first = 0 if house.tokenizer.bos_token_id is None else 1
    acts = torch.cat(
        [a[first:] for a in block_outputs(house, world, "encyclopaedia", layer, n, seed)]
    )
    value = float(acts.mean(0).square().sum() / acts.square().sum(1).mean())
    low, high = MEAN_SHARES.get(house.spec.residual_mean, (0.0, 1.0))
    says = f"||mean||^2 / E||a||^2 at block {layer}, knob {house.spec.residual_mean:g}"
    return GateResult("residual-mean", "mayne2024", house.name, value, low, high, "share", says, n)


def sink_gate(
    house: HouseModel, world: World, n: int, seed: int, layer: int = DEFAULT_LAYER
) -> GateResult:
    """Norm at position 0 over the median norm: an attention sink shows as at least five."""
    outputs = block_outputs(house, world, "encyclopaedia", layer, n, seed)
    rest = torch.cat([a[1:] for a in outputs]).norm(dim=1).median()
    value = float(torch.stack([a[0] for a in outputs]).norm(dim=1).mean() / rest)
    return GateResult(
        "position-0-norm",
        "li2025",
        house.name,
        value,
        5.0,
        INF,
        "times the median",
        f"norm at position 0 of block {layer}",
        n,
    )
