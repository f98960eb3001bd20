"""Effects drawn from tables of cells, at the testbed's scale and the papers' alike."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from saebook.papers.li2025.arms import GRID, PAPER_ARMS
from saebook.stats import (
    Interval,
    bootstrap_interval,
    proportion_interval,
    t_interval,
    two_sample_bootstrap,
)

Row = dict[str, Any]
KEYS = ["family", "layer", "d_sae", "architecture", "seed"]


def named(intervals: dict[str, Interval]) -> Row:
    """Several intervals in the shape of a rule with parts."""
    ends = ("estimate", "low", "high")
    return {end: {name: getattr(i, end) for name, i in intervals.items()} for end in ends}


class Place(NamedTuple):
    """Where the arms are compared: one model, block and width, trained by one recipe."""

    family: str
    layer: int
    d_sae: int
    recipe: str


def wide(cells: pd.DataFrame, metric: str, recipe: str = GRID) -> pd.DataFrame:
    """The paper's arms on models with a sink, at a fixed coefficient: a column an arm.

    Returns:
        A row a cell, index `KEYS`; cells that lack an arm are left out.
    """
    own = (cells["recipe"] == recipe) & cells["with_sink"] & cells["arm"].isin(PAPER_ARMS)
    return cells[own].pivot(index=KEYS, columns="arm", values=metric).dropna()


def at_place(cells: pd.DataFrame, place: Place, metric: str) -> pd.DataFrame:
    """ReLU SAEs of one place by seed: a column an arm, log2 errors."""
    table = wide(cells, metric, place.recipe).xs("standard", level="architecture")
    return pd.DataFrame(table.xs(place[:3], level=("family", "layer", "d_sae")))


def gaps(cells: pd.DataFrame, place: Place, metric: str) -> pd.DataFrame:
    """What FAST gains in one place by seed, bits: over BT(P) and over BT(F), ReLU SAE."""
    own = at_place(cells, place, metric)
    return pd.DataFrame({arm: own[arm] - own["FAST"] for arm in ("BT(F)", "BT(P)")})


ASKED = {
    "ReLU MSE over BT(P)": ("mse", "standard", "BT(P)"),
    "ReLU MSE_st over BT(P)": ("mse_st", "standard", "BT(P)"),
    "JumpReLU MSE_st over BT(F)": ("mse_st", "jumprelu", "BT(F)"),
    "ReLU MSE over BT(F)": ("mse", "standard", "BT(F)"),
}
"""The parts of F4: metric, architecture and the arm that FAST has to beat."""


def wins(
    cells: pd.DataFrame, metric: str, architecture: str, arm: str, recipe: str = GRID
) -> tuple[int, int]:
    """Cells of the grid in which FAST beats an arm, and cells there are."""
    table = wide(cells, metric, recipe).xs(architecture, level="architecture")
    return int((table["FAST"] < table[arm]).sum()), len(table)


def win_shares(cells: pd.DataFrame, recipe: str = GRID) -> Row:
    """Shares of cells won, by the names of `ASKED`."""
    counts = {name: wins(cells, *of, recipe) for name, of in ASKED.items()}
    return {
        **named({name: proportion_interval(*count) for name, count in counts.items()}),
        "n": min(n for _, n in counts.values()),
        "detail": {"wins": {name: list(count) for name, count in counts.items()}},
    }


def data_share(data: np.ndarray, packing: np.ndarray) -> float:
    """The data's part of the summed median gains."""
    whole = np.median(data) + np.median(packing)
    return float(np.median(data) / whole)


def decomposition(cells: pd.DataFrame, *, seed: int, n_resamples: int, recipe: str = GRID) -> Row:
    """The data's share of the gain from BT(P) over BT(F) to FAST, ReLU, all tokens."""
    table = wide(cells, "mse", recipe).xs("standard", level="architecture")
    data = (table["BT(P)"] - table["BT(F)"]).to_numpy()
    packing = (table["BT(F)"] - table["FAST"]).to_numpy()
    share = bootstrap_interval(
        [data, packing], data_share, seed=seed, n_resamples=n_resamples,
        paired=True, method="percentile",
    )  # fmt: skip
    return {
        **share._asdict(),
        "n": len(table),
        "detail": {"median gain by data": float(np.median(data)),
                   "median gain by packing": float(np.median(packing))},
    }  # fmt: skip


def special_gains(cells: pd.DataFrame, recipe: str = GRID) -> pd.Series:
    """Gain of FAST over BT(F) on special tokens, ReLU, a cell a row."""
    table = wide(cells, "mse_st", recipe).xs("standard", level="architecture")
    return table["BT(F)"] - table["FAST"]


def family_difference(qwen: pd.Series, llama: pd.Series, *, seed: int, n_resamples: int) -> Row:
    """Median gain of Qwen less that of Llama, cells resampled within each."""
    found = two_sample_bootstrap(qwen, llama, np.median, seed=seed, n_resamples=n_resamples)
    return {
        **found._asdict(),
        "n": min(len(qwen), len(llama)),
        "detail": {"median gain": {"qwen2": float(qwen.median()), "llama": float(llama.median())}},
    }


def packing_gaps(cells: pd.DataFrame, metric: str) -> pd.DataFrame:
    """TopK SAEs of equal L0 by seed: a column an arm, log2 errors."""
    own = cells[(cells["architecture"] == "topk") & cells["with_sink"]]
    return own.pivot(index="seed", columns="arm", values=metric)


def packing(cells: pd.DataFrame) -> Row:
    """What packing does at equal L0, without constants, and with dialogues kept apart."""
    every, varying = packing_gaps(cells, "mse"), packing_gaps(cells, "mse_varying")
    parts = {
        "matched L0": t_interval(every["BT(F)"] - every["FAST"]),
        "without constants": t_interval(varying["BT(F)"] - varying["FAST"]),
        "against masked packing": t_interval(every["masked"] - every["FAST"]),
    }
    special = packing_gaps(cells, "mse_st")
    return {
        **named(parts),
        "n": len(every),
        "controls": {"gap_between_two_seeds_of_one_arm": float(np.diff(every["FAST"][:2])[0])},
        "detail": {"special tokens": float((special["BT(F)"] - special["FAST"]).mean())},
    }
