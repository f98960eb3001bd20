"""Which layer steers best (R12): vectors read and added at every block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from saebook.papers.mayne2024.parameters import Parameters
from saebook.papers.mayne2024.sources import Source
from saebook.papers.mayne2024.steerability import RANDOM, VECTOR, side_masses
from saebook.papers.mayne2024.vectors import contrasts_by_layer
from saebook.subjects import Subject

Row = dict[str, object]


def steer_layers(
    subject: Subject,
    source: Source,
    behaviours: Sequence[str],
    config: Parameters,
    coeffs: Sequence[float] = (-1.0, 1.0),
) -> pd.DataFrame:
    """Steerability of every block's vector and of a random direction of its norm.

    Args:
        subject: The model.
        source: Of its pairs and prompts.
        behaviours: Those to steer.
        config: Sizes, measure and seed.
        coeffs: Coefficients that lie evenly about 0, over which the slope is fitted; with the
            default it is half the difference of the log-odds.

    Returns:
        A row a behaviour, layer, vector (`VECTOR` or `RANDOM`) and item: slope, in nats per unit
        of coefficient.
    """
    layers, size = range(subject.n_layers), torch.tensor(coeffs)[:, None]
    weights = (size / size.square().sum())[:, 0].double().numpy()  # of the least-squares slope
    parts = []
    for i, name in enumerate(behaviours):
        read = contrasts_by_layer(subject, source, name, layers, config.n_pairs, config.seed)
        shifts = {
            layer: torch.cat([size * c.vector, size * c.random(1, config.seed + i)])
            for layer, c in read.items()
        }
        items = source.items(subject, name, config.measure, config.n_prompts, config.seed + 1)
        for layer, (positive, negative) in side_masses(subject, items, shifts).items():
            odds = (positive - negative).double().numpy().reshape(len(positive), 2, -1)
            parts += [
                pd.DataFrame({"vector": vector, "layer": layer, "behaviour": name, "slope": slope})
                for vector, slope in zip((VECTOR, RANDOM), (odds @ weights).T, strict=True)
            ]
    return pd.concat(parts, ignore_index=True)


def layer_frame(frame: pd.DataFrame, draws: int, seed: int) -> pd.DataFrame:
    """Mean steerability over behaviours by layer and vector, items resampled within behaviours.

    Columns vector, layer, estimate, low, high (95 % quantiles of the resamples).
    """
    rows = []
    for vector in (VECTOR, RANDOM):
        means = _resampled_means(frame, vector, draws, seed)
        own = _item_slopes(frame, vector).mean((0, 2))
        low, high = np.quantile(means, [0.025, 0.975], axis=0)
        rows += [
            (vector, layer, own[layer], min(low[layer], own[layer]), max(high[layer], own[layer]))
            for layer in range(len(own))
        ]
    return pd.DataFrame(rows, columns=["vector", "layer", "estimate", "low", "high"])


def best_layer_row(frame: pd.DataFrame, config: Parameters) -> Row:
    """R12: the block of largest mean steerability, with the spread of that block over resamples."""
    table = layer_frame(frame, config.n_resamples, config.seed)
    own = table[table["vector"] == VECTOR].set_index("layer")["estimate"]
    other = table[table["vector"] == RANDOM].set_index("layer")["estimate"]
    best = int(own.to_numpy().argmax())  # blocks count from 0
    spread = _resampled_means(frame, VECTOR, config.n_resamples, config.seed).argmax(1)
    low, high = np.quantile(spread, [0.025, 0.975], method="nearest")
    behaviours = frame[frame["vector"] == VECTOR].groupby(["behaviour", "layer"])["slope"].mean()
    return {
        "estimate": best,
        "low": min(int(low), best),
        "high": max(int(high), best),
        "n": config.n_prompts,
        "controls": {
            "steerability_of_a_random_direction_over_the_vector": abs(other[best] / own[best])
        },
        "detail": {
            "steerability": {str(layer): float(value) for layer, value in own.items()},
            "best_by_behaviour": {
                str(name): int(rows.to_numpy().argmax())
                for name, rows in behaviours.groupby(level=0, sort=False)
            },
        },
    }


def _item_slopes(frame: pd.DataFrame, vector: str) -> np.ndarray:
    """Slopes [behaviours, layers, items] of one kind of vector."""
    own = frame[frame["vector"] == vector]
    groups = own.groupby(["behaviour", "layer"], sort=False)["slope"]
    n_layers = own["layer"].nunique()
    stacked = np.stack([values.to_numpy() for _, values in groups])
    return stacked.reshape(-1, n_layers, stacked.shape[1])


def _resampled_means(frame: pd.DataFrame, vector: str, draws: int, seed: int) -> np.ndarray:
    """Mean slope by layer over resampled items, [draws, layers]; layers share their items."""
    slopes = _item_slopes(frame, vector)
    n = slopes.shape[2]
    rng = np.random.default_rng(seed)
    means = np.zeros((draws, slopes.shape[1]))
    for own in slopes:
        counts = rng.multinomial(n, np.full(n, 1 / n), size=draws)
        means += counts @ own.T / n
    return means / len(slopes)
