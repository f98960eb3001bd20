"""What has to hold before a testbed row of this chapter means anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from saebook.papers.mayne2024.arms import Arm
from saebook.papers.mayne2024.sources import REGISTERS
from saebook.subjects import Subject
from saebook.testbed import World
from saebook.testbed.gates.steering import ENOUGH, MEAN_SHARES, MOVES, UNDECIDED
from saebook.zoo import HouseSAE
from saebook.zoo.validity import SAE_BOUNDS, SAE_VALID, validity_report, with_validity

CHECK_SEED = 71_000
"""Of the texts on which SAEs are checked, away from training texts and pairs."""


def sae_checks(
    entries: Mapping[str, HouseSAE], subjects: Mapping[str, Subject], world: World, n_texts: int
) -> pd.DataFrame:
    """Measure each model's SAE on annotated texts, unless its report already holds the figures.

    Returns:
        Index model; the columns of `SAE_VALID` and valid (all within bounds).
    """
    texts = [t for name in REGISTERS for t in world.sample(name, n_texts, CHECK_SEED)]
    rows = {name: _figures(entries[name], subjects[name], texts) for name in entries}
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    return with_validity(frame)


def in_words(checks: pd.DataFrame) -> pd.DataFrame:
    """`sae_checks` with every figure under the words of its bound instead of its key."""
    return checks.rename(columns={name: SAE_BOUNDS[name].says for name in SAE_VALID})


def _figures(entry: HouseSAE, subject: Subject, texts: Sequence[Any]) -> dict[str, float]:
    known = entry.report
    report = known if set(SAE_VALID) <= set(known) else validity_report(entry, subject, texts)
    return {name: float(report[name]) for name in SAE_VALID}


def vectors_reliable(arms: Sequence[Arm], seed: int) -> bool:
    """Whether at least five behaviours have reliable vectors in every one of the arms."""
    return all(arm.reliable_behaviours(seed) >= ENOUGH for arm in arms)


def enough(behaviours: Sequence[str]) -> bool:
    """Whether these are five of the seven behaviours, which every gate over behaviours asks."""
    return len(behaviours) >= ENOUGH


def default_component(mean3_share: float, mean0_share: float) -> bool:
    """Whether the mean is able to dominate in the one model and unable to in the other.

    Args:
        mean3_share: ||mean||^2 / E||a||^2 where the residual mean is three token norms.
        mean0_share: The same where it is none.
    """
    found = {3.0: mean3_share, 0.0: mean0_share}
    return all(low <= found[knob] <= high for knob, (low, high) in MEAN_SHARES.items())


def behaviours_steer(moves: pd.DataFrame, measure: str) -> list[str]:
    """Behaviours whose matching share rises by at least `MOVES` from -v to +v under a measure."""
    own = moves[moves["measure"] == measure]
    return own.loc[own["moved"] >= MOVES, "behaviour"].tolist()


def balanced(moves: pd.DataFrame, measure: str) -> list[str]:
    """Behaviours whose matching side holds 35 to 65 % of the unsteered mass of both sides."""
    own = moves[moves["measure"] == measure]
    return own.loc[own["unsteered"].between(*UNDECIDED), "behaviour"].tolist()
