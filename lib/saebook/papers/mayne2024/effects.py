"""What a sweep of coefficients says: movement of behaviours, steerability, and the share kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from saebook.papers.mayne2024.steerability import VECTOR
from saebook.stats import Interval


def movements(frame: pd.DataFrame) -> pd.DataFrame:
    """How far plus and minus v move each behaviour, and where it stands unsteered.

    Columns behaviour, measure, unsteered (mean share of the matching side in the mass of both),
    chosen (share of prompts whose likelier side is the matching one), mass (of both sides), moved
    (mean share at coefficient 1 minus at -1). `chosen` jumps from 0 to 1 where every prompt leans
    a little to the same side, so `unsteered` says whether there is room to move.

    Raises:
        ValueError: The coefficients lack -1, 0 or 1.
    """
    own = frame[frame["vector"] == VECTOR]
    missing = {-1.0, 0.0, 1.0} - set(own["coeff"])
    if missing:
        raise ValueError(f"movement is read at -1, 0 and 1; coefficients lack {sorted(missing)}")
    keys = ["behaviour", "measure"]
    means = own.groupby([*keys, "coeff"], sort=False)["share"].mean().unstack("coeff")
    start = own[own["coeff"] == 0].assign(chosen=lambda f: f["log_odds"] > 0)
    table = start.groupby(keys, sort=False)[["share", "chosen", "mass"]].mean()
    table = table.rename(columns={"share": "unsteered"})
    return table.assign(moved=means[1.0] - means[-1.0]).reset_index()


def slopes(frame: pd.DataFrame) -> pd.DataFrame:
    """OLS slope of log-odds on the coefficient for each item, in nats per unit of coefficient.

    slope = sum (c - mean c) m / sum (c - mean c)^2 (Tan et al. 2407.12404, section 3). Index
    behaviour, measure, vector; one column an item.
    """
    keys = ["behaviour", "measure", "vector", "item"]
    wide = frame.pivot(index=keys, columns="coeff", values="log_odds")
    centred = wide.columns.to_numpy(float) - wide.columns.to_numpy(float).mean()
    found = pd.Series(wide.to_numpy() @ centred / (centred @ centred), index=wide.index)
    return found.unstack("item")


def slope_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """`slopes`, tidy: behaviour, measure, vector, item, slope."""
    keys = ["behaviour", "measure", "vector"]
    return slopes(frame).reset_index().melt(keys, var_name="item", value_name="slope")


def share_kept(
    frame: pd.DataFrame, vector: str, steered: Sequence[str], measure: str
) -> np.ndarray:
    """Item slopes under `vector` and under v for the steered behaviours, [behaviours, 2, items]."""
    table = slopes(frame)
    pairs = [
        tuple(table.xs((b, measure, name)).to_numpy() for name in (vector, VECTOR)) for b in steered
    ]
    return np.array(pairs)


def median_kept(kept: np.ndarray, draws: int, seed: int) -> Interval:
    """Median over behaviours of steerability kept, items resampled within each behaviour.

    Steerability is the mean slope over items; kept = steerability(other) / steerability(v).

    Args:
        kept: Item slopes [behaviours, 2, items] from `share_kept`.
        draws: Bootstrap resamples.
        seed: Of the resamples.

    Raises:
        ValueError: No behaviour is steered, so that there is nothing to keep.
    """
    if not len(kept):
        raise ValueError("no behaviour is steered by its vector; nothing can be kept or lost")
    n = kept.shape[-1]
    drawn = np.random.default_rng(seed).integers(n, size=(draws, len(kept), 1, n))
    means = np.take_along_axis(kept[None], drawn, axis=-1).mean(-1)
    medians = np.median(means[:, :, 0] / means[:, :, 1], axis=1)
    low, high = np.quantile(medians, [0.025, 0.975])
    own = kept.mean(-1)
    estimate = float(np.median(own[:, 0] / own[:, 1]))
    return Interval(estimate, min(float(low), estimate), max(float(high), estimate))
