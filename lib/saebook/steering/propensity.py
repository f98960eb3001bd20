"""Steerability: how strongly the log-odds of a behaviour follow the steering coefficient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from saebook.stats import ols_slope
from saebook.steering.forward import next_token_logprobs
from saebook.steering.vectors import SteeringVector
from saebook.subjects import Subject

COLUMNS = ("item", "coeff", "propensity")


def log_odds(
    logprobs: Tensor, positive: Sequence[Sequence[int]], negative: Sequence[Sequence[int]]
) -> Tensor:
    """Return log p(any positive token) - log p(any negative token), row by row, [n].

    Args:
        logprobs: [n, vocabulary].
        positive: Token ids that show the behaviour, for each row.
        negative: Token ids that show its opposite, for each row.

    Raises:
        ValueError: lengths differ, a set is empty, or a token counts for both sides.
    """
    if not len(logprobs) == len(positive) == len(negative):
        raise ValueError(
            f"{len(logprobs)} rows, {len(positive)} positive and {len(negative)} negative sets"
        )
    for i, (yes, no) in enumerate(zip(positive, negative, strict=True)):
        if not yes or not no or set(yes) & set(no):
            raise ValueError(f"row {i}: token sets {list(yes)} and {list(no)} are empty or overlap")
    pairs = zip(logprobs, positive, negative, strict=True)
    return torch.stack([p[list(y)].logsumexp(0) - p[list(n)].logsumexp(0) for p, y, n in pairs])


def propensity_frame(
    subject: Subject,
    prompts: Sequence[str],
    positive: Sequence[Sequence[int]],
    negative: Sequence[Sequence[int]],
    vector: SteeringVector,
    coeffs: Sequence[float],
    batch_size: int = 32,
) -> pd.DataFrame:
    """Measure the log-odds of a behaviour at every prompt and coefficient.

    Propensity is `log_odds` of the next token, the m(x, lambda) of Tan et al. (2407.12404) for
    answers of one token, in nats.

    Returns:
        Columns item (index of the prompt), coeff, propensity; prompts x coefficients rows.

    Raises:
        ValueError: as `next_token_logprobs` and `log_odds`.
    """
    grid = [(item, float(coeff)) for item in range(len(prompts)) for coeff in coeffs]
    logprobs = next_token_logprobs(
        subject,
        [prompts[item] for item, _ in grid],
        [vector.with_coeff(coeff) for _, coeff in grid],
        batch_size,
    )
    items = [item for item, _ in grid]
    odds = log_odds(logprobs, [positive[i] for i in items], [negative[i] for i in items])
    columns = {"item": items, "coeff": [coeff for _, coeff in grid]}
    return pd.DataFrame({**columns, "propensity": odds.double().numpy()})


def item_slopes(frame: pd.DataFrame) -> pd.Series:
    """Return the OLS slope of propensity against coeff for each item, nats per unit of coeff.

    Raises:
        ValueError: a column is missing, a value is not finite, fewer than two coefficients, or
            an item lacks one of the coefficients or has it twice.
    """
    missing = [column for column in COLUMNS if column not in frame]
    if missing:
        raise ValueError(f"the propensity frame lacks {', '.join(missing)}")
    if frame.empty or not np.isfinite(frame[["coeff", "propensity"]].to_numpy(float)).all():
        raise ValueError("the propensity frame is empty or holds values that are not finite")
    counts = frame.groupby(["item", "coeff"]).size().unstack(fill_value=0)
    if counts.shape[1] < 2 or (counts != 1).any(axis=None):
        raise ValueError("every item needs each of at least two coefficients exactly once")
    groups = frame.groupby("item", sort=True)
    slopes = {item: ols_slope(part["coeff"], part["propensity"]) for item, part in groups}
    return pd.Series(slopes, name="slope").rename_axis("item")


def steerability(frame: pd.DataFrame) -> float:
    """Return the mean over items of the slope of propensity against coeff (2407.12404, sec. 3).

    In nats per unit of coeff. Zero means no effect; the share of items whose slope is negative
    (`(item_slopes(frame) < 0).mean()`) says how many move the wrong way.
    """
    return float(item_slopes(frame).mean())
