"""What has to hold before a testbed row of this chapter means anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from saebook.papers.mayne2024.arms import REGISTERS, Arm
from saebook.papers.mayne2024.steerability import MOVES, UNDECIDED
from saebook.subjects import Subject
from saebook.testbed import World
from saebook.zoo import HouseSAE
from saebook.zoo.validity import validity_report

CHECK_SEED = 71_000
"""Of the texts on which SAEs are checked, away from training texts and pairs."""
ENOUGH = 5
"""Behaviours of seven that a gate asks for."""
SAE_BOUNDS: dict[str, tuple[float, float]] = {
    "valid_l0": (1.0, 24.0),
    "valid_fvu_pooled": (0.0, 0.5),
    "valid_dead_fraction": (0.0, 0.5),
    "loss_recovered_mean_ablation": (0.7, float("inf")),
    "best_latent_f1_median": (0.7, 1.0),
}
"""Least and most of each figure that `sae_valid` names, the bounds of the testbed chapter."""


def sae_checks(
    entries: Mapping[str, HouseSAE], subjects: Mapping[str, Subject], world: World, n_texts: int
) -> pd.DataFrame:
    """Measure each model's SAE on annotated texts, unless its report already holds the figures.

    Returns:
        Index model; the columns of `SAE_BOUNDS` and valid (all within bounds).
    """
    texts = [t for name in REGISTERS for t in world.sample(name, n_texts, CHECK_SEED)]
    rows = {name: _figures(entries[name], subjects[name], texts) for name in entries}
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    within = [frame[name].between(*bounds) for name, bounds in SAE_BOUNDS.items()]
    return frame.assign(valid=pd.concat(within, axis=1).all(axis=1))


def _figures(entry: HouseSAE, subject: Subject, texts: Sequence[Any]) -> dict[str, float]:
    known = entry.report
    report = known if set(SAE_BOUNDS) <= set(known) else validity_report(entry, subject, texts)
    return {name: float(report[name]) for name in SAE_BOUNDS}


def vectors_reliable(arms: Sequence[Arm], seed: int) -> bool:
    """Whether at least five behaviours have reliable vectors in every one of the arms."""
    return all(arm.reliable_behaviours(seed) >= ENOUGH for arm in arms)


def default_component(mean3_share: float, mean0_share: float) -> bool:
    """Whether the mean is able to dominate in the one model and unable to in the other.

    Args:
        mean3_share: ||mean||^2 / E||a||^2 where the residual mean is three token norms.
        mean0_share: The same where it is none.
    """
    return mean3_share >= 0.5 and mean0_share <= 0.25


def behaviours_steer(moves: pd.DataFrame, measure: str) -> list[str]:
    """Behaviours whose matching share rises by at least 0.15 from -v to +v under a measure."""
    own = moves[moves["measure"] == measure]
    return own.loc[own["moved"] >= MOVES, "behaviour"].tolist()


def balanced(moves: pd.DataFrame, measure: str) -> list[str]:
    """Behaviours in which 35 to 65 % of unsteered choices are the matching one."""
    own = moves[moves["measure"] == measure]
    return own.loc[own["unsteered"].between(*UNDECIDED), "behaviour"].tolist()
