"""Difficulty labels: from simulated students, from models, and the ones that act as controls."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
N_STUDENTS = 200


def student_difficulty(
    depth: ArrayLike, seed: int, n_students: int = N_STUDENTS, item_noise: float = 1.0
) -> Floats:
    """Return one minus the share of simulated students who answer each item rightly.

    A student answers with probability 1 / (1 + exp(-(skill - hardness))), the Rasch model; a
    skill is standard normal, the hardness of an item is its depth's, plus noise of its own that
    stands for all that makes an item hard for people and not for models.

    Args:
        depth: True depth of each item.
        seed: Of students and noise.
        n_students: Students.
        item_noise: Standard deviation of an item's own hardness, in logits a depth step.

    Raises:
        ValueError: Fewer than one student.
    """
    if n_students < 1:
        raise ValueError(f"{n_students} students cannot label anything")
    rng = np.random.default_rng([seed, 1])
    depths = np.asarray(depth, dtype=float)
    hardness = depths - depths.mean() + item_noise * rng.standard_normal(len(depths)) - 1.5
    skill = rng.standard_normal(n_students)
    chance = 1 / (1 + np.exp(-(skill[:, None] - hardness)))
    return 1 - (rng.random(chance.shape) < chance).mean(0)


def model_difficulty(right: ArrayLike) -> Floats:
    """Return one minus the mean probability of the right option over models (section 3.2).

    Args:
        right: Probability of the right option among the options [n_models, n_items].

    Raises:
        ValueError: Not a table of probabilities, or no model.
    """
    probs = np.asarray(right, dtype=float)
    if probs.ndim != 2 or not len(probs):
        raise ValueError(f"probabilities [models, items] are needed, found shape {probs.shape}")
    if not ((probs >= 0) & (probs <= 1)).all():
        raise ValueError("a probability lies outside [0, 1]")
    return 1 - probs.mean(0)


def oracle_difficulty(depth: ArrayLike) -> Floats:
    """Return the true depth; an order draws among equals. Facts are asked for equally often."""
    return np.asarray(depth, dtype=float)


def reversed_difficulty(difficulty: ArrayLike) -> Floats:
    """Return a label under which hard comes first."""
    return -np.asarray(difficulty, dtype=float)


def permuted(labels: ArrayLike, seed: int) -> np.ndarray:
    """Return the same labels on other items, drawn at random: the placebo."""
    held = np.asarray(labels)
    return held[np.random.default_rng([seed, 2]).permutation(len(held))]


def joined_by_question_number(
    difficulty: ArrayLike, moved: Sequence[int]
) -> tuple[Floats, float, int]:
    """Show what joining rows by question number does when some rows stand at the file's end.

    The published difficulty file is indexed by row position, and about 14 questions stand at its
    end. Whoever reads the index as the question's number shifts every later label.

    Args:
        difficulty: True label of each question, by question number.
        moved: Question numbers whose rows stand at the end of the file.

    Returns:
        The labels so joined, their correlation with the true ones, and how many rows coincide.
    """
    true = np.asarray(difficulty, dtype=float)
    rows = [i for i in range(len(true)) if i not in set(moved)] + list(moved)
    joined = true[rows]
    alike = int((np.asarray(rows) == np.arange(len(true))).sum())
    return joined, float(np.corrcoef(true, joined)[0, 1]), alike


def agreement(labels: Mapping[str, ArrayLike]) -> pd.DataFrame:
    """Return Spearman's rho between every two labels.

    Raises:
        ValueError: Fewer than two labels.
    """
    if len(labels) < 2:
        raise ValueError("agreement needs at least two labels")
    frame = pd.DataFrame({name: np.asarray(values, float) for name, values in labels.items()})
    return frame.corr("spearman")


def mean_pairwise(correlations: pd.DataFrame, with_diagonal: bool = False) -> float:
    """Return the mean correlation over pairs; with the diagonal every 1 counts as a pair too.

    The paper prints .54 where its own matrix gives .46 over pairs and .55 with the diagonal.
    """
    values = correlations.to_numpy(float)
    pairs = values[np.triu_indices(len(values), 0 if with_diagonal else 1)]
    return float(pairs.mean()) if not with_diagonal else float(values.mean())


def ties(difficulty: ArrayLike) -> float:
    """Return the share of items that share their difficulty with another one."""
    _, counts = np.unique(np.asarray(difficulty), return_counts=True)
    return float(counts[counts > 1].sum() / max(1, math.fsum(counts)))


def share_between(difficulty: ArrayLike, groups: Sequence[str]) -> float:
    """Return the share of a label's variance that lies between groups, 0 to 1 (eta squared).

    A label that hardly varies inside a group puts the group's items next to one another.

    Raises:
        ValueError: Unequal lengths, or a label that does not vary.
    """
    if len(groups) != len(np.asarray(difficulty)):
        raise ValueError(f"{len(np.asarray(difficulty))} labels for {len(groups)} items")
    frame = pd.DataFrame({"label": np.asarray(difficulty, float), "group": list(groups)})
    whole = float(frame["label"].var())
    if not whole:
        raise ValueError("the label does not vary")
    return float(frame.groupby("group")["label"].transform("mean").var() / whole)
