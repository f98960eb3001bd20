"""What a vector, its SAE reconstruction and a random direction do to behaviour (R13).

Two readings of behaviour, each as log-odds and as a share: the option letter at the end of
`answer : (`, and the content word after `answer : i would`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from saebook.papers.mayne2024.arms import Arm, SparseCoder
from saebook.papers.mayne2024.parameters import Parameters, even_grid
from saebook.steering import last_token_sweep
from saebook.subjects import Subject
from saebook.testbed import World, behaviour_pairs, free_prompts

VECTOR, WITH_BIAS, WITHOUT_BIAS, RANDOM = "v", "with b_dec", "without b_dec", "random"


@dataclass(frozen=True)
class Items:
    """Prompts of one behaviour and measure, with the next tokens that count for each side."""

    behaviour: str
    measure: str
    prompts: list[str]
    positive: list[list[int]]
    negative: list[list[int]]


def letter_items(subject: Subject, world: World, behaviour: str, n: int, seed: int) -> Items:
    """Prompts that end before the option letter; the matching letter is the positive token."""
    pairs = behaviour_pairs(world, behaviour, n, seed)
    ids = {letter: [_token(subject, letter)] for letter in "AB"}
    other = {"A": "B", "B": "A"}
    positive = [ids[pair.matching_letter] for pair in pairs]
    negative = [ids[other[pair.matching_letter]] for pair in pairs]
    return Items(behaviour, "letter", [pair.prompt for pair in pairs], positive, negative)


def free_items(subject: Subject, world: World, behaviour: str, n: int, seed: int) -> Items:
    """Prompts whose next word is the content; the poles' words are the two sides."""
    prompts = free_prompts(world, behaviour, n, seed)
    poles = [[_token(subject, w) for w in words] for words in world.pole_words(behaviour)]
    return Items(behaviour, "free", prompts, [poles[0]] * n, [poles[1]] * n)


ITEMS = {"letter": letter_items, "free": free_items}
"""Prompts of each measure."""


def _token(subject: Subject, word: str) -> int:
    """The id of a word that is one token. Raises ValueError otherwise."""
    ids = subject.encode([word], bos=False)[0]
    if len(ids) != 1 or subject.decode(ids).strip() != word:
        raise ValueError(f"{word!r} is not one token of {subject.name}: {ids}")
    return ids[0]


def reconstruction(sae: SparseCoder, vector: Tensor, bias: bool) -> Tensor:
    """Decode SAE(v), with or without b_dec, and bring it to v's norm; zero stays zero."""
    decoded = sae.encode(vector[None])[0] @ sae.W_dec + (sae.b_dec if bias else 0.0)
    norm = decoded.norm()
    return decoded if norm == 0 else decoded * vector.norm() / norm


def steering_candidates(arm: Arm, behaviour: str, seed: int) -> dict[str, Tensor]:
    """The vector, its two reconstructions and a random direction, all of v's norm, [d_model]."""
    contrast = arm.contrasts[behaviour]
    return {
        VECTOR: contrast.vector,
        WITH_BIAS: reconstruction(arm.sae, contrast.vector, bias=True),
        WITHOUT_BIAS: reconstruction(arm.sae, contrast.vector, bias=False),
        RANDOM: contrast.random(1, seed)[0],
    }


def steer(
    subject: Subject, items: Items, vectors: dict[str, Tensor], layer: int, coeffs: Sequence[float]
) -> pd.DataFrame:
    """Measure the next token under each vector and coefficient, steering the last prompt token.

    Returns:
        One row an item, vector and coefficient: behaviour, measure, vector, item, coeff, log_odds
        (nats), share (positive mass over both masses) and mass (both masses).
    """
    shifts = torch.stack([coeff * own for own in vectors.values() for coeff in coeffs])
    positive, negative = side_masses(subject, items, {layer: shifts})[layer]
    grid = [(v, c, i) for v in vectors for c in coeffs for i in range(len(items.prompts))]
    odds = (positive - negative).double().T.flatten()  # shift by shift, as the grid is
    frame = pd.DataFrame(grid, columns=["vector", "coeff", "item"])
    return frame.assign(
        behaviour=items.behaviour,
        measure=items.measure,
        log_odds=odds.numpy(),
        share=odds.sigmoid().numpy(),
        mass=torch.logaddexp(positive, negative).double().exp().T.flatten().numpy(),
    )


def side_masses(
    subject: Subject, items: Items, shifts: dict[int, Tensor]
) -> dict[int, tuple[Tensor, Tensor]]:
    """Log of the probability of either side's next tokens, by layer, [n_items, n_shifts] each.

    Args:
        subject: The model.
        items: Prompts and the tokens of both sides.
        shifts: What is added at the last prompt token, by layer, [n_shifts, d_model].
    """
    swept = last_token_sweep(subject, items.prompts, shifts)
    return {
        layer: (_mass(logprobs, items.positive), _mass(logprobs, items.negative))
        for layer, logprobs in swept.items()
    }


def _mass(logprobs: Tensor, tokens: Sequence[Sequence[int]]) -> Tensor:
    """Log of the summed probability of each item's tokens, [n_items, n_shifts]."""
    sets = zip(logprobs, tokens, strict=True)
    return torch.stack([rows[:, list(ids)].logsumexp(-1) for rows, ids in sets])


def steer_all(subject: Subject, world: World, arm: Arm, config: Parameters) -> pd.DataFrame:
    """Steer every behaviour on held-out prompts, under both measures (columns as `steer`)."""
    frames, coeffs = [], even_grid(config.coeff_max, config.n_coeffs)
    for i, behaviour in enumerate(arm.contrasts):
        vectors = steering_candidates(arm, behaviour, config.seed + i)
        for build in ITEMS.values():
            items = build(subject, world, behaviour, config.n_prompts, config.seed + 1)
            frames.append(steer(subject, items, vectors, config.layer, coeffs))
    return pd.concat(frames, ignore_index=True)
