"""Rows on the building blocks: K8 and B1 to B4."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from saebook.papers.wang2025.association import mean_over_saes, over_saes
from saebook.papers.wang2025.association_rows import Row, named
from saebook.papers.wang2025.cells import OWN, PERMUTED, RANDOM
from saebook.papers.wang2025.measures import OUTPUT, Measured
from saebook.papers.wang2025.methods import CHOSEN, CLAMPED, DIFFMEAN, NOTHING, PROMPT
from saebook.papers.wang2025.utility import utilities, with_hm
from saebook.stats import Interval, paired_bootstrap_difference

OUTPUT_FROM, BOTH_FROM = 0.01, 0.1
"""Output score of the filter, and from which both scores count as high (2505.20063)."""


def method_scores(m: Measured) -> pd.DataFrame:
    """Steering score of every method on every concept of the shared list; index (model, item)."""
    texts = with_hm(m.tables["methods"])
    scores = utilities(texts, ["model", "item", "method"], m.config.n_dev)["score"]
    return scores.unstack("method")


def _difference(table: pd.DataFrame, first: str, second: str, m: Measured) -> Interval:
    return paired_bootstrap_difference(
        table[first], table[second], seed=m.config.seed, n_resamples=m.config.n_resamples
    )


def methods_row(m: Measured, table: pd.DataFrame) -> Row:
    """B1: the order of steering methods over concepts.

    Args:
        m: The measurements.
        table: From `method_scores`.
    """
    steps = {
        "DiffMean over SAE": (DIFFMEAN, CHOSEN),
        "prompting over DiffMean": (PROMPT, DIFFMEAN),
        "adding over clamping": (CHOSEN, CLAMPED),
    }
    return {
        **named({name: _difference(table, *pair, m) for name, pair in steps.items()}),
        "n": len(table),
        "controls": {"score_of_zero_steering": float(table[NOTHING].mean())},
        "detail": {"mean_scores": table.mean().to_dict()},
    }


def arm_means(m: Measured) -> pd.DataFrame:
    """Mean score of the latents that all arms steer, by SAE (rows) and arm."""
    return m.controls.groupby(["sae", "arm"])["score"].mean().unstack("arm")


def floor_row(m: Measured, table: pd.DataFrame) -> Row:
    """K8: own decoder rows over random ones (over SAEs), difference of means over the SAE."""
    arms = arm_means(m)
    above = mean_over_saes(arms[OWN] - arms[RANDOM], m.config.n_resamples, m.config.seed)
    return {
        **named(
            {
                "above the floor": above,
                "below the ceiling": _difference(table, DIFFMEAN, CHOSEN, m),
            }
        ),
        "n": len(arms),
        "controls": {"score_of_zero_steering": float(table[NOTHING].mean())},
        "detail": {"mean_scores": arms.mean().to_dict()},
    }


def detection_row(m: Measured) -> Row:
    """B2: the latent named by its words, the latent chosen on data, difference of means."""
    table = m.tables["detection"]
    both = table.dropna(subset=["named"])
    means = table.groupby(["model", "concept"])[["chosen", "diffmean"]].mean()
    if len(both) < 2:
        raise ValueError(
            f"{len(both)} concepts are named by an explanation; raise n_concepts or n_corpus_tokens"
        )
    parts = {
        "chosen over named": _difference(both, "chosen", "named", m),
        "DiffMean over chosen": _difference(means, "diffmean", "chosen", m),
    }
    return {
        **named(parts),
        "n": len(means),
        "controls": {"AUROC_of_a_random_latent": float(table["random"].mean())},
        "detail": {
            "mean_auroc": table[["named", "chosen", "diffmean"]].mean().to_dict(),
            "named_concepts": len(both),
        },
    }


def instruction_slopes(m: Measured, seed: int | None = None) -> pd.Series:
    """Mean Spearman of the instruction grade with the factor by SAE, over its latents.

    A latent whose grade does not move counts as 0. With a seed the factors are shuffled, latent
    by latent.
    """
    own = m.texts[m.texts["arm"] == OWN]
    means = own.groupby(["sae", "latent", "factor"])["instruction"].mean().unstack("factor")
    grades = rankdata(means.to_numpy(float), axis=1)
    factors = np.tile(np.arange(grades.shape[1], dtype=float), (len(grades), 1))
    if seed is not None:
        factors = np.random.default_rng(seed).permuted(factors, axis=1)
    found = pd.Series(_row_correlations(factors, grades), index=means.index)
    return found.groupby(level="sae").mean()


def _row_correlations(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson's r of each row of x with the same row of y, [n]; 0 where one of them is constant."""
    a, b = x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True)
    size = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    return np.divide((a * b).sum(1), size, out=np.zeros(len(x)), where=size > 0)


