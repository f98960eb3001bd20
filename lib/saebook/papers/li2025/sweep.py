"""Errors at equal L0 from a sweep of sparsities: what a gain is worth at one density."""

from __future__ import annotations

import numpy as np
import pandas as pd


def swept(cells: pd.DataFrame) -> pd.DataFrame:
    """The sweep's rows of the table of cells: those with a target L0 of their own."""
    return cells[cells["target"] > 0]


def at_equal_l0(cells: pd.DataFrame, metric: str, l0: float) -> pd.DataFrame:
    """Log2 error of each arm at one measured L0.

    Between two SAEs of a sweep the error is interpolated linearly in the logarithm of the L0 on
    the held-out dialogues. Outside the L0s that an arm reached nothing is said (nan).

    Args:
        cells: Table of cells, the sweep among them.
        metric: A column of log2 errors.
        l0: Latents a token.

    Returns:
        Index architecture, a column an arm, bits.

    Raises:
        ValueError: no sweep in the table.
    """
    own = swept(cells)
    if own.empty:
        raise ValueError("the table of cells holds no sweep of sparsities")
    found = {
        (arch, arm): np.interp(
            np.log2(l0), np.log2(rows["l0"]), rows[metric], left=np.nan, right=np.nan
        )
        for (arch, arm), rows in own.sort_values("l0").groupby(["architecture", "arm"])
    }
    return pd.Series(found).unstack().rename_axis(index="architecture", columns="arm")
