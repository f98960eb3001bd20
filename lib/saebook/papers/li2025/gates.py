"""What has to hold before a testbed row of this chapter means anything."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from saebook.papers.li2025.arms import MATCHED, default_cell
from saebook.papers.li2025.bench import Bench
from saebook.papers.li2025.clarity import RANDOM
from saebook.zoo.validity import SAE_BOUNDS, SAE_VALID, validity_report

CHECK_SEED, N_CHECK = 86_000, 120
SINK, ROOM = 5.0, 1.1
"""Least norm at position 0 in ordinary norms, and largest ratio between matched L0s."""


def validity_table(bench: Bench) -> pd.DataFrame:
    """The figures of `sae_valid` for the natural FAST SAEs of the default cell, and the bounds.

    Returns:
        A row an SAE (architecture): the figures, and valid.
    """
    config, rows = bench.config, []
    subject = bench.instruct(config.family, planted=False)
    n = min(N_CHECK, config.n_dialogues)
    texts = bench.world.sample("chats", n, CHECK_SEED + config.seed, family=config.family)
    cells = [
        default_cell(config, "standard", "FAST")._replace(planted=False),
        default_cell(config, "topk", "FAST")._replace(recipe=MATCHED, planted=False),
    ]
    for cell, entry in bench.saes(cells).items():
        report = validity_report(entry, subject, texts)
        figures = {name: float(report[name]) for name in SAE_VALID}
        rows.append({"SAE": f"{cell.architecture}, {cell.arm}", **figures})
    frame = pd.DataFrame(rows)
    within = [frame[n].between(SAE_BOUNDS[n].least, SAE_BOUNDS[n].most) for n in SAE_VALID]
    return frame.assign(valid=pd.concat(within, axis=1).all(axis=1))


def sink_present(ratios: Sequence[float]) -> bool:
    """Whether every model that is measured has a sink."""
    return min(ratios) >= SINK


def matched_sparsity(cells: pd.DataFrame, clarity: pd.DataFrame) -> bool:
    """Whether the arms that F8 and F11 compare have L0s within a tenth of each other."""
    own = cells[cells["architecture"] == "topk"].groupby("planted")["l0"]
    packing = float((own.max() / own.min()).max())
    arms = clarity[clarity["arm"] != RANDOM].groupby(["arm", "seed"])["l0"].first()
    return max(packing, float(arms.max() / arms.min())) <= ROOM
