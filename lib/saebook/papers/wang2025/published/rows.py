"""Rows of the ledger's paper block, from the functions that answer the testbed's."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from saebook.papers.wang2025 import association_rows, method_rows, selection_rows
from saebook.papers.wang2025.association import AXES, group_taus, mean_over_saes, over_saes, psi
from saebook.papers.wang2025.association_rows import Row, named
from saebook.papers.wang2025.cells import OWN, RANDOM
from saebook.papers.wang2025.measures import Measured
from saebook.papers.wang2025.published.grid import PRINTED
from saebook.papers.wang2025.tables import MODELS
from saebook.stats import Interval

ONE_MODEL = ("C11", "K3", "K6", "K7", "K8")
"""Rows over latents, or over SAEs of any one model: the others compare the three models."""


def published_rows(m: Measured) -> dict[str, Row]:
    """Rows by claim id, as `Results.record` takes them; those of `ONE_MODEL` for fewer models.

    Args:
        m: The tables of `measure_published`, with the published sizes.
    """
    correlations = selection_rows.rank_correlations(m)
    rows = {
        "C11": selection_rows.shape_row(m),
        "K3": _part(selection_rows.ranking_row(m, correlations), "lead"),
        "K6": _over_kl(m, correlations),
        "K7": selection_rows.variants_row(m, selection_rows.variant_ratios(m)),
        "K8": floor_row(m),
    }
    if set(m.saes["model"]) != set(PRINTED.values()):
        return rows
    saes, config = m.saes, m.config
    return rows | {
        "C1": association_rows.overall_row(saes, config),
        "C2": printed_psi_row(m),
        "C3": association_rows.density_row(saes, config),
        "C4": association_rows.gated_row(saes, config),
        "C5": model_order_row(m),
        "C6": by_model(m, "g_high", "g"),
        "C7": by_model(m, "g_high", "g_output"),
        "C8": selection_rows.order_row(m),
        "C9": selection_rows.steady_row(m),
        "C10": vanishing_row(m),
        "K1": selection_rows.chance_row(m),
        "K2": _part(selection_rows.crossfit_row(m), "over no selection, cross-fitted"),
        "K4": _part(association_rows.labels_row(saes, config), "true labels"),
        "K5": association_rows.reliability_row(saes, config),
        "B5": association_rows.sparsity_row(saes, config),
    }


def _part(row: Row, name: str) -> Row:
    """One part of a row of several, where the paper block asks for it alone."""
    return {**row, **{end: row[end][name] for end in ("estimate", "low", "high")}}


def _over(m: Measured, statistic: Callable[[pd.DataFrame], float]) -> Interval:
    return over_saes(m.saes, statistic, m.config.n_resamples, m.config.seed)


def printed_psi_row(m: Measured) -> Row:
    """C2: mean tau within groups that agree on one axis, as Table 1 groups them."""
    parts = {axis: _over(m, lambda saes, a=axis: psi(saes, [a])) for axis in AXES}
    return {**named(parts), "n": len(m.saes)}


def smaller_gap(saes: pd.DataFrame) -> float:
    """Smaller of the steps in the printed order of tau: Qwen-2.5-3B, Gemma-2-9B, Gemma-2-2B."""
    taus = {str(name): tau for name, tau in group_taus(saes, ["model"]).items()}
    small, qwen, large = (taus.get(model, 0.0) for model in MODELS)
    return min(qwen - large, large - small)


def model_order_row(m: Measured) -> Row:
    """C5: does the association follow the printed order of models?"""
    found = _over(m, smaller_gap)
    taus = {str(name): tau for name, tau in group_taus(m.saes, ["model"]).items()}
    n = int(m.saes.groupby("model").size().min())
    return {**found._asdict(), "n": n, "detail": {"tau_by_model": taus}}


def by_model(m: Measured, numerator: str, denominator: str) -> Row:
    """C6 and C7: the ratio of two mean scores in each model, SAEs resampled within it."""
    ratio = selection_rows.ratio_of(numerator, denominator)
    parts = {
        str(model): over_saes(part, ratio, m.config.n_resamples, m.config.seed)
        for model, part in m.saes.groupby("model", sort=False)
    }
    return {**named(parts), "n": int(m.saes.groupby("model").size().min())}


def vanishing_row(m: Measured) -> Row:
    """C10: tau with the selected score, and its drop from the unselected one."""
    drop = association_rows.vanishing_row(m.saes, m.config)
    selected = _over(m, association_rows.tau_of("mu", "g_high"))
    ends = ("estimate", "low", "high")
    parts = {"selected": selected, "drop": Interval(*(drop[end] for end in ends))}
    return {**drop, **named(parts)}


def _over_kl(m: Measured, correlations: pd.DataFrame) -> Row:
    """K6: Spearman of |Delta| with the score of latents less that of the KL divergence."""
    lead = correlations["confidence"] - correlations["kl"]
    found = mean_over_saes(lead, m.config.n_resamples, m.config.seed)
    return {**found._asdict(), "n": len(m.latents)}


def floor_row(m: Measured) -> Row:
    """K8: own decoder rows over random ones, on the latents that both steer."""
    arms = method_rows.arm_means(m)
    found = mean_over_saes(arms[OWN] - arms[RANDOM], m.config.n_resamples, m.config.seed)
    return {**found._asdict(), "n": len(arms), "detail": {"mean_scores": arms.mean().to_dict()}}
