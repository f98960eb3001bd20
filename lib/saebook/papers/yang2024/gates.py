"""What has to hold before a testbed row of this chapter means anything."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from saebook.papers.yang2024 import effects, tables
from saebook.papers.yang2024.arms import FREE, INTERFERENCE, PREREQUISITE, Plan
from saebook.papers.yang2024.effects import SETS, standard_errors
from saebook.papers.yang2024.rows import BLOCKED, CURRICULUM, Evidence, amplified_grid

ABOVE = 2.0
"""Standard errors above chance that a model needs."""
STRONG = 3.0
"""Standard errors that a positive control needs."""
FALSE_PASSES = 0.10
"""Largest share of false passes in the order-free world."""


def known_models(held: Evidence) -> tuple[str, ...]:
    """The models on record, and the one that was added to be at chance if it is."""
    arms = held.plan.chance()
    added = (held.plan.chance_model,) if arms and held.table.holds(arms) else ()
    return (*held.models, *added)


def asked_here(plan: Plan, n_test: int) -> dict[str, tuple[float, int]]:
    """Return the chance of guessing rightly, and the number of questions, by test set.

    LEK is a quarter of the exam; of each other set `n_test` questions are asked.
    """
    sizes = {"LEK": plan.n_items // 4, "MedMCQA": n_test, "MedQA": n_test}
    return {name: (1 / tables.OPTIONS[name], sizes[name]) for name in SETS}


def chance_frame(
    held: Evidence,
    asked: Mapping[str, tuple[float, int]],
    worlds: Sequence[str] = (PREREQUISITE, INTERFERENCE),
) -> pd.DataFrame:
    """Return each model's accuracy in random order against guessing, worlds pooled.

    Columns accuracy, chance, standard_errors (binomial, of the mean of the three sets asked once:
    a run's own questions are its evidence, so runs do not multiply it), above.

    Args:
        held: The records and the models they are about, `known_models`.
        asked: Chance and number of questions by test set, as `asked_here` gives them.
        worlds: Whose random orders are read.
    """
    error = np.sqrt(sum(g * (1 - g) / n for g, n in asked.values())) / len(asked)
    chance, rows = float(np.mean([g for g, _ in asked.values()])), {}
    for model in known_models(held):
        grids = [held.shuffles(world, [model]) for world in worlds]
        accuracy = float(np.mean(grids)) / 100
        away = (accuracy - chance) / error
        rows[model] = (100 * accuracy, 100 * chance, away, away >= ABOVE)
    columns = ["accuracy", "chance", "standard_errors", "above"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def above_chance(held: Evidence, frame: pd.DataFrame) -> Evidence:
    """Return the evidence of models above chance; of all where none is: then the gate failed."""
    names = tuple(model for model in held.models if frame.loc[model, "above"])
    return dataclasses.replace(held, models=names or held.models)


def false_passes(held: Evidence) -> dict[str, float]:
    """Return the share of false passes in the order-free world: ours, the paper's, and any gain.

    The order-free world's own six orders are handed round among themselves; our null comes from
    the random orders.
    """
    return effects.false_pass_rates(
        held.grid(FREE), held.shuffles(FREE), held.n_resamples, held.seed
    )


def positive_controls(held: Evidence) -> pd.DataFrame:
    """Return the expected effect of each amplified world over seeds.

    Prerequisite: Curriculum minus Random. Interference: Random minus Blocked, since a shuffle is
    interleaved already. No rows where an amplified arm has no
    record. Columns contrast, effect (percentage points), standard_errors, n.
    """
    arms = [*held.plan.amplified(PREREQUISITE), *held.plan.amplified(INTERFERENCE)]
    if not held.table.holds(arms):
        return pd.DataFrame(columns=["contrast", "effect", "standard_errors", "n"])
    first = amplified_grid(held, PREREQUISITE).mean((1, 2))
    second = amplified_grid(held, INTERFERENCE).mean((1, 2))
    contrasts = {
        PREREQUISITE: ("Curriculum minus Random", first[CURRICULUM] - first[0]),
        INTERFERENCE: ("Random minus Blocked", second[0] - second[BLOCKED]),
    }
    rows = {
        world: (says, float(gap.mean()), standard_errors(gap), len(gap))
        for world, (says, gap) in contrasts.items()
    }
    columns = ["contrast", "effect", "standard_errors", "n"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def control_holds(frame: pd.DataFrame) -> bool:
    """Whether one of the amplified worlds shows its effect."""
    return len(frame) > 0 and bool((frame["standard_errors"] >= STRONG).any())
