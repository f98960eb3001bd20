"""Rows on selection: C6 to C9, C11, K1, K2, K3, K6 and K7."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from saebook.papers.wang2025 import selection
from saebook.papers.wang2025.association import mean_over_saes, over_saes, rho, shuffled
from saebook.papers.wang2025.association_rows import Row, named
from saebook.papers.wang2025.measures import CONFIDENCE, OUTPUT, Measured
from saebook.papers.wang2025.parameters import Parameters
from saebook.papers.wang2025.variants import SIDED, variants
from saebook.stats import Interval

TRIVIAL = ("kl", "entropy_change", "density", "max_act", "kurtosis")
"""Predictors of utility that know nothing of token confidence (K6)."""


def ratio_of(numerator: str, denominator: str) -> Callable[[pd.DataFrame], float]:
    """The ratio of two columns' means, as a statistic of a table of SAEs; 1 over nothing."""

    def of(saes: pd.DataFrame) -> float:
        below = float(saes[denominator].sum())
        return float(saes[numerator].sum()) / below if below else 1.0

    return of


def _resampled(
    table: pd.DataFrame, statistic: Callable[[pd.DataFrame], float], config: Parameters
) -> Interval:
    return over_saes(table, statistic, config.n_resamples, config.seed)


def _interval(m: Measured, statistic: Callable[[pd.DataFrame], float]) -> Interval:
    return _resampled(m.saes, statistic, m.config)


def doubling_row(m: Measured) -> Row:
    """C6: selected over unselected score by the paper's rule; permuted decoder as control."""
    found = _interval(m, ratio_of("g_high", "g"))
    own, best = 0.0, 0.0
    for _, part in m.permuted.groupby("sae"):
        score = part["score"].to_numpy(float)
        own += score.mean()
        best += selection.best_of_score(score, part["V1"].to_numpy(float))
    return {
        **found._asdict(),
        "n": len(m.saes),
        "controls": {"ratio_with_permuted_decoder": best / own if own else 1.0},
        "detail": {
            "mean_scores": {c: float(m.saes[c].mean()) for c in ("g", "g_output", "g_high")},
            "random_ranking_over_none": ratio_of("g_random", "g")(m.saes),
        },
    }


def beats_output_row(m: Measured) -> Row:
    """C7: token confidence over output score, both by the best-of rule."""
    found = _interval(m, ratio_of("g_high", "g_output"))
    lifts = {c: ratio_of(c, "g")(m.saes) - 1 for c in ("g_high", "g_output")}
    return {
        **found._asdict(),
        "n": len(m.saes),
        "controls": {"ratio_of_two_random_rankings": ratio_of("g_random", "g_random_2")(m.saes)},
        "detail": {
            "difference_of_lifts_in_points": 100 * (lifts["g_high"] - lifts["g_output"]),
            "random_18_over_random_9": ratio_of("g_random", "g_random_up")(m.saes),
        },
    }


def _smaller_step(high: str, middle: str) -> Callable[[pd.DataFrame], float]:
    def of(saes: pd.DataFrame) -> float:
        base, mid, top = (float(saes[c].mean()) for c in ("g", middle, high))
        return min(top - mid, mid - base)

    return of


def order_row(m: Measured) -> Row:
    """C8: the smaller step of the order in each pair of model and architecture."""
    cells = {
        f"{model}, {architecture}": _resampled(part, _smaller_step("g_high", "g_output"), m.config)
        for (model, architecture), part in m.saes.groupby(["model", "architecture"], sort=False)
    }
    chance = _smaller_step("g_random", "g_random_2")
    parts = [part for _, part in m.saes.groupby(["model", "architecture"], sort=False)]
    return {
        **named(cells),
        "n": int(min(len(part) for part in parts)),
        "controls": {"cells_in_order_under_random_ranking": sum(chance(p) > 0 for p in parts)},
    }


def variation(saes: pd.DataFrame) -> dict[str, float]:
    """Coefficient of variation of the lift g_high / g over each architecture's SAEs.

    SAEs without any unselected score have no lift and are left out.
    """
    usable = saes[saes["g"] > 0]
    lifts = (usable["g_high"] / usable["g"]).groupby(usable["architecture"])
    return {str(name): float(part.std(ddof=0) / part.mean()) for name, part in lifts}


def _steadier(saes: pd.DataFrame) -> float:
    found = variation(saes)
    own = found.pop("batchtopk", 0.0)
    return own - min(found.values(), default=0.0)


def steady_row(m: Measured) -> Row:
    """C9: does BatchTopK gain most steadily?"""
    lowest = (shuffled(m.saes, "architecture", _steadier, m.config.seed) < 0).mean()
    return {
        **_interval(m, _steadier)._asdict(),
        "n": int(m.saes.groupby("architecture").size().min()),
        "controls": {"batchtopk_lowest_under_permutation": lowest},
        "detail": {"variation": variation(m.saes)},
    }


def _peakedness(m: Measured, column: str) -> pd.Series:
    """Median |Delta| over its 99.9th percentile, by SAE.

    Reading V1 amplifies by the largest code on the prefix. An SAE that is silent there changes
    nothing, has no such ratio and is left out.
    """
    sizes = m.tables["deltas"].set_index("sae")[column].abs().groupby(level="sae")
    return (sizes.median() / sizes.quantile(0.999)).dropna()


