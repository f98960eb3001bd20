"""The rows of the side questions (K7 to K10, K12, K13) from the records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from saebook.papers.yang2024 import effects
from saebook.papers.yang2024.arms import FREE, INTERFERENCE, PREREQUISITE
from saebook.papers.yang2024.effects import Floats
from saebook.papers.yang2024.rows import Evidence, Row, named
from saebook.papers.yang2024.tables import CURRICULA
from saebook.stats import Interval, t_interval

INTERLEAVED_CURRICULUM, INTERLEAVED = 5, 4


def labels_row(held: Evidence) -> Row:
    """K7: model labels against students' labels and against labels redrawn in each run, by order.

    A label serves only if it beats both: the smaller of the two differences counts.
    """
    plan, model = held.plan, held.plan.side_model
    held = held.more(plan.runs.side, plan.label_arms())
    parts, placebo, detail = {}, [], {}
    for order in CURRICULA:
        own, students, first, second = (
            held.side(plan.arm(model, PREREQUISITE, order, label))
            for label in ("models", "students", "redrawn", "redrawn again")
        )
        rivals = {"students": own - students, "redrawn": own - first}
        nearest = min(rivals, key=lambda name: rivals[name].mean())
        parts[order] = t_interval(rivals[nearest])
        detail[order] = {name: float(gap.mean()) for name, gap in rivals.items()}
        placebo.append(float((first - second).mean()))
    forward, backward = (
        held.side(plan.arm(model, PREREQUISITE, "Curriculum", label))
        for label in ("students", "reversed")
    )
    detail["easy to hard minus hard to easy"] = list(t_interval(forward - backward))
    return {
        **named(parts),
        "n": held.n_seeds,
        "controls": {"gain_of_one_permuted_label_over_another": float(np.mean(placebo))},
        "detail": detail,
    }


def best_overall_row(held: Evidence) -> Row:
    """K8: Interleaved Curriculum minus Interleaved, both worlds with an effect pooled."""

    def lead(world: str) -> Floats:
        grid = held.grid(world, "students" if world == FREE else "models")
        return (grid[INTERLEAVED_CURRICULUM] - grid[INTERLEAVED]).mean((0, 1))

    worlds = {world: lead(world) for world in (PREREQUISITE, INTERFERENCE)}
    return {
        **t_interval(np.mean(list(worlds.values()), axis=0))._asdict(),
        "n": held.n_seeds,
        "controls": {"difference_in_the_order_free_world": float(lead(FREE).mean())},
        "detail": {world: float(gap.mean()) for world, gap in worlds.items()},
    }


def large_row(held: Evidence) -> Row:
    """K9: Curriculum's gain on the larger exam; a second shuffle is the order-free curriculum."""
    plan, model = held.plan, held.plan.side_model
    large: dict[str, Any] = {"n_items": plan.n_large}
    random, second = (
        held.side(plan.arm(model, PREREQUISITE, "Random", draw=draw, **large)) for draw in (0, 1)
    )
    own = held.side(plan.arm(model, PREREQUISITE, "Curriculum", **large))
    return {
        **t_interval(own - random)._asdict(),
        "n": held.n_seeds,
        "controls": {"gain_in_the_order_free_world": float((second - random).mean())},
        "detail": {"questions": plan.n_large, "accuracy": float(own.mean())},
    }


def clusters_row(held: Evidence) -> Row:
    """K10: average best-of-five gain with found categories beyond the null, interference world."""
    own = held.more(held.plan.runs.side, held.plan.cluster_arms())
    control = grouped_beyond_null(own, INTERFERENCE, "random").estimate
    return {
        **grouped_beyond_null(own, INTERFERENCE, "clustered")._asdict(),
        "n": own.n_seeds,
        "controls": {"gain_with_random_categories_beyond_null": control},
    }


def grouped_beyond_null(held: Evidence, world: str, categories: str) -> Interval:
    """Average best gain of the side model under other categories, beyond the null."""
    plan, model = held.plan, held.plan.side_model
    arms = plan.grouped(model, world, categories, held.label)
    grid, shuffles = held.table.grid([arms], held.seeds), held.shuffles(world, [model])
    return effects.beyond_null(grid, shuffles, held.n_resamples, held.seed)


def repetition_row(held: Evidence) -> Row:
    """K12: each block three times against three epochs of blocks: as many steps, other order."""
    plan, model = held.plan, held.plan.side_model
    held = held.more(plan.runs.side, plan.repetition_arms())
    once, thrice, epochs = (
        held.side(plan.arm(model, PREREQUISITE, "Blocked", show=show))
        for show in ("once", "each block three times", "three epochs")
    )
    return {
        **t_interval(thrice - epochs)._asdict(),
        "n": held.n_seeds,
        "controls": {"gain_by_three_epochs": float((epochs - once).mean())},
        "detail": {"repeated_minus_once": float((thrice - once).mean())},
    }


def rate_row(held: Evidence) -> Row:
    """K13: effect of order at a constant rate over that under linear decay, prerequisite world."""
    n_null = null_draws(held)
    control = effects.order_effect(held.grid(FREE), held.shuffles(FREE), n_null, held.seed)
    controls = {"order_effect_in_the_order_free_world": control}
    return {**rate_ratio(held, PREREQUISITE), "controls": controls}


def null_draws(held: Evidence) -> int:
    """Draws of the null spread of an order effect; its mean needs fewer than a quantile."""
    return max(50, held.n_resamples // 10)


def rate_ratio(held: Evidence, world: str) -> Row:
    """Effect of order on the side model at a constant rate over that under linear decay.

    Where linear decay leaves next to nothing, 0.05 points stand for it, so that the ratio exists.
    """
    effect = {decay: _effect(held, world, decay) for decay in ("linear", "constant")}

    def ratio(index: Any) -> float:
        return effect["constant"](index) / max(effect["linear"](index), effects.SMALLEST)

    every = np.arange(held.n_seeds)
    detail = {decay: of(every) for decay, of in effect.items()}
    return {**held.resampled(ratio)._asdict(), "n": held.n_seeds, "detail": detail}


def _effect(held: Evidence, world: str, decay: str) -> Callable[[Any], float]:
    """Order effect of the side model as a function of the seeds that are looked at."""
    plan, model = held.plan, held.plan.side_model
    grid = held.table.grid([plan.six(model, world, held.label, decay=decay)], held.seeds)
    shuffles = held.table.grid([plan.shuffles(model, world, decay=decay)], held.seeds)
    rng = np.random.default_rng(held.seed)
    plays = [effects.reassigned(shuffles, rng) for _ in range(null_draws(held))]
    null = float(np.mean([effects.order_spread(play) for play in plays]))
    return lambda index: effects.order_spread(grid[..., index]) - null
