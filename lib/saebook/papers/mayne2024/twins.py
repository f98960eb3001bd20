"""One SAE of R15's grid trained on the page, beside the one that ships."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from saebook.papers.mayne2024.arms import Arm
from saebook.papers.mayne2024.gates import in_words, sae_checks
from saebook.papers.mayne2024.generality import TESTED, Passes, cells_of
from saebook.papers.mayne2024.parameters import Parameters
from saebook.papers.mayne2024.saes import sae_spec
from saebook.subjects import Subject
from saebook.testbed import World
from saebook.zoo import HouseSAE, get_saes

LIVE_SHARE = 0.3
"""Of the tokens of the chapter's SAEs, those that the one trained on the page is trained on."""


def trained_here(config: Parameters) -> HouseSAE:
    """The chapter's SAE of the model with residual mean 3, from fewer tokens of the same stream."""
    spec = sae_spec(config, config.mean3_model).model_copy(
        update={"n_tokens": round(LIVE_SHARE * config.n_tokens)}
    )
    return get_saes([spec], progress=False)[spec]


def twin_table(
    entries: Mapping[str, HouseSAE],
    arm: Arm,
    subject: Subject,
    world: World,
    passes: Passes,
    config: Parameters,
) -> pd.DataFrame:
    """What an SAE's checks and the cells of R15 say of each of several SAEs of one layer.

    Args:
        entries: SAEs by what they are called.
        arm: Their layer's text and pairs.
        subject: Their model.
        world: Of the texts on which they are checked.
        passes: The ledger's rule for one cell of each tested row.
        config: Sizes and seed.

    Returns:
        A column an SAE: tokens, the figures of `SAE_VALID`, latents active in SAE(0), and for R4,
        R5, R8 and R11 the number of behaviours that pass.
    """
    checks = sae_checks(entries, dict.fromkeys(entries, subject), world, config.n_check_texts)
    figures = in_words(checks.drop(columns="valid"))
    columns = {}
    for name, entry in entries.items():
        cells = cells_of(replace(arm, sae=entry.sae), passes, config)
        columns[name] = {
            "tokens it was trained on": entry.spec.n_tokens,
            **figures.loc[name],
            "latents active in SAE(0)": cells["active_at_zero"].iloc[0],
            **{f"{row}: behaviours passing": cells[f"{row} holds"].sum() for row in TESTED},
        }
    return pd.DataFrame(columns).map(lambda x: f"{x:,.0f}" if x >= 1000 else f"{x:.3g}")
