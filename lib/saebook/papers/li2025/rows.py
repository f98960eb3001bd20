"""Measurements in the shape in which a result is recorded: estimate, low, high, n, controls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from saebook.papers.li2025.arms import FIXED, GRID, PAPER_ARMS
from saebook.papers.li2025.clarity import CLEAR_F1, RANDOM
from saebook.papers.li2025.losses import MODEL, TRAINED, UNTRAINED
from saebook.papers.li2025.parameters import Parameters
from saebook.papers.li2025.steering import DIRECTIONS, scored_window
from saebook.stats import Interval, bootstrap_interval, proportion_interval, t_interval

Row = dict[str, Any]
KEYS = ["family", "layer", "d_sae", "architecture", "seed"]


def named(intervals: dict[str, Interval]) -> Row:
    """Several intervals in the shape of a rule with parts."""
    ends = ("estimate", "low", "high")
    return {end: {name: getattr(i, end) for name, i in intervals.items()} for end in ends}


def wide(cells: pd.DataFrame, metric: str, recipe: str = GRID) -> pd.DataFrame:
    """The paper's arms on models with a sink, at a fixed coefficient: a column an arm.

    Returns:
        A row a cell, index `KEYS`; cells that lack an arm are left out.
    """
    own = (cells["recipe"] == recipe) & cells["planted"] & cells["arm"].isin(PAPER_ARMS)
    return cells[own].pivot(index=KEYS, columns="arm", values=metric).dropna()


def one_cell(cells: pd.DataFrame, config: Parameters, family: str, metric: str) -> pd.DataFrame:
    """ReLU SAEs of one family by seed: the default cell's, in other families the grid's."""
    default = family == config.family
    recipe, d_sae = (FIXED, config.d_sae) if default else (GRID, config.grid_d_sae)
    table = wide(cells, metric, recipe).xs("standard", level="architecture")
    return pd.DataFrame(table.xs((family, config.layer, d_sae), level=("family", "layer", "d_sae")))


def default_gaps(cells: pd.DataFrame, config: Parameters, family: str, metric: str) -> pd.DataFrame:
    """What FAST gains in one cell by seed, bits: over BT(P) and over BT(F), ReLU SAE."""
    own = one_cell(cells, config, family, metric)
    return pd.DataFrame({arm: own[arm] - own["FAST"] for arm in ("BT(F)", "BT(P)")})


def seed_gap(cells: pd.DataFrame, config: Parameters, family: str, metric: str) -> float:
    """Control: the second seed of FAST against the first, in bits."""
    own = one_cell(cells, config, family, metric)["FAST"]
    return float(own.loc[1] - own.loc[0])


def special_row(cells: pd.DataFrame, config: Parameters) -> Row:
    """F1: gain on special tokens in the default cell."""
    gaps = default_gaps(cells, config, config.family, "mse_st")
    parts = {f"to {arm}": t_interval(gaps[arm]) for arm in ("BT(F)", "BT(P)")}
    control = seed_gap(cells, config, config.family, "mse_st")
    readings = ("mse_st_template", "mse_st_bos", "mse_st_varying")
    other = {r: default_gaps(cells, config, config.family, r).mean().to_dict() for r in readings}
    return {
        **named(parts),
        "n": len(gaps),
        "controls": {"gap_between_two_seeds_of_one_arm": control},
        "detail": {"gaps in other readings": other},
    }


def overall_row(cells: pd.DataFrame, config: Parameters, family: str) -> Row:
    """F2 and F3: gain over BT(F) on all tokens in the default cell of a family."""
    gaps = default_gaps(cells, config, family, "mse")
    control = seed_gap(cells, config, family, "mse")
    return {
        **t_interval(gaps["BT(F)"])._asdict(),
        "n": len(gaps),
        "controls": {"gap_between_two_seeds_of_one_arm": control},
        "detail": {"to BT(P)": float(gaps["BT(P)"].mean())},
    }


def wins(cells: pd.DataFrame, metric: str, architecture: str, arm: str) -> tuple[int, int]:
    """Cells of the grid in which FAST beats an arm, and cells there are."""
    table = wide(cells, metric).xs(architecture, level="architecture")
    return int((table["FAST"] < table[arm]).sum()), len(table)


def wins_row(cells: pd.DataFrame) -> Row:
    """F4: shares of cells won; the control is one seed of FAST against another."""
    asked = {
        "ReLU MSE over BT(P)": ("mse", "standard", "BT(P)"),
        "ReLU MSE_st over BT(P)": ("mse_st", "standard", "BT(P)"),
        "JumpReLU MSE_st over BT(F)": ("mse_st", "jumprelu", "BT(F)"),
        "ReLU MSE over BT(F)": ("mse", "standard", "BT(F)"),
    }
    counts = {name: wins(cells, *of) for name, of in asked.items()}
    seeds = wide(cells, "mse")["FAST"].unstack("seed")
    return {
        **named({name: proportion_interval(*count) for name, count in counts.items()}),
        "n": min(n for _, n in counts.values()),
        "controls": {"share_won_by_a_second_seed_of_one_arm": float((seeds[1] < seeds[0]).mean())},
        "detail": {"wins": {name: list(count) for name, count in counts.items()}},
    }


def data_share(data: np.ndarray, packing: np.ndarray) -> float:
    """The data's part of the summed median gains."""
    whole = np.median(data) + np.median(packing)
    return float(np.median(data) / whole)


