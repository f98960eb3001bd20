"""The rows about best gains, interleaving and winners (K1 to K6, K11, K14) from the records."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from saebook.papers.yang2024 import effects
from saebook.papers.yang2024.arms import FREE, INTERFERENCE, PREREQUISITE, Arm, Plan
from saebook.papers.yang2024.effects import Floats, Table, resampled_seeds
from saebook.papers.yang2024.records import MissingRecords
from saebook.stats import Interval, t_interval

Row = dict[str, Any]
CURRICULUM, BLOCKED, INTERLEAVED = 1, 2, 4
"""Places of orders in a grid."""


@dataclass(frozen=True)
class Evidence:
    """The records with the plan they follow, and what all rows share."""

    table: Table
    plan: Plan
    models: tuple[str, ...]
    """Models above chance: those that every row but K14 rests on."""
    n_resamples: int
    seed: int
    n_runs: int = 0
    """Runs of a cell that are read; the plan's usual number if 0."""
    label: str = "students"
    """Difficulty label of the curricula where a row names none."""

    def more(self, n_runs: int, arms: Sequence[Arm]) -> Evidence:
        """Return the same with as many runs of a cell as planned and as all arms have on record.

        Never fewer than usual: what lacks even those is missing.
        """
        there = self.table.runs_on_record(arms, self.plan.runs.seeds(n_runs))
        return dataclasses.replace(self, n_runs=max(there, self.plan.runs.usual))

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the runs that are read."""
        return self.plan.runs.seeds(self.n_seeds)

    @property
    def n_seeds(self) -> int:
        """Runs of a cell."""
        return self.n_runs or self.plan.runs.usual

    def grid(self, world: str, label: str = "", models: Sequence[str] = ()) -> Floats:
        """Return the six orders' accuracies in a world [6, models, sets, seeds]."""
        held, used = models or self.models, label or self.label
        return self.table.grid([self.plan.six(m, world, used) for m in held], self.seeds)

    def shuffles(self, world: str, models: Sequence[str] = ()) -> Floats:
        """Return the random orders' accuracies in a world [draws, models, sets, seeds]."""
        held = models or self.models
        own = PREREQUISITE if world == FREE else world
        return self.table.grid([self.plan.shuffles(m, own) for m in held], self.seeds)

    def one(self, make: Callable[[str], Arm]) -> Floats:
        """Return the accuracies of one arm of each model [models, sets, seeds]."""
        return np.stack([self.table.accuracy(make(model), self.seeds) for model in self.models])

    def side(self, arm: Arm) -> Floats:
        """Return a side question's mean accuracy over test sets [seeds]."""
        return self.table.accuracy(arm, self.seeds).mean(0)

    def beyond_null(self, world: str, models: Sequence[str] = ()) -> Interval:
        """Return the average best gain in a world beyond its null, see `effects.beyond_null`."""
        grid, shuffles = self.grid(world, models=models), self.shuffles(world, models)
        return effects.beyond_null(grid, shuffles, self.n_resamples, self.seed)

    def null_bar(self, world: str) -> float:
        """Return the 95th percentile of best-of-five gains among random orders."""
        null = effects.null_gains(self.shuffles(world), self.n_resamples, self.seed)
        return float(np.quantile(null, effects.LEVEL))

    def resampled(self, statistic: Callable[[Any], float]) -> Interval:
        """Return a statistic over resampled seeds."""
        return resampled_seeds(statistic, self.n_seeds, self.n_resamples, self.seed)


def named(intervals: Mapping[str, Interval]) -> Row:
    """Return several intervals in the shape of a rule with parts or cells."""
    ends = ("estimate", "low", "high")
    return {end: {name: getattr(i, end) for name, i in intervals.items()} for end in ends}


def _mean(gain: Floats) -> Floats:
    """Mean over models and test sets of [models, sets, seeds]."""
    return gain.mean((0, 1))


def best_gain_row(held: Evidence) -> Row:
    """K1: average best-of-five gain beyond the null, one cell a world."""
    found = {world: held.beyond_null(world) for world in (PREREQUISITE, INTERFERENCE)}
    gains = {w: effects.average_best_gain(held.grid(w)) for w in (*found, FREE)}
    bars = {world: held.null_bar(world) for world in found}
    control = held.beyond_null(FREE).estimate
    return {
        **named(found),
        "n": held.n_seeds,
        "controls": {"gain_beyond_null_in_the_order_free_world": control},
        "detail": {"average_best_gain": gains, "null_95th_percentile": bars},
    }


def ceiling_row(held: Evidence) -> Row:
    """K2: largest gain on a test set, with the amplified worlds as control."""
    grids = {world: held.grid(world) for world in (PREREQUISITE, INTERFERENCE)}

    def largest(index: Any) -> float:
        return max(effects.largest_set_gain(grid[..., index]) for grid in grids.values())

    amplified = [effects.largest_set_gain(amplified_grid(held, world)) for world in grids]
    return {
        **held.resampled(largest)._asdict(),
        "n": held.n_seeds,
        "controls": {"gain_in_the_amplified_world": max(amplified)},
        "detail": {world: effects.largest_set_gain(grid) for world, grid in grids.items()},
    }


def amplified_grid(held: Evidence, world: str) -> Floats:
    """Return `AMPLIFIED_ORDERS` in an amplified world, one model [orders, 1, sets, seeds]."""
    arms = held.plan.amplified(world)
    return held.table.grid([arms], held.plan.seeds(arms[0]))


def _placebo(held: Evidence, world: str) -> Floats:
    return held.one(lambda m: held.plan.arm(m, world, "Interleaved", categories="permuted"))


