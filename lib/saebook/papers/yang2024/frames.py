"""Tidy frames between measuring and drawing."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats as scipy_stats

from saebook.papers.yang2024 import audit, effects, tables
from saebook.papers.yang2024.arms import AMPLIFIED_ORDERS, FREE, INTERFERENCE, PREREQUISITE
from saebook.papers.yang2024.exams import Exam
from saebook.papers.yang2024.orders import ORDERS, READINGS, order
from saebook.papers.yang2024.rows import Evidence, amplified_grid
from saebook.stats import holm, t_interval

WORLD_ORDER = (FREE, PREREQUISITE, INTERFERENCE)


def printed_heat(table: str) -> pd.DataFrame:
    """Printed gains: order, margin, gain, band (two binomial errors of a difference, 95 %).

    A margin averages several cells on shared questions, and each cell five runs; no spread is
    printed. The band takes questions as the only source of noise, and none for the runs.
    """
    gains, errors = audit.gains(table), audit.data_set_errors()
    of_models = float(np.sqrt((errors**2).sum())) / len(errors)
    band = dict.fromkeys(tables.MODELS, of_models) | {
        name: float(errors[name]) / len(tables.MODELS) ** 0.5 for name in tables.DATA_SETS
    }
    rows = [
        (o, m, gains.loc[o, m], 2 * 2**0.5 * band[str(m)])
        for o in gains.index
        for m in gains.columns
    ]
    return pd.DataFrame(rows, columns=["order", "margin", "gain", "band"])


def measured_heat(held: Evidence, world: str, label: str = "students") -> pd.DataFrame:
    """Measured gains in a world: order, margin, gain, band (95 % of one random order's gain)."""
    margins = effects.margins(held.grid(world, label)).mean(-1)
    shuffles = effects.margins(held.shuffles(world)).mean(-1)
    apart = np.abs(shuffles[:, None] - shuffles[None])
    pairs = apart[np.triu_indices(len(shuffles), 1)]
    band = 1.96 * np.sqrt((pairs**2).mean(0))
    names = [*held.models, *effects.SETS]
    rows = [
        (ORDERS[i], name, margins[i, j] - margins[0, j], band[j])
        for i in range(1, len(ORDERS))
        for j, name in enumerate(names)
    ]
    return pd.DataFrame(rows, columns=["order", "margin", "gain", "band"])


def strips(exam: Exam, difficulty: np.ndarray, reading: str, seed: int) -> pd.DataFrame:
    """Every order as it is shown: order, place, category (number), difficulty (rank, 0 to 1)."""
    names = sorted(set(exam.categories))
    ranks = pd.Series(difficulty).rank(pct=True).to_numpy()
    parts = []
    for name in ORDERS:
        shown = order(name, exam.categories, list(difficulty), seed, READINGS[reading])
        held = {
            "order": name,
            "place": np.arange(len(shown)),
            "category": [names.index(exam.categories[i]) for i in shown],
            "difficulty": ranks[shown],
        }
        parts.append(pd.DataFrame(held))
    return pd.concat(parts, ignore_index=True)


def null_frame(held: Evidence) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Best-of-five gains among random orders (world, gain), and what was found (world, gain)."""
    null, found = [], []
    for world in (PREREQUISITE, INTERFERENCE):
        draws = effects.null_gains(held.shuffles(world), held.n_resamples, held.seed)
        null.append(pd.DataFrame({"world": world, "gain": draws}))
        found.append((world, effects.average_best_gain(held.grid(world))))
    free = effects.average_best_gain(held.grid(FREE))
    found.append((FREE, free))
    return pd.concat(null, ignore_index=True), pd.DataFrame(found, columns=["world", "gain"])


def amplified_frame(held: Evidence) -> pd.DataFrame:
    """Accuracy of every order and run in the amplified worlds: world, order, seed, accuracy."""
    rows = [
        (world, name, seed, float(value))
        for world in (PREREQUISITE, INTERFERENCE)
        for name, runs in zip(
            AMPLIFIED_ORDERS, amplified_grid(held, world).mean((1, 2)), strict=True
        )
        for seed, value in enumerate(runs)
    ]
    return pd.DataFrame(rows, columns=["world", "order", "seed", "accuracy"])


def cell_spread(held: Evidence) -> pd.DataFrame:
    """Standard deviation over runs of a cell, by order and world, percentage points.

    A cell is one model and one test set; the mean over cells is shown, random orders first.
    """
    spread = {world: held.grid(world).std(-1, ddof=1).mean((1, 2)) for world in WORLD_ORDER}
    return pd.DataFrame(spread, index=list(ORDERS)).rename_axis("order")


def strategy_tests(held: Evidence, world: str) -> pd.DataFrame:
    """Each strategy's mean gain over runs with its t interval and Holm's p over the five."""
    gain = effects.gains(held.grid(world)).mean((1, 2))
    found = [t_interval(runs) for runs in gain]
    gain = gain.round(9)
    p = [
        float(scipy_stats.ttest_rel(runs, np.zeros_like(runs)).pvalue) if np.ptp(runs) else 1.0
        for runs in gain
    ]
    frame = pd.DataFrame(found, columns=["gain", "low", "high"], index=list(ORDERS[1:]))
    return frame.assign(p_holm=holm(p)).rename_axis(world)
