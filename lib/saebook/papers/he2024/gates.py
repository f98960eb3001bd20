"""What has to hold before a testbed row of this chapter means anything."""

from __future__ import annotations

import pandas as pd

from saebook.papers.he2024.scope import Scope
from saebook.zoo.validity import SAE_BOUNDS, SAE_VALID, validity_report

CHECK_SEED, N_CHECK = 95_000, 96
SINK, MOST = 5.0, 2.0
"""Least norm at position 0 in ordinary norms; largest FVU on instruct over that on base."""


def validity_table(scope: Scope) -> pd.DataFrame:
    """The figures of `sae_valid` for the base SAE of the chosen block, and whether they hold."""
    config = scope.config
    spec = scope.spec(config.layer)
    entry = scope.saes([spec])[spec]
    n = min(N_CHECK, 2 * config.n_documents)
    # One register after the other: odd texts choose a concept's latent, even ones score it.
    texts = [t for r in ("encyclopaedia", "problems") for t in scope.world.sample(r, n, CHECK_SEED)]
    report = validity_report(entry, scope.subjects["base"], texts)
    frame = pd.DataFrame([{name: float(report[name]) for name in SAE_VALID}])
    within = [frame[n].between(SAE_BOUNDS[n].least, SAE_BOUNDS[n].most) for n in SAE_VALID]
    return frame.assign(valid=pd.concat(within, axis=1).all(axis=1))


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
