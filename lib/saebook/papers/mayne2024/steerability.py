"""What a vector, its SAE reconstruction and a random direction do to behaviour (R13).

A behaviour is read as log-odds and as a share of the next tokens that a source counts for either
side: the option letter after an opening bracket, or in the world also the content word of a free
answer.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor

from saebook.papers.mayne2024.arms import Arm, SparseCoder
from saebook.papers.mayne2024.parameters import Parameters, even_grid
from saebook.papers.mayne2024.sources import Items, Source
from saebook.steering import last_token_sweep
from saebook.subjects import Subject

VECTOR, WITH_BIAS, WITHOUT_BIAS, RANDOM = "v", "with b_dec", "without b_dec", "random"


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
    counted = sorted({i for side in (items.positive, items.negative) for ids in side for i in ids})
    swept = last_token_sweep(subject, items.prompts, shifts, tokens=counted)
    column = {token: i for i, token in enumerate(counted)}
    positive, negative = (
        [[column[i] for i in ids] for ids in side] for side in (items.positive, items.negative)
    )
    return {
        layer: (_mass(logprobs, positive), _mass(logprobs, negative))
        for layer, logprobs in swept.items()
    }


def _mass(logprobs: Tensor, columns: Sequence[Sequence[int]]) -> Tensor:
    """Log of the summed probability of each item's tokens, [n_items, n_shifts]."""
    sets = zip(logprobs, columns, strict=True)
    return torch.stack([rows[:, list(held)].logsumexp(-1) for rows, held in sets])


def steer_all(subject: Subject, source: Source, arm: Arm, config: Parameters) -> pd.DataFrame:
    """Steer every behaviour on held-out prompts, under all the source's measures.

    Columns as `steer`.
    """
    frames, coeffs = [], even_grid(config.coeff_max, config.n_coeffs)
    for i, behaviour in enumerate(arm.contrasts):
        vectors = steering_candidates(arm, behaviour, config.seed + i)
        for measure in source.measures:
            items = source.items(subject, behaviour, measure, config.n_prompts, config.seed + 1)
            frames.append(steer(subject, items, vectors, config.layer, coeffs))
    return pd.concat(frames, ignore_index=True)
