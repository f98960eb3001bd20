"""Rows on the building blocks: K8 and B1 to B4."""

from __future__ import annotations

import numpy as np
import pandas as pd

from saebook.papers.wang2025.association import over_saes, rho
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
    above = over_saes(
        arms, lambda a: float((a[OWN] - a[RANDOM]).mean()), m.config.n_resamples, m.config.seed
    )
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

    A latent whose grade does not move counts as 0. With a seed the factors are shuffled.
    """
    own = m.texts[m.texts["arm"] == OWN]
    means = own.groupby(["sae", "latent", "factor"])["instruction"].mean().unstack("factor")
    factors = [float(str(f)) for f in means.columns]
    rng = np.random.default_rng(seed)

    def one(row: np.ndarray) -> float:
        return rho(factors if seed is None else rng.permutation(factors).tolist(), row.tolist())

    found = pd.Series([one(row) for row in means.to_numpy(float)], index=means.index)
    return found.groupby(level="sae").mean()


def harder_row(m: Measured) -> Row:
    """B3: does steering harder lose the instruction?"""
    table = instruction_slopes(m).to_frame("slope")
    found = over_saes(
        table, lambda t: float(t["slope"].mean()), m.config.n_resamples, m.config.seed
    )
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
    table = table.assign(random=rng.permutation(table[OUTPUT].to_numpy()))
    by_sae = dict(list(table.groupby("sae")))
    index = pd.DataFrame(index=list(by_sae))

    def over(statistic):
        return over_saes(
            index, lambda drawn: statistic(pd.concat([by_sae[i] for i in drawn.index])),
            m.config.n_resamples // 4, m.config.seed,
        )  # fmt: skip

    both = over(
        lambda t: float(((t[OUTPUT] >= BOTH_FROM) & (t["input_score"] >= BOTH_FROM)).mean())
    )
    return {
        **named(
            {
                "output score filter": over(lambda t: filter_gain(t, OUTPUT)),
                "random filter": over(lambda t: filter_gain(t, "random")),
                "high on both": both,
            }
        ),
        "n": len(table),
        "controls": {"gain_with_permuted_decoder": filter_gain(permuted, OUTPUT)},
        "detail": {
            "share_kept": float((table[OUTPUT] >= OUTPUT_FROM).mean()),
            "mean_success": float(table["success"].mean()),
        },
    }


def _high_on_both(table: pd.DataFrame) -> float:
    return float((table[[OUTPUT, "input_score"]].min(axis=1) >= BOTH_FROM).mean())


def filter_gain(table: pd.DataFrame, column: str) -> float:
    """Mean success of latents whose score reaches the threshold, less that of all; 0 if none do."""
    kept = table.loc[table[column] >= OUTPUT_FROM, "success"]
    return float(kept.mean() - table["success"].mean()) if len(kept) else 0.0
