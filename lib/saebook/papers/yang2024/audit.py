"""What follows from the printed tables alone: no model, no draw, exact arithmetic."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats as scipy_stats

from saebook.papers.yang2024 import tables

Table = Mapping[str, tuple[float, ...]]
TABLES: dict[str, tuple[Table, tuple[str, ...]]] = {
    "1a": (tables.TABLE_1A, tables.MARGINS),
    "1b": (tables.TABLE_1B, tables.MARGINS),
    "3": (tables.TABLE_3, tables.MARGINS),
    "5": (tables.TABLE_5, tables.DATA_SETS),
}
"""The tables of accuracies, with their columns (the printed mean left out)."""


def accuracies(table: str) -> pd.DataFrame:
    """Return a printed table, orders as rows and margins as columns, percent.

    Raises:
        ValueError: No such table.
    """
    if table not in TABLES:
        raise ValueError(f"unknown table {table!r}; known: {', '.join(TABLES)}")
    printed, columns = TABLES[table]
    rows = {order: values[: len(columns)] for order, values in printed.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(columns))


def gains(table: str) -> pd.DataFrame:
    """Return each strategy's accuracy minus Random's in every margin, percentage points."""
    frame = accuracies(table)
    return (frame - frame.loc[tables.RANDOM]).drop(tables.RANDOM).round(tables.DECIMALS)


def best_gains(table: str) -> pd.Series:
    """Return the largest gain of the five strategies in every margin."""
    return gains(table).max()


def mean_gains(table: str) -> pd.Series:
    """Return each strategy's printed mean minus Random's; of Table 3 the mean of its cells.

    A mean over four model margins and one over three data-set margins are the same mean of twelve
    cells; where the paper prints none the two are averaged.
    """
    printed, columns = TABLES[table]
    means = {o: v[len(columns)] if len(v) > len(columns) else _mean(v) for o, v in printed.items()}
    frame = pd.Series(means)
    return (frame - frame[tables.RANDOM]).drop(tables.RANDOM).round(tables.DECIMALS)


def _mean(row: tuple[float, ...]) -> float:
    models = row[: len(tables.MODELS)]
    rest = row[len(tables.MODELS) :]
    return (sum(models) / len(models) + sum(rest) / len(rest)) / 2


def margins_disagree() -> float:
    """Largest difference in Tables 1a and 1b between a printed mean and the mean of its margins.

    Percentage points; two decimals are printed, so up to 0.01 is rounding.
    """
    rows = np.array([*tables.TABLE_1A.values(), *tables.TABLE_1B.values()])
    of_models, of_sets = rows[:, :4].mean(1), rows[:, 4:7].mean(1)
    apart = np.abs(np.stack([of_models, of_sets]) - rows[:, 7])
    return round(float(apart.max()), 4)


def average_best_gains() -> pd.DataFrame:
    """Return the average best gain over models and over data sets: human, LLM and pooled labels."""
    best = {"human": best_gains("1a"), "LLM": best_gains("1b")}
    rows = {
        name: {
            "models": gain[list(tables.MODELS)].mean(),
            "data sets": gain[list(tables.DATA_SETS)].mean(),
        }
        for name, gain in best.items()
    }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.loc["pooled"] = frame.mean()
    return frame


def headlines() -> pd.DataFrame:
    """Return every gain that the text quotes with what its tables give: printed, found, follows.

    `follows` says whether the printed value is the found one at two decimals.
    """
    average = average_best_gains()
    models, sets = list(tables.MODELS), list(tables.DATA_SETS)
    best_1b, best_3 = best_gains("1b"), best_gains("3")
    found = {
        "best per data set": max(best_gains("1a")[sets].max(), best_1b[sets].max()),
        "best per model": max(best_gains("1a")[models].max(), best_1b[models].max()),
        "best per model, version 1": best_3[models].max(),
        "average best, data sets": average.loc["pooled", "data sets"],
        "average best, models": average.loc["pooled", "models"],
        "best per data set, clustered": best_3[sets].max(),
    }
    frame = pd.DataFrame({"printed": tables.HEADLINES, "found": found})
    return frame.assign(follows=frame["found"].round(tables.DECIMALS) == frame["printed"])


def winners(table: str) -> pd.Series:
    """Return the best of the six orders in every margin."""
    return accuracies(table).idxmax()


def winner_counts() -> pd.Series:
    """Return how many of the 14 margins of Tables 1a and 1b each order wins."""
    both = pd.concat([winners("1a"), winners("1b")])
    return both.value_counts().reindex(tables.ORDERS, fill_value=0)


def margins_won(order: str, table: str = "1a") -> int:
    """Return in how many margins an order exceeds Random."""
    return int((gains(table).T[order] > 0).sum())


def lead(order: str, table: str = "1a") -> float:
    """Return an order's printed mean gain minus the next best, percentage points."""
    mean = mean_gains(table)
    return round(float(mean[order] - mean.drop(order).max()), tables.DECIMALS)


