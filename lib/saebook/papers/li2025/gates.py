"""What has to hold before a testbed row of this chapter means anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from saebook.papers.li2025.arms import GRID, MATCHED, Cell, default_cell, longer_cells
from saebook.papers.li2025.bench import Bench
from saebook.papers.li2025.clarity import RANDOM
from saebook.zoo.validity import SAE_VALID, ValidityBench, with_validity

CHECK_SEED, N_CHECK = 86_000, 1_700
"""Dialogues that hold as many tokens as the shipped SAEs are checked on: a concept that one word
names has to be met ten times in either half."""
FULL_CHECK = 200
"""Held-out dialogues from which on all of them are used."""
SINK, ROOM = 5.0, 1.1
"""Least norm at position 0 in ordinary norms, and largest ratio between matched L0s."""


DEFAULT, OF_GRID, LONGER = "default cell", "grid", "trained longer"
"""What an SAE of the table stands for; those of the last kind answer no gate."""
COUNTS = ("n_carried_concepts", "n_concepts")
"""Concepts that a direction of the layer detects, over which the F1 is a median, and all."""


def validity_table(bench: Bench) -> pd.DataFrame:
    """The figures of `sae_valid` for FAST SAEs on models without a sink.

    Returns:
        A row an SAE: SAE, kind (`DEFAULT`, `OF_GRID` or `LONGER`), family, d_sae, n_tokens (passes
        counted), the figures, `COUNTS`, and valid.
    """
    config = bench.config
    default = [
        default_cell(config, "standard", "FAST"),
        default_cell(config, "jumprelu", "FAST"),
        default_cell(config, "topk", "FAST")._replace(recipe=MATCHED),
    ]
    of_grid = [
        Cell(family, config.layer, config.grid_d_sae, "standard", GRID, "FAST", 0)
        for family in config.families.split(",")
    ]
    kinds = {DEFAULT: default, OF_GRID: of_grid, LONGER: longer_cells(config)}
    checked = [(kind, c._replace(with_sink=False)) for kind, cells in kinds.items() for c in cells]
    rows = []
    for family in dict.fromkeys(cell.family for _, cell in checked):
        own = [(kind, cell) for kind, cell in checked if cell.family == family]
        rows += _figures(bench, family, own)
    order = list(kinds)
    frame = pd.DataFrame(rows).sort_values("kind", key=lambda k: k.map(order.index), kind="stable")
    return with_validity(frame.reset_index(drop=True))


def _figures(bench: Bench, family: str, checked: list[tuple[str, Cell]]) -> list[dict[str, Any]]:
    """The figures of SAEs of one model, on the same dialogues."""
    n = round(N_CHECK * min(1.0, bench.config.n_dialogues / FULL_CHECK))
    texts = bench.world.sample("chats", n, CHECK_SEED + bench.config.seed, family=family)
    found, rows = bench.saes([cell for _, cell in checked]), []
    spec = bench.spec(checked[0][1])
    shared = ValidityBench(spec, bench.instruct(family, with_sink=False), texts)
    for kind, cell in checked:
        report, spec = shared.report(found[cell].sae), bench.spec(cell)
        named = {"kind": kind, "family": family, "architecture": cell.architecture}
        sizes = {"d_sae": cell.d_sae, "n_tokens": spec.n_tokens * spec.epochs}
        figures = {figure: float(report[figure]) for figure in (*SAE_VALID, *COUNTS)}
        rows.append({**named, **sizes, **figures})
    return rows


def holds(validity: pd.DataFrame, kind: str) -> bool:
    """Whether every SAE of a kind is valid."""
    return bool(validity.loc[validity["kind"] == kind, "valid"].all())


def sink_present(ratios: Sequence[float]) -> bool:
    """Whether every model that is measured has a sink."""
    return min(ratios) >= SINK


def matched_sparsity(cells: pd.DataFrame, clarity: pd.DataFrame) -> bool:
    """Whether the arms that F8 and F11 compare have L0s within a tenth of each other."""
    own = cells[cells["architecture"] == "topk"].groupby("with_sink")["l0"]
    packing = float((own.max() / own.min()).max())
    arms = clarity[clarity["arm"] != RANDOM].groupby(["arm", "seed"])["l0"].first()
    return max(packing, float(arms.max() / arms.min())) <= ROOM