def decomposition_row(cells: pd.DataFrame, config: Parameters) -> Row:
    """F5: the data's share of the gain from BT(P) over BT(F) to FAST, ReLU, all tokens."""
    table = wide(cells, "mse").xs("standard", level="architecture")
    data = (table["BT(P)"] - table["BT(F)"]).to_numpy()
    packing = (table["BT(F)"] - table["FAST"]).to_numpy()
    share = bootstrap_interval(
        [data, packing], data_share, seed=config.seed, n_resamples=config.n_resamples,
        paired=True, method="percentile",
    )  # fmt: skip
    own = arms_of_one_seed(cells, config).set_index("arm")["mse"]
    again = (own["BT(F)"] - own["BT(F) again"]) / (own["BT(P)"] - own["FAST"])
    return {
        **share._asdict(),
        "n": len(table),
        "controls": {"gain_between_two_samples_of_the_same_text": float(again)},
        "detail": {"median gain by data": float(np.median(data)),
                   "median gain by packing": float(np.median(packing))},
    }  # fmt: skip


def arms_of_one_seed(cells: pd.DataFrame, config: Parameters) -> pd.DataFrame:
    """Every arm's ReLU SAE of the default family as the grid's are trained, first seed."""
    own = cells[(cells["recipe"] == GRID) & (cells["architecture"] == "standard")]
    own = own[(own["family"] == config.family) & (own["layer"] == config.layer)]
    return own[(own["d_sae"] == config.grid_d_sae) & own["planted"] & (own["seed"] == 0)]


def family_row(cells: pd.DataFrame, config: Parameters) -> Row:
    """F6: median gain on special tokens over BT(F), Qwen less Llama, ReLU."""
    table = wide(cells, "mse_st").xs("standard", level="architecture")
    gains = table["BT(F)"] - table["FAST"]
    qwen, llama = (gains.xs(f, level="family") for f in ("qwen2", "llama"))
    rng = np.random.default_rng(config.seed)
    draws = [
        np.median(rng.choice(qwen, len(qwen))) - np.median(rng.choice(llama, len(llama)))
        for _ in range(config.n_resamples)
    ]
    estimate = float(np.median(qwen) - np.median(llama))
    low, high = np.quantile(draws, [0.025, 0.975])
    seeds = llama.groupby("seed").median()
    return {
        "estimate": estimate,
        "low": min(float(low), estimate),
        "high": max(float(high), estimate),
        "n": min(len(qwen), len(llama)),
        "controls": {
            "difference_between_two_seeds_of_one_family": float(seeds.loc[1] - seeds.loc[0])
        },
        "detail": {"median gain": {"qwen2": float(qwen.median()), "llama": float(llama.median())}},
    }


def clarity_row(table: pd.DataFrame, config: Parameters) -> Row:
    """F8: share of latents with a concept at F1 of at least 0.7, FAST less BT(F)."""
    clear = table.assign(clear=(table["f1"] >= CLEAR_F1).astype(float))
    by_arm = {arm: clear.loc[clear["arm"] == arm, "clear"].to_numpy() for arm in
              ("FAST", "BT(F)", RANDOM)}  # fmt: skip
    rng = np.random.default_rng(config.seed)
    one, other = by_arm["FAST"], by_arm["BT(F)"]
    draws = [
        rng.choice(one, len(one)).mean() - rng.choice(other, len(other)).mean()
        for _ in range(config.n_resamples)
    ]
    estimate, (low, high) = one.mean() - other.mean(), np.quantile(draws, [0.025, 0.975])
    graded = table.dropna(subset=["grade"])
    high_grades = (graded["grade"] >= 4).groupby(graded["arm"]).mean()
    return {
        "estimate": float(estimate),
        "low": min(float(low), float(estimate)),
        "high": max(float(high), float(estimate)),
        "n": min(len(one), len(other)),
        "controls": {"share_for_random_latents": float(by_arm[RANDOM].mean())},
        "detail": {"clear": {arm: float(v.mean()) for arm, v in by_arm.items()},
                   "graded 4 or 5": high_grades.to_dict()},
    }  # fmt: skip


