"""What follows from the printed numbers alone: no model, no SAE, exact arithmetic."""

from __future__ import annotations

import math
from typing import Any, cast

import pandas as pd
from scipy.stats import binomtest, fisher_exact

from saebook.papers.li2025 import tables

METRICS = ("MSE", "MSE_st")
ARCHITECTURES = ("Standard", "JumpReLU")


def family_of(model: str) -> str:
    """Return Llama or Qwen."""
    return "Llama" if model.startswith("Llama") else "Qwen"


def gains() -> pd.DataFrame:
    """Return the printed values with what FAST gains in each cell, in bits.

    Adds family, over BT(P), over BT(F) (value of the arm less that of FAST) and data (BT(P) less
    BT(F)); positive is better. Rounded to the tables' four decimals.
    """
    frame = tables.tables_3_to_9()
    return frame.assign(
        family=frame["model"].map(family_of),
        **{
            "over BT(P)": (frame["BT(P)"] - frame["FAST"]).round(4),
            "over BT(F)": (frame["BT(F)"] - frame["FAST"]).round(4),
            "data": (frame["BT(P)"] - frame["BT(F)"]).round(4),
        },
    )


def win_counts() -> pd.DataFrame:
    """Return, of forty cells, how many each arm wins, by architecture and metric.

    Index (architecture, metric); columns FAST<BT(P), FAST<BT(F), FAST best, BT(F)<BT(P).
    """
    frame = gains()
    wins = pd.DataFrame(
        {
            "FAST<BT(P)": frame["over BT(P)"] > 0,
            "FAST<BT(F)": frame["over BT(F)"] > 0,
            "FAST best": (frame["over BT(P)"] > 0) & (frame["over BT(F)"] > 0),
            "BT(F)<BT(P)": frame["data"] > 0,
        }
    )
    return wins.groupby([frame["architecture"], frame["metric"]], sort=False).sum()


def sign_tests() -> pd.DataFrame:
    """Two-sided p of each win count against a fair coin, forty cells taken as independent."""
    return win_counts().map(lambda wins: binomtest(int(wins), 40).pvalue)


def median_gains() -> pd.DataFrame:
    """Median gain of FAST in bits by architecture, metric and family; index and columns named."""
    columns = ["over BT(P)", "over BT(F)"]
    keys = ["architecture", "metric", "family"]
    medians = gains().groupby(keys, sort=False)[columns].median()
    return pd.DataFrame(medians.unstack("family"))


def decomposition() -> pd.DataFrame:
    """Median gain over the forty cells by the data (BT(P) to BT(F)) and by the packing, in bits.

    Index (architecture, metric); columns data, packing, and share, the data's part of their sum.
    """
    medians = gains().groupby(["architecture", "metric"], sort=False)[["data", "over BT(F)"]]
    found = medians.median().rename(columns={"over BT(F)": "packing"})
    return found.assign(share=found["data"] / (found["data"] + found["packing"]))


def cell(model: str, layer: int, expansion: int) -> pd.DataFrame:
    """Return the four rows of one cell, index (architecture, metric).

    Raises:
        ValueError: the paper prints no such cell.
    """
    frame = gains()
    keys = (frame["model"] == model) & (frame["layer"] == layer)
    own = frame[keys & (frame["expansion"] == expansion)]
    if own.empty:
        raise ValueError(f"the paper prints no cell {model} layer {layer} {expansion}X")
    return own.set_index(["architecture", "metric"])


def headline() -> pd.DataFrame:
    """The headline cell in bits and in linear units, with the reduction that FAST brings.

    Index (architecture, metric); a column an arm in bits, `<arm> linear`, and `reduction over
    <arm>` in percent. The abstract prints the bits of MSE_st without saying that they are such.
    """
    own = cell(*tables.HEADLINE)[list(tables.ARMS)]
    linear = own.rpow(2.0)
    reductions = {
        f"reduction over {arm}": 100 * (1 - linear["FAST"] / linear[arm]) for arm in tables.ARMS[:2]
    }
    return own.join(linear.add_suffix(" linear")).assign(**reductions)


def ordered_anchors() -> int:
    """Count, of the eight anchors, those in the order FAST below BT(F) below BT(P)."""
    rows = pd.concat([cell(*anchor) for anchor in tables.ANCHORS])
    return int(((rows["over BT(F)"] > 0) & (rows["data"] > 0)).sum())


def cheaper_than_one_latent() -> pd.DataFrame:
    """JumpReLU cells whose whole squared error is below the loss of one active latent.

    The squared error of a token is H times the printed mean. An L0 penalty that did its work would
    prune latents until their error outweighs the cost.

    Returns:
        A row a JumpReLU cell and arm: model, layer, expansion, arm, squared_error, below (the cost
        of one latent) and below_one.
    """
    frame = tables.tables_3_to_9().query("architecture == 'JumpReLU' and metric == 'MSE'")
    long = frame.melt(["model", "layer", "expansion"], tables.ARMS, "arm", "bits")
    error = 2.0 ** long["bits"] * long["model"].map(tables.WIDTHS)
    below = error < tables.L0_PENALTY
    return long.drop(columns="bits").assign(squared_error=error, below=below, below_one=error < 1)


def clear_counts() -> pd.DataFrame:
    """Latents of 128 scored 4 or 5: percent times 128, to the nearest whole; index model."""
    frame = pd.DataFrame(tables.CLEAR).T
    return (frame * tables.SCORED / 100).round().astype(int)


def fisher_p(one: int, other: int, n: int = tables.SCORED) -> float:
    """Fisher's exact two-sided p of two counts out of n each."""
    return float(cast(Any, fisher_exact([[one, n - one], [other, n - other]])).pvalue)


def fisher_tests() -> pd.DataFrame:
    """Fisher's exact p between the arms of both configurations; index model."""
    counts = clear_counts()
    pairs = (("FAST", "BT(F)"), ("FAST", "BT(P)"), ("BT(F)", "BT(P)"))
    return pd.DataFrame(
        {f"{a} vs {b}": [fisher_p(r[a], r[b]) for _, r in counts.iterrows()] for a, b in pairs},
        index=counts.index,
    )


def standard_energy() -> pd.DataFrame:
    """Squared error a token of the Standard SAEs on Llama-3.1-8B under FAST, H times the mean.

    To be held against the squared norm of an ordinary token at about the same layer: 40 at layer
    8, 117 at 15 and 848 at 24, from the average norms stored with Llama Scope's SAEs (6.3125,
    10.8125, 29.125), BOS left out.
    """
    own = gains().query(
        "model == 'Llama-3.1-8B' and architecture == 'Standard' and metric == 'MSE'"
    )
    error = own["FAST"].rpow(2.0) * tables.WIDTHS["Llama-3.1-8B"]
    nearest = {4: 6.3125, 12: 10.8125, 18: 17.125, 20: 17.125, 25: 29.125}
    norms = own["layer"].map(nearest)
    found = {"squared error": error, "squared norm nearby": norms**2}
    return pd.DataFrame(found).set_index(own["layer"])


def bits(mse: float) -> float:
    """Logarithm of base two, as the tables print errors. Raises ValueError unless mse > 0."""
    if mse <= 0:
        raise ValueError(f"the logarithm of an error of {mse} is not defined")
    return math.log2(mse)
