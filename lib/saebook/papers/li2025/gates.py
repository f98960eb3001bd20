"""What has to hold before a testbed row of this chapter means anything."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import pandas as pd

from saebook.papers.li2025.arms import GRID, MATCHED, Cell, default_cell
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


def validity_table(bench: Bench) -> pd.DataFrame:
    """The figures of `sae_valid` for FAST SAEs: the default cell's, and the grid's by family.

    Returns:
        A row an SAE: SAE, grid (whether it is the grid's), the figures, and valid.
    """
    rows = []
    for (family, with_sink), group in groupby(_checked(bench), lambda c: (c.family, c.with_sink)):
        rows += _figures(bench, family, with_sink, list(group))
    frame = pd.DataFrame(rows)
    return with_validity(frame)


def _checked(bench: Bench) -> list[Cell]:
    """The default cell's FAST SAEs without a sink, then a ReLU one of the grid by family."""
    config = bench.config
    default = [
        default_cell(config, "standard", "FAST"),
        default_cell(config, "jumprelu", "FAST"),
        default_cell(config, "topk", "FAST")._replace(recipe=MATCHED),
    ]
    grid = [
        Cell(family, config.layer, config.grid_d_sae, "standard", GRID, "FAST", 0)
        for family in config.families.split(",")
    ]
    return [cell._replace(with_sink=False) for cell in default] + grid


def _figures(bench: Bench, family: str, with_sink: bool, cells: list[Cell]) -> list[dict[str, Any]]:
    """The figures of SAEs of one model, on the same dialogues."""
    n = round(N_CHECK * min(1.0, bench.config.n_dialogues / FULL_CHECK))
    texts = bench.world.sample("chats", n, CHECK_SEED + bench.config.seed, family=family)
    found, rows = bench.saes(cells), []
    shared = ValidityBench(found[cells[0]].spec, bench.instruct(family, with_sink), texts)
    for cell in cells:
        report, grid = shared.report(found[cell].sae), cell.recipe == GRID
        name = f"{'grid' if grid else 'default cell'}: {family}, {cell.architecture}"
        figures = {figure: float(report[figure]) for figure in SAE_VALID}
        rows.append({"SAE": name, "grid": grid, **figures})
    return rows


def sink_present(ratios: Sequence[float]) -> bool:
    """Whether every model that is measured has a sink."""
    return min(ratios) >= SINK


def matched_sparsity(cells: pd.DataFrame, clarity: pd.DataFrame) -> bool:
    """Whether the arms that F8 and F11 compare have L0s within a tenth of each other."""
    own = cells[cells["architecture"] == "topk"].groupby("with_sink")["l0"]
    packing = float((own.max() / own.min()).max())
    arms = clarity[clarity["arm"] != RANDOM].groupby(["arm", "seed"])["l0"].first()
    return max(packing, float(arms.max() / arms.min())) <= ROOM