def harder_row(m: Measured) -> Row:
    """B3: does steering harder lose the instruction?"""
    found = mean_over_saes(instruction_slopes(m), m.config.n_resamples, m.config.seed)
    control = float(instruction_slopes(m, seed=m.config.seed + 43).mean())
    return {
        **found._asdict(),
        "n": len(m.latents),
        "controls": {"correlation_at_shuffled_factors": control},
    }


def gen_success(m: Measured, arm: str) -> pd.DataFrame:
    """Gen-Success@20 of each latent on held-out prompts: sae, latent, success.

    The factor is the one with the largest mean success times mean fluency on the development
    prompts, so that a loop of listed tokens does not win.
    """
    own = m.texts[m.texts["arm"] == arm]
    means = own.assign(dev=own["prompt"] < m.config.n_dev).groupby(
        ["sae", "latent", "dev", "factor"]
    )[["success", "fluency"]].mean()  # fmt: skip
    merit = (means["success"] * means["fluency"]).xs(True, level="dev").unstack("factor")
    chosen = merit.sort_index(axis=1).idxmax(axis=1).rename("factor").reset_index()
    held = means["success"].xs(False, level="dev").reset_index()
    return chosen.merge(held, on=["sae", "latent", "factor"])[["sae", "latent", "success"]]


def success_row(m: Measured) -> Row:
    """B4: what filtering by output score does to Gen-Success@20."""
    scores = m.latents[["sae", "latent", OUTPUT, "input_score"]]
    table = gen_success(m, OWN).merge(scores, on=["sae", "latent"])
    permuted = gen_success(m, PERMUTED).merge(scores, on=["sae", "latent"])
    rng = np.random.default_rng((m.config.seed, 47))
    shuffled = table.assign(**{OUTPUT: rng.permutation(table[OUTPUT].to_numpy())})

    def over(sums: pd.DataFrame, statistic: Callable[[pd.DataFrame], float]) -> Interval:
        return over_saes(sums, statistic, m.config.n_resamples, m.config.seed)

    own = filter_sums(table)
    return {
        **named(
            {
                "output score filter": over(own, filter_gain),
                "random filter": over(filter_sums(shuffled), filter_gain),
                "high on both": over(own, lambda s: float(s["both"].sum() / s["latents"].sum())),
            }
        ),
        "n": len(table),
        "controls": {"gain_with_permuted_decoder": filter_gain(filter_sums(permuted))},
        "detail": {
            "share_kept": float(own["kept"].sum() / own["latents"].sum()),
            "mean_success": float(table["success"].mean()),
        },
    }


def filter_sums(table: pd.DataFrame) -> pd.DataFrame:
    """Counts and sums of success of all latents and of those the output score keeps, by SAE."""
    kept = table[OUTPUT] >= OUTPUT_FROM
    columns = {
        "latents": pd.Series(1, table.index),
        "kept": kept.astype(int),
        "both": (table[[OUTPUT, "input_score"]].min(axis=1) >= BOTH_FROM).astype(int),
        "success": table["success"],
        "kept_success": table["success"].where(kept, 0.0),
    }
    return pd.DataFrame(columns).groupby(table["sae"]).sum()


def filter_gain(sums: pd.DataFrame) -> float:
    """Mean success of the kept latents less that of all; 0 if none is kept.

    Args:
        sums: From `filter_sums`.
    """
    total = sums.sum()
    if not total["kept"]:
        return 0.0
    return float(total["kept_success"] / total["kept"] - total["success"] / total["latents"])