def steering_row(table: pd.DataFrame, config: Parameters) -> Row:
    """F9: change of answer quality at the best moderate amount and at the largest."""
    _, moderate, largest = scored_window(table, config.family, DIRECTIONS[0])
    interval = {"seed": config.seed, "n_resamples": config.n_resamples, "method": "percentile"}
    parts = {
        "moderate": bootstrap_interval(moderate, **interval),
        "largest": bootstrap_interval(largest, **interval),
    }
    _, random, _ = scored_window(table, config.family, "random")
    windows = {f: scored_window(table, f, DIRECTIONS[0]) for f in table["family"].unique()}
    return {
        **named(parts),
        "n": len(moderate),
        "controls": {"change_by_a_random_direction_of_equal_norm": float(random.mean())},
        "detail": {
            "best moderate amount": {f: w.alpha for f, w in windows.items()},
            "change there": {f: float(w.moderate.mean()) for f, w in windows.items()},
            "change at the largest": {f: float(w.largest.mean()) for f, w in windows.items()},
        },
    }


def relative_loss(sae: np.ndarray, model: np.ndarray) -> float:
    """(loss with the SAE - loss) / loss in percent, from nats summed by dialogue."""
    return float(100 * (sae.sum() / model.sum() - 1))


def loss_row(table: pd.DataFrame, config: Parameters) -> Row:
    """F10: relative change of the loss with the FAST SAE in place, dialogues resampled."""
    trained, model = table[TRAINED].to_numpy(), table[MODEL].to_numpy()
    found = bootstrap_interval(
        [trained, model], relative_loss, seed=config.seed, n_resamples=config.n_resamples,
        paired=True, method="percentile",
    )  # fmt: skip
    untrained = relative_loss(table[UNTRAINED].to_numpy(), model)
    return {
        **found._asdict(),
        "n": len(table),
        "controls": {"change_by_an_untrained_SAE": untrained},
    }


def packing_gaps(cells: pd.DataFrame, metric: str) -> pd.DataFrame:
    """TopK SAEs of equal L0 by seed: a column an arm, log2 errors."""
    own = cells[(cells["architecture"] == "topk") & cells["planted"]]
    return own.pivot(index="seed", columns="arm", values=metric)


def packing_row(cells: pd.DataFrame) -> Row:
    """F11: what packing does at equal L0, without constants, and with dialogues kept apart."""
    every, varying = packing_gaps(cells, "mse"), packing_gaps(cells, "mse_varying")
    parts = {
        "matched L0": t_interval(every["BT(F)"] - every["FAST"]),
        "without constants": t_interval(varying["BT(F)"] - varying["FAST"]),
        "against masked packing": t_interval(every["masked"] - every["FAST"]),
    }
    control = float(every["FAST"].loc[1] - every["FAST"].loc[0])
    special = packing_gaps(cells, "mse_st")
    return {
        **named(parts),
        "n": len(every),
        "controls": {"gap_between_two_seeds_of_one_arm": control},
        "detail": {"special tokens": float((special["BT(F)"] - special["FAST"]).mean())},
    }


def gradient_row(table: pd.DataFrame) -> Row:
    """F12: log2 ratio of gradient signal to noise, FAST over BT(F), at the start of training."""
    ratios = {
        state: np.log2(rows["FAST"] / rows["BT(F)"])
        for state, rows in _signals(table, order=0).items()
    }
    orders = [_signals(table, order)["start"]["FAST"].loc[0] for order in (0, 1)]
    return {
        **t_interval(ratios["start"])._asdict(),
        "n": len(ratios["start"]),
        "controls": {"ratio_of_two_data_orders_of_one_arm": float(np.log2(orders[1] / orders[0]))},
        "detail": {"at the end": t_interval(ratios["end"])._asdict()},
    }


def _signals(table: pd.DataFrame, order: int) -> dict[str, pd.DataFrame]:
    own = table[table["order"] == order]
    return {
        str(state): rows.pivot(index="seed", columns="arm", values="signal")
        for state, rows in own.groupby("state")
    }