def label_tests() -> pd.DataFrame:
    """Return LLM minus human labels for the orders that read a label, with paired t tests.

    Columns difference (printed means, percentage points), p over the four model margins, p over
    the three data-set margins. The twelve cells themselves are not printed.
    """
    human, llm = accuracies("1a"), accuracies("1b")
    rows = []
    for order in tables.CURRICULA:
        tests = [
            scipy_stats.ttest_rel(llm.loc[order, list(c)], human.loc[order, list(c)]).pvalue
            for c in (tables.MODELS, tables.DATA_SETS)
        ]
        difference = tables.TABLE_1B[order][7] - tables.TABLE_1A[order][7]
        rows.append((order, round(difference, tables.DECIMALS), *map(float, tests)))
    columns = ["order", "difference", "p_models", "p_data_sets"]
    return pd.DataFrame(rows, columns=columns).set_index("order")


def largest_label_gains(n: int = 3) -> pd.Series:
    """Return the largest gains of LLM over human labels on a data set, by (order, data set)."""
    change = (accuracies("1b") - accuracies("1a")).to_dict()
    cells = {(o, d): change[d][o] for o in tables.CURRICULA for d in tables.DATA_SETS}
    return pd.Series(cells).round(tables.DECIMALS).nlargest(n)


def binomial_error(accuracy: float, n: int) -> float:
    """Return the standard error of an accuracy in percent over n questions, percentage points."""
    share = accuracy / 100
    return 100 * math.sqrt(share * (1 - share) / n)


def data_set_errors() -> pd.Series:
    """Return the binomial standard error of one model on each test set, at Random's accuracy."""
    row = accuracies("1a").loc[tables.RANDOM].to_dict()
    return pd.Series({d: binomial_error(row[d], n) for d, n in tables.TEST_ITEMS.items()})


def chance_level() -> float:
    """Return the mean accuracy of guessing over the three test sets, percent (21.67)."""
    return float(np.mean([100 / k for k in tables.OPTIONS.values()]))


def above_chance(accuracy: float) -> float:
    """Return a three-set mean minus chance, in binomial standard errors of that mean at chance."""
    errors = [binomial_error(100 / k, tables.TEST_ITEMS[d]) for d, k in tables.OPTIONS.items()]
    error = math.sqrt(sum(e**2 for e in errors)) / len(errors)
    return (accuracy - chance_level()) / error


def rate_of_last_share(share: float = 1 / 3) -> float:
    """Return the mean learning rate over the last share of items over the first rate: share / 2.

    Under linear decay to 0 without warm-up the rate after a share u of the items is 1 - u.

    Raises:
        ValueError: A share outside (0, 1].
    """
    if not 0 < share <= 1:
        raise ValueError(f"a share lies above 0 and up to 1, found {share}")
    return share / 2


def counted_models() -> pd.Series:
    """Return what stands behind the paper's count of fine-tuned models.

    `cells` are orders x models x data sets x labels; `copies` those in which the order reads no
    label; `trainings` what the protocol needs: nine different orders, four models, four folds and
    the whole set, five runs.
    """
    free = len(tables.ORDERS) - len(tables.CURRICULA)
    grid = len(tables.MODELS) * len(tables.DATA_SETS)
    orders = free + tables.LABEL_KINDS * len(tables.CURRICULA)
    return pd.Series(
        {
            "cells": len(tables.ORDERS) * grid * tables.LABEL_KINDS,
            "copies": free * grid * (tables.LABEL_KINDS - 1),
            "trainings": orders * len(tables.MODELS) * (tables.FOLDS + 1) * tables.TRAINING_RUNS,
        }
    )


def optimiser_steps(n_items: int) -> pd.Series:
    """Return the optimiser steps of one epoch by model, from batch and accumulation."""
    steps = {m: math.ceil(n_items / (b * a)) for m, (_, b, a) in tables.SETTINGS.items()}
    return pd.Series(steps)
