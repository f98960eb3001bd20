"""What has to hold before a testbed row of this chapter means anything."""

from __future__ import annotations

import pandas as pd

from saebook.papers.he2024.scope import Scope
from saebook.zoo.validity import SAE_VALID, validity_report, with_validity

CHECK_SEED = 95_000
CHECK_TEXTS = {"encyclopaedia": 480, "problems": 320}
"""Texts a register on which an SAE is checked, as many as the shipped ones are checked on: a
concept that one word names needs them to be met ten times in either half."""
FULL_CHECK = 48
"""Held-out documents from which on all of them are used."""
SINK, MOST = 5.0, 2.0
"""Least norm at position 0 in ordinary norms; largest FVU on instruct over that on base."""


def validity_table(scope: Scope) -> pd.DataFrame:
    """The figures of `sae_valid` for the base SAE of the chosen block, and whether they hold."""
    config = scope.config
    spec = scope.spec(config.layer)
    entry = scope.saes([spec])[spec]
    share = min(1.0, config.n_documents / FULL_CHECK)
    # One register after the other: odd texts choose a concept's latent, even ones score it.
    texts = [
        text
        for register, n in CHECK_TEXTS.items()
        for text in scope.world.sample(register, round(share * n), CHECK_SEED)
    ]
    report = validity_report(entry, scope.subjects["base"], texts)
    frame = pd.DataFrame([{name: float(report[name]) for name in SAE_VALID}])
    return with_validity(frame)


def base_never_saw_templates() -> bool:
    """Whether no register that base models read writes a template token."""
    from saebook.testbed.training import BASE_MIX

    return "chats" not in BASE_MIX


def transfer_in_range(codes: pd.DataFrame, layer: int) -> tuple[float, bool]:
    """FVU of the base SAE on the instruct model over the base's, same dialogues, and the gate."""
    own = codes[(codes["layer"] == layer) & (codes["text"] == "dialogues")].set_index("model")
    fvu = 1 - own["ratio of means (present code)"]
    ratio = float(fvu["instruct"] / fvu["base"])
    return ratio, 1 < ratio <= MOST
