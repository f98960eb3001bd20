"""The rows of the ledger's paper block, from the records of published models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from saebook.papers.yang2024 import effects, gates, side_rows
from saebook.papers.yang2024 import published_exams as exams
from saebook.papers.yang2024.arms import PUBLISHED
from saebook.papers.yang2024.effects import Table
from saebook.papers.yang2024.orders import ORDERS
from saebook.papers.yang2024.parameters import Parameters
from saebook.papers.yang2024.published import LABEL, PublishedExam, large_arms, plan_of
from saebook.papers.yang2024.rows import (
    BLOCKED,
    CURRICULUM,
    INTERLEAVED,
    Evidence,
    Row,
    change_without,
    interleaved_parts,
    winners_over_null,
)
from saebook.papers.yang2024.tables import MARGINS
from saebook.stats import t_interval

INTERLEAVED_CURRICULUM = ORDERS.index("Interleaved Curriculum")


def evidence(held: pd.DataFrame, config: Parameters) -> Evidence:
    """The records as the rows read them."""
    plan = plan_of(config)
    return Evidence(Table(held), plan, plan.models, config.hub_resamples, config.seed, label=LABEL)


def published_rows(
    held: Evidence, read: dict[str, PublishedExam], config: Parameters
) -> dict[str, Row]:
    """Every row that the models named can answer, as `Results.record` takes it.

    K4 and K5 speak of seven margins, so they need the paper's number of models; K14 leaves models
    at chance out, so it needs two models and one at chance; K9, K10, K12 and K13 need the models
    that the parameters name for them.
    """
    makers: dict[str, Callable[[Evidence], Row]] = {
        "K1": best_gain, "K2": ceiling, "K3": lambda own: interleaved_parts(own, PUBLISHED),
        "K8": best_overall, "K11": blocked,
    }  # fmt: skip
    if len(held.models) + len(effects.SETS) == len(MARGINS):
        makers |= {"K4": margins_won, "K5": lambda own: winners_over_null(own, PUBLISHED)}
    frame = chance_levels(held, read)
    if len(held.models) > 1 and not frame["above"].all():
        makers["K14"] = lambda own: change_without(own, frame, PUBLISHED)
    if config.hub_large_model:
        makers["K9"] = lambda own: curriculum_wins(own, config)
    if config.hub_side_model:
        makers |= {"K10": clustered, "K12": repeated,
                   "K13": lambda own: side_rows.rate_ratio(own, PUBLISHED)}  # fmt: skip
    return {claim: makers[claim](held) for claim in sorted(makers, key=lambda k: int(k[1:]))}


def chance_levels(held: Evidence, read: dict[str, PublishedExam]) -> pd.DataFrame:
    """Each model's accuracy in random order against guessing, see `gates.chance_frame`."""
    exam = read[PUBLISHED]
    quarter = exam.written[: max(1, len(exam.written) // 4)]
    asked = exams.option_counts({"LEK": quarter, **exam.tests})
    return gates.chance_frame(held, asked, [PUBLISHED])


def best_gain(held: Evidence) -> Row:
    """K1: average best-of-five gain beyond the null of random orders."""
    gain = effects.average_best_gain(held.grid(PUBLISHED))
    detail = {"average_best_gain": gain, "null_95th_percentile": held.null_bar(PUBLISHED)}
    n = held.plan.draws * held.n_seeds
    return {**held.beyond_null(PUBLISHED)._asdict(), "n": n, "detail": detail}


def ceiling(held: Evidence) -> Row:
    """K2: largest gain of any strategy on a test set."""
    grid = held.grid(PUBLISHED)
    found = held.resampled(lambda seeds: effects.largest_set_gain(grid[..., seeds]))
    return {**found._asdict(), "n": held.n_seeds}


def margins_won(held: Evidence) -> Row:
    """K4: margins in which Interleaved beats random, means over runs."""
    grid = held.grid(PUBLISHED)

    def won(seeds: Any) -> float:
        means = effects.margins(grid[..., seeds]).mean(-1)
        return float((means[INTERLEAVED] > means[0]).sum())

    return {**held.resampled(won)._asdict(), "n": held.n_seeds}


def best_overall(held: Evidence) -> Row:
    """K8: Interleaved Curriculum minus Interleaved."""
    grid = held.grid(PUBLISHED)
    lead = (grid[INTERLEAVED_CURRICULUM] - grid[INTERLEAVED]).mean((0, 1))
    return {**t_interval(lead)._asdict(), "n": held.n_seeds}


def curriculum_wins(held: Evidence, config: Parameters) -> Row:
    """K9: tests on which Curriculum is the best of six on the larger exam, means over runs."""
    grid = held.table.grid([large_arms(held.plan, config)], held.seeds)[:, 0]

    def best_on(seeds: Any) -> float:
        return float((grid[..., seeds].mean(-1).argmax(0) == CURRICULUM).sum())

    gains = (grid[CURRICULUM] - grid[0]).mean(-1)
    detail = {"gain": dict(zip(effects.SETS, gains.tolist(), strict=True))}
    return {**held.resampled(best_on)._asdict(), "n": held.n_seeds, "detail": detail}


def clustered(held: Evidence) -> Row:
    """K10: average best-of-five gain with found categories beyond the null."""
    found = side_rows.grouped_beyond_null(held, PUBLISHED, "clustered")
    return {**found._asdict(), "n": held.plan.draws * held.n_seeds}


def blocked(held: Evidence) -> Row:
    """K11: gain of Blocked over random."""
    gain = effects.gains(held.grid(PUBLISHED))[BLOCKED - 1].mean((0, 1))
    return {**t_interval(gain)._asdict(), "n": held.n_seeds}


def repeated(held: Evidence) -> Row:
    """K12: each block three times against once."""
    model, shows = held.plan.side_model, ("each block three times", "once")
    thrice, once = (
        held.side(held.plan.arm(model, PUBLISHED, "Blocked", show=show)) for show in shows
    )
    return {**t_interval(np.asarray(thrice - once))._asdict(), "n": held.n_seeds}
