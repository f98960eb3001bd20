"""Testbed rows in the shape in which a result is recorded: estimate, low, high, n, controls."""

from __future__ import annotations

import numpy as np
import pandas as pd

from saebook.papers.li2025.arms import FIXED, GRID
from saebook.papers.li2025.clarity import CLEAR_F1, RANDOM
from saebook.papers.li2025.effects import (
    Place,
    Row,
    at_place,
    decomposition,
    family_difference,
    gaps,
    named,
    packing,
    special_gains,
    wide,
    win_shares,
)
from saebook.papers.li2025.losses import MODEL, TRAINED, UNTRAINED
from saebook.papers.li2025.parameters import Parameters
from saebook.papers.li2025.steering import DIRECTIONS, scored_window
from saebook.papers.li2025.sweep import at_equal_l0
from saebook.stats import bootstrap_interval, t_interval, two_sample_bootstrap


def place_of(config: Parameters, family: str) -> Place:
    """The default cell's place; in other families the grid's."""
    if family == config.family:
        return Place(family, config.layer, config.d_sae, FIXED)
    return Place(family, config.layer, config.grid_d_sae, GRID)


def seed_gap(cells: pd.DataFrame, place: Place, metric: str) -> float:
    """Control: the second seed of FAST against the first, in bits."""
    own = at_place(cells, place, metric)["FAST"]
    return float(own.loc[1] - own.loc[0])


def special_row(cells: pd.DataFrame, place: Place) -> Row:
    """F1: gain on special tokens in the default cell."""
    found = gaps(cells, place, "mse_st")
    parts = {f"to {arm}": t_interval(found[arm]) for arm in ("BT(F)", "BT(P)")}
    readings = ("mse_st_template", "mse_st_bos", "mse_st_varying")
    other = {r: gaps(cells, place, r).mean().to_dict() for r in readings}
    return {
        **named(parts),
        "n": len(found),
        "controls": {"gap_between_two_seeds_of_one_arm": seed_gap(cells, place, "mse_st")},
        "detail": {"gaps in other readings": other},
    }


def overall_row(cells: pd.DataFrame, place: Place) -> Row:
    """F2 and F3: gain over BT(F) on all tokens in one cell of a family."""
    found = gaps(cells, place, "mse")
    return {
        **t_interval(found["BT(F)"])._asdict(),
        "n": len(found),
        "controls": {"gap_between_two_seeds_of_one_arm": seed_gap(cells, place, "mse")},
        "detail": {"to BT(P)": float(found["BT(P)"].mean())},
    }


def wins_row(cells: pd.DataFrame) -> Row:
    """F4: shares of cells won; the control is one seed of FAST against another."""
    seeds = wide(cells, "mse")["FAST"].unstack("seed")
    won = float((seeds[1] < seeds[0]).mean())
    return {**win_shares(cells), "controls": {"share_won_by_a_second_seed_of_one_arm": won}}


def decomposition_row(cells: pd.DataFrame, config: Parameters) -> Row:
    """F5: the data's share; the control is a second sample of the same text."""
    own = arms_of_one_seed(cells, config).set_index("arm")["mse"]
    again = (own["BT(F)"] - own["BT(F) again"]) / (own["BT(P)"] - own["FAST"])
    control = {"gain_between_two_samples_of_the_same_text": float(again)}
    share = decomposition(cells, seed=config.seed, n_resamples=config.n_resamples)
    return {**share, "controls": control}


def arms_of_one_seed(cells: pd.DataFrame, config: Parameters) -> pd.DataFrame:
    """Every arm's ReLU SAE of the default family as the grid's are trained, first seed."""
    own = cells[(cells["recipe"] == GRID) & (cells["architecture"] == "standard")]
    own = own[(own["family"] == config.family) & (own["layer"] == config.layer)]
    return own[(own["d_sae"] == config.grid_d_sae) & own["with_sink"] & (own["seed"] == 0)]


def family_row(cells: pd.DataFrame, config: Parameters) -> Row:
    """F6: median gain on special tokens over BT(F), Qwen less Llama, ReLU."""
    gains = special_gains(cells)
    qwen, llama = (gains.xs(f, level="family") for f in ("qwen2", "llama"))
    seeds = llama.groupby("seed").median()
    control = {"difference_between_two_seeds_of_one_family": float(seeds.loc[1] - seeds.loc[0])}
    sizes = {"seed": config.seed, "n_resamples": config.n_resamples}
    return {**family_difference(qwen, llama, **sizes), "controls": control}


def clarity_row(table: pd.DataFrame, config: Parameters) -> Row:
    """F8: share of latents with a concept at F1 of at least 0.7, FAST less BT(F)."""
    clear = table.assign(clear=(table["f1"] >= CLEAR_F1).astype(float))
    by_arm = {arm: clear.loc[clear["arm"] == arm, "clear"].to_numpy() for arm in
              ("FAST", "BT(F)", RANDOM)}  # fmt: skip
    one, other = by_arm["FAST"], by_arm["BT(F)"]
    found = two_sample_bootstrap(one, other, seed=config.seed, n_resamples=config.n_resamples)
    graded = table.dropna(subset=["grade"])
    high_grades = (graded["grade"] >= 4).groupby(graded["arm"]).mean()
    return {
        **found._asdict(),
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


def relative_change(table: pd.DataFrame, *, seed: int, n_resamples: int) -> Row:
    """Relative change of the loss with the FAST SAE in place, dialogues resampled."""
    trained, model = table[TRAINED].to_numpy(), table[MODEL].to_numpy()
    found = bootstrap_interval(
        [trained, model], relative_loss, seed=seed, n_resamples=n_resamples,
        paired=True, method="percentile",
    )  # fmt: skip
    return {**found._asdict(), "n": len(table)}


def loss_row(table: pd.DataFrame, config: Parameters) -> Row:
    """F10: what splicing costs; the control is an untrained SAE."""
    untrained = relative_loss(table[UNTRAINED].to_numpy(), table[MODEL].to_numpy())
    sizes = {"seed": config.seed, "n_resamples": config.n_resamples}
    control = {"change_by_an_untrained_SAE": untrained}
    return {**relative_change(table, **sizes), "controls": control}


def packing_row(cells: pd.DataFrame, config: Parameters) -> Row:
    """F11, with the sweep's gaps of ReLU and JumpReLU SAEs where both arms reached the L0."""
    row = packing(cells)
    found = {metric: at_equal_l0(cells, metric, config.k) for metric in ("mse", "mse_varying")}
    beside = {
        metric: (table["BT(F)"] - table["FAST"]).dropna().to_dict()
        for metric, table in found.items()
    }
    return {**row, "detail": {**row["detail"], f"sweep, gaps at an L0 of {config.k}": beside}}


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