def interleaved_parts(held: Evidence, world: str) -> Row:
    """Gain of Interleaved and its lead over the placebo, with its lead over Blocked beside."""
    grid = held.grid(world)
    parts = {
        "gain": t_interval(_mean(effects.gains(grid)[INTERLEAVED - 1])),
        "lead over placebo": t_interval(_mean(grid[INTERLEAVED] - _placebo(held, world))),
    }
    over_blocked = t_interval(_mean(grid[INTERLEAVED] - grid[BLOCKED]))
    detail = {"interleaved_minus_blocked": list(over_blocked)}
    return {**named(parts), "n": held.n_seeds, "detail": detail}


def interleaved_row(held: Evidence) -> Row:
    """K3: gain of Interleaved in the interference world, and its lead over the placebo."""
    control = float(effects.gains(held.grid(FREE))[INTERLEAVED - 1].mean())
    controls = {"gain_in_the_order_free_world": control}
    return {**interleaved_parts(held, INTERFERENCE), "controls": controls}


def sweep_row(held: Evidence) -> Row:
    """K4: share of seeds in which Interleaved wins every margin, minus that of the placebo."""
    grid = held.grid(INTERFERENCE)
    placebo = np.stack([grid[0], _placebo(held, INTERFERENCE)])
    own, false = effects.sweeps(grid)[INTERLEAVED - 1], effects.sweeps(placebo)[0]
    some = effects.sweeps(held.grid(FREE)).any(0).mean()
    return {
        **t_interval(own - false)._asdict(),
        "n": held.n_seeds,
        "controls": {"share_for_some_strategy_in_the_order_free_world": float(some)},
        "detail": {"share": float(own.mean()), "share_of_placebo": float(false.mean())},
    }


def winners_over_null(held: Evidence, world: str) -> Row:
    """Distinct winners over the margins of a seed, minus the mean among random orders."""
    null = effects.null_winners(held.shuffles(world), held.n_resamples, held.seed)
    own = effects.distinct_winners(held.grid(world))
    detail = {"winners": float(own.mean()), "null": null}
    return {**t_interval(own - null)._asdict(), "n": held.n_seeds, "detail": detail}


def winners_row(held: Evidence) -> Row:
    """K5: distinct winners in the prerequisite world, minus the mean among random orders."""
    found = winners_over_null(held, PREREQUISITE)
    free = float(effects.distinct_winners(held.grid(FREE)).mean()) - found["detail"]["null"]
    controls = {"distinct_winners_minus_null_in_the_order_free_world": free}
    return {**found, "controls": controls}


def interaction_row(held: Evidence) -> Row:
    """K6: spread over models of Curriculum's gain beyond what seeds make; two models at least."""
    grid, shuffles = held.grid(PREREQUISITE), held.shuffles(PREREQUISITE)
    if len(held.models) < 2:
        raise MissingRecords("a spread over models needs at least two with records")
    gain = effects.gains(grid)[CURRICULUM - 1].mean(1)
    second = (shuffles[1] - shuffles[0]).mean(1)
    spread = held.resampled(lambda index: effects.excess_spread(_varying(gain, index)))
    return {
        **spread._asdict(),
        "n": held.n_seeds,
        "controls": {"excess_spread_of_a_second_random_order": effects.excess_spread(second)},
        "detail": {
            "gain": dict(zip(held.models, gain.mean(1).tolist(), strict=True)),
            "p": effects.interaction_p(gain),
        },
    }


def _varying(gain: Floats, index: Any) -> Floats:
    """Gains of resampled seeds; the variance stays that of all seeds, or repeats would shrink it.

    A resample's mean is kept, its deviations are those of the whole sample.
    """
    return gain - gain.mean(1, keepdims=True) + gain[:, index].mean(1, keepdims=True)


def blocked_row(held: Evidence) -> Row:
    """K11: gain of Blocked, order-free and prerequisite worlds pooled."""
    worlds = {w: effects.gains(held.grid(w))[BLOCKED - 1] for w in (FREE, PREREQUISITE)}
    pooled = np.mean([_mean(gain) for gain in worlds.values()], axis=0)
    control = float(effects.gains(held.grid(INTERFERENCE))[BLOCKED - 1].mean())
    return {
        **t_interval(pooled)._asdict(),
        "n": held.n_seeds,
        "controls": {"gain_in_the_interference_world": control},
        "detail": {world: float(gain.mean()) for world, gain in worlds.items()},
    }


def chance_row(held: Evidence, frame: pd.DataFrame) -> Row:
    """K14: change of the average best gain when models at chance are left out, over the gain.

    Args:
        held: Evidence.
        frame: Whether each model is `above` chance, see `gates.chance_frame`; the gain that the
            nearest to chance has alone is the control.
    """
    own = held.more(held.plan.runs.chance, held.plan.gain_arms())
    found = change_without(own, frame, PREREQUISITE)
    control = own.beyond_null(PREREQUISITE, [found["detail"]["lowest"]]).estimate
    return {**found, "controls": {"gain_of_a_chance_model_beyond_null": control}}


def change_without(held: Evidence, frame: pd.DataFrame, world: str) -> Row:
    """Change of the average best gain in a world without the models at chance, over the gain.

    Raises:
        MissingRecords: No model is at chance.
    """
    above = [str(model) for model in frame.index[frame["above"]]]
    low = frame.loc[~frame["above"], "accuracy"]
    if low.empty:
        raise MissingRecords("no model with records is at chance, so none can be left out")
    whole = held.grid(world, models=[str(model) for model in frame.index])
    kept = held.grid(world, models=above) if above else None
    detail = {"left_out": [str(model) for model in low.index], "lowest": str(low.idxmin())}
    change = held.resampled(lambda seeds: effects.change_without(whole, kept, seeds))
    return {**change._asdict(), "n": held.n_seeds, "detail": detail}