def shape_row(m: Measured) -> Row:
    """C11: are most latents near zero with a thin tail?

    Raises:
        ValueError: every SAE is silent on the prefix.
    """
    shape = _peakedness(m, "delta")
    if shape.empty:
        raise ValueError("no SAE has a latent that fires at the prefix's end; take another prefix")
    found = mean_over_saes(shape, m.config.n_resamples, m.config.seed)
    bounds = m.tables["prefixes"].set_index("model")[["low", "high"]].to_dict("index")
    return {
        **found._asdict(),
        "n": len(shape),
        "controls": {"ratio_for_random_directions": float(_peakedness(m, "random").mean())},
        "detail": {"bounds_nats": bounds, "silent_on_the_prefix": len(m.saes) - len(shape)},
    }


def chance_row(m: Measured) -> Row:
    """K1: token confidence against a random ranking under the same best-of rule."""
    gain = m.saes["g_high"] - m.saes["g_random"]
    found = mean_over_saes(gain, m.config.n_resamples, m.config.seed)
    control = float((m.saes["g_random"] - m.saes["g_random_2"]).mean())
    return {
        **found._asdict(),
        "n": len(m.saes),
        "controls": {"difference_of_two_random_rankings": control},
        "detail": {"random_best_of": float(m.saes["g_random"].mean())},
    }


def crossfit_row(m: Measured) -> Row:
    """K2: the tier chosen on the development prompts, and one fixed tier."""
    ratios = {
        "over no selection, cross-fitted": ("g_cross", "g"),
        "over output score, cross-fitted": ("g_cross", "g_cross_output"),
        "over no selection, fixed tier": ("g_fixed", "g"),
        "over output score, fixed tier": ("g_fixed", "g_fixed_output"),
    }
    return {
        **named({name: _interval(m, ratio_of(*pair)) for name, pair in ratios.items()}),
        "n": len(m.saes),
        "controls": {
            "cross_fitted_ratio_of_random_ranking": ratio_of("g_cross_random", "g")(m.saes)
        },
    }


def rank_correlations(m: Measured) -> pd.DataFrame:
    """Spearman of each score with the steering score within each SAE; index sae.

    Columns: |Delta| ("confidence"), output score, the trivial predictors, a random score, and
    interpretability in its readings.
    """
    rng, rows = np.random.default_rng((m.config.seed, 37)), {}
    for sae, part in m.groups.items():
        score = part["score"].tolist()
        measures = {
            "confidence": part[CONFIDENCE].abs(),
            "output score": part[OUTPUT],
            "input score": part["input_score"],
            **{name: part[name].abs() for name in TRIVIAL},
            "random": rng.random(len(part)),
            "interpretability, published labels": part["accuracy_published"],
            "interpretability, true labels": part["balanced_true"].fillna(0.5),
            "AUROC, true labels": part["auroc_true"].fillna(0.5),
            **({"concept F1": part["concept_f1"]} if "concept_f1" in part else {}),
        }
        rows[sae] = {name: rho(list(values), score) for name, values in measures.items()}
    return pd.DataFrame.from_dict(rows, orient="index")


def ranking_row(m: Measured, table: pd.DataFrame) -> Row:
    """K3: does token confidence rank latents by utility better than the output score?

    Args:
        m: The measurements.
        table: From `rank_correlations`.
    """
    draws, seed = m.config.n_resamples, m.config.seed
    lead = mean_over_saes(table["confidence"] - table["output score"], draws, seed)
    output = mean_over_saes(table["output score"], draws, seed)
    return {
        **named({"lead": lead, "output score": output}),
        "n": len(m.latents),
        "controls": {"spearman_of_a_random_score": float(table["random"].mean())},
        "detail": {"mean_spearman": table.mean().to_dict()},
    }


def lead_over_trivial(table: pd.DataFrame) -> float:
    """Mean Spearman of token confidence less the largest of the trivial predictors' (K6)."""
    return float(table["confidence"].mean() - table[list(TRIVIAL)].mean().max())


def effect_row(m: Measured, table: pd.DataFrame) -> Row:
    """K6: token confidence against the best of the trivial predictors; arguments as K3's."""
    found = _resampled(table, lead_over_trivial, m.config)
    return {
        **found._asdict(),
        "n": len(m.latents),
        "controls": {"spearman_of_a_random_score": float(table["random"].mean())},
        "detail": {"mean_spearman": table[list(TRIVIAL)].mean().to_dict()},
    }


def variant_ratios(m: Measured) -> pd.DataFrame:
    """Mean score of the top tenth under each variant of K7; a row an SAE, g beside them."""
    cells: dict[str, Any] = dict(SIDED) | {n: (n, "magnitude") for n in variants(m.config)}
    rng, rows = np.random.default_rng((m.config.seed, 41)), {}
    for sae, part in m.groups.items():
        score = part["score"].to_numpy(float)
        own = {
            name: selection.one_tier_score(score, part[column].to_numpy(float), sides)
            for name, (column, sides) in cells.items()
        }
        random = [selection.one_tier_score(score, rng.random(len(score)), "up") for _ in range(50)]
        rows[sae] = {**own, "random": float(np.mean(random)), "g": score.mean()}
    return pd.DataFrame.from_dict(rows, orient="index")


def variants_row(m: Measured, table: pd.DataFrame) -> Row:
    """K7: the fixed tier's score over no selection, one cell a variant.

    One fixed tier (the top tenth), because a best-of rule exceeds one under any ranking.
    """
    names = [str(name) for name in table if name not in ("random", "g")]
    cells = {name: _resampled(table, ratio_of(name, "g"), m.config) for name in names}
    return {
        **named(cells),
        "n": len(table),
        "controls": {"ratio_of_random_ranking": ratio_of("random", "g")(table)},
    }
