"""Rows on the association of interpretability and utility: C1 to C4, C10, K4, K5 and B5."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch

from saebook.interpretability import WindowSizes, detection_scores, published_labels
from saebook.papers.wang2025.association import (
    association_table,
    group_taus,
    matched_psi,
    matched_psis,
    over_saes,
    partial_tau,
    psi,
    rho,
    shuffled,
    tau,
)
from saebook.papers.wang2025.parameters import Parameters
from saebook.stats import Interval, correlation_test

Row = dict[str, Any]
LEAST_RELIABILITY = 0.05
"""Reliabilities below this are set to it, so that a correction stays finite."""


def named(intervals: Mapping[str, Interval]) -> Row:
    """Several intervals in the shape of a result: estimate, low and high by name."""
    ends = ("estimate", "low", "high")
    return {end: {name: getattr(i, end) for name, i in intervals.items()} for end in ends}


def tau_of(x: str, y: str) -> Callable[[pd.DataFrame], float]:
    """The tau-b of two columns of a table of SAEs, as a statistic of the table."""
    return lambda saes: tau(saes[x].tolist(), saes[y].tolist())


def overall_row(saes: pd.DataFrame, config: Parameters) -> Row:
    """C1: tau-b of interpretability and utility over all SAEs."""
    found = over_saes(saes, tau_of("mu", "g"), config.n_resamples, config.seed, "BCa")
    test = correlation_test(
        saes["mu"], saes["g"], tau, seed=config.seed, n_resamples=config.n_resamples
    )
    control = shuffled(saes, "g", tau_of("mu", "g"), config.seed).mean()
    overall: Any = association_table(saes).loc[("overall", "all")]
    return {
        **found._asdict(),
        "n": len(saes),
        "controls": {"tau_with_permuted_scores": control},
        "detail": {"tau_a": float(overall["tau_a"]), "permutation_p": test.p},
    }


def matched_row(saes: pd.DataFrame, config: Parameters) -> Row:
    """C2: Psi over groups matched on all axes but one, the printed groupings in the detail."""
    found = over_saes(saes, matched_psi, config.n_resamples, config.seed)
    printed = {axis: psi(saes, [axis]) for axis in ("architecture", "sparsity", "model")}
    return {
        **found._asdict(),
        "n": len(saes),
        "controls": {
            "psi_with_permuted_scores": shuffled(saes, "g", matched_psi, config.seed).mean()
        },
        "detail": {"matched": matched_psis(saes), "as_printed": printed},
    }


def density_drop(saes: pd.DataFrame) -> float:
    """tau-b at the sparsest level less that at the fifth of six (C3); 0 where a level is empty."""
    levels = group_taus(saes, ["sparsity"])
    order = sorted(float(str(level)) for level in levels)
    return levels[order[0]] - levels[order[-2]] if len(order) > 2 else 0.0


def density_row(saes: pd.DataFrame, config: Parameters) -> Row:
    """C3: does the association fade with density?"""
    found = over_saes(saes, density_drop, config.n_resamples, config.seed)
    control = shuffled(saes, "g", density_drop, config.seed).mean()
    levels = {str(k): v for k, v in group_taus(saes, ["sparsity"]).items()}
    return {
        **found._asdict(),
        "n": int(saes.groupby("sparsity").size().min()),
        "controls": {"difference_with_permuted_scores": control},
        "detail": {"tau_by_sparsity": levels},
    }


def gated_gap(saes: pd.DataFrame) -> float:
    """tau-b of gated SAEs less the smallest of the other architectures' (C4)."""
    taus = group_taus(saes, ["architecture"])
    own = taus.pop("gated", 0.0)
    return own - min(taus.values(), default=0.0)


def gated_row(saes: pd.DataFrame, config: Parameters) -> Row:
    """C4: are gated SAEs the exception?"""
    found = over_saes(saes, gated_gap, config.n_resamples, config.seed)
    lowest = (shuffled(saes, "g", gated_gap, config.seed) < 0).mean()
    return {
        **found._asdict(),
        "n": int(saes.groupby("architecture").size().min()),
        "controls": {"gated_lowest_under_permutation": lowest},
        "detail": {"tau_by_architecture": group_taus(saes, ["architecture"])},
    }


def _drop(high: str) -> Callable[[pd.DataFrame], float]:
    return lambda saes: tau_of("mu", "g")(saes) - tau_of("mu", high)(saes)


def vanishing_row(saes: pd.DataFrame, config: Parameters) -> Row:
    """C10: does the association fall when latents are selected?

    The detail holds the four taus: with the unselected and the selected score, with the gain as
    a ratio (whose denominator is the unselected score) and as a difference.
    """
    found = over_saes(saes, _drop("g_high"), config.n_resamples, config.seed, "BCa")
    gains = saes[saes["g"] > 0]
    return {
        **found._asdict(),
        "n": len(saes),
        "controls": {"drop_under_random_selection_of_equal_size": _drop("g_same_size")(saes)},
        "detail": {
            "tau_unselected": tau_of("mu", "g")(saes),
            "tau_selected": tau_of("mu", "g_high")(saes),
            "tau_ratio_gain": tau(gains["mu"].tolist(), (gains["g_high"] / gains["g"]).tolist()),
            "tau_additive_gain": tau(saes["mu"].tolist(), (saes["g_high"] - saes["g"]).tolist()),
            "tau_base_and_ratio_gain": tau(
                gains["g"].tolist(), (gains["g_high"] / gains["g"]).tolist()
            ),
        },
    }


def labels_row(saes: pd.DataFrame, config: Parameters) -> Row:
    """K4: C1 with true labels and a fixed chance level, and with L0 held."""
    true = over_saes(saes, tau_of("mu_balanced", "g"), config.n_resamples, config.seed, "BCa")
    held = over_saes(saes, _partial, config.n_resamples, config.seed)
    sizes = WindowSizes()
    silent = detection_scores(torch.zeros(1, sizes.scoring), published_labels(1, sizes))
    return {
        **named({"true labels": true, "L0 partialled out": held}),
        "n": len(saes),
        "controls": {"balanced_accuracy_of_an_all_none_judge": float(silent["balanced"].iloc[0])},
        "detail": {
            f"tau_{name}": tau_of(name, "g")(saes)
            for name in ("mu", "mu_true", "mu_balanced", "mu_auroc", "mu_inventory")
            if name in saes
        },
    }


def _partial(saes: pd.DataFrame) -> float:
    return partial_tau(*(saes[c].tolist() for c in ("mu_balanced", "g", "valid_l0")))


def reliability(first: pd.Series, second: pd.Series) -> float:
    """Reliability of a sum from its halves: Spearman-Brown, 2 r / (1 + r), of their rank r."""
    r = rho(first.tolist(), second.tolist())
    return 2 * r / (1 + r) if r > 0 else 0.0


def disattenuated_drop(saes: pd.DataFrame) -> float:
    """C10's drop with each tau divided by the root of the product of its reliabilities."""
    own = reliability(saes["mu_a"], saes["mu_b"])

    def corrected(name: str) -> float:
        other = reliability(saes[f"{name}_a"], saes[f"{name}_b"])
        both = max(own, LEAST_RELIABILITY) * max(other, LEAST_RELIABILITY)
        return float(np.clip(tau_of("mu", name)(saes) / np.sqrt(both), -1, 1))

    return corrected("g") - corrected("g_high")


def reliability_row(saes: pd.DataFrame, config: Parameters) -> Row:
    """K5: is the drop more than a loss of reliability?"""
    found = over_saes(saes, disattenuated_drop, config.n_resamples, config.seed)
    halves = {n: reliability(saes[f"{n}_a"], saes[f"{n}_b"]) for n in ("mu", "g", "g_high")}
    return {
        **found._asdict(),
        "n": len(saes),
        "controls": {"reliability_of_the_unselected_score": halves["g"]},
        "detail": {"reliability": halves},
    }


def sparsity_row(saes: pd.DataFrame, config: Parameters) -> Row:
    """B5: detection with published labels and recovered loss against the measured L0."""
    columns = {"detection": "mu", "loss recovered": "loss_recovered_mean_ablation"}
    parts = {
        name: over_saes(
            saes, lambda s, c=c: rho(s["valid_l0"].tolist(), s[c].tolist()),
            config.n_resamples, config.seed,
        )
        for name, c in columns.items()
    }  # fmt: skip
    control = shuffled(
        saes, "valid_l0", lambda s: rho(s["valid_l0"].tolist(), s["mu"].tolist()), config.seed
    ).mean()
    true = {n: rho(saes["valid_l0"].tolist(), saes[n].tolist()) for n in ("mu_true", "mu_balanced")}
    return {
        **named(parts),
        "n": len(saes),
        "controls": {"correlation_with_shuffled_L0": control},
        "detail": {"with_true_labels": true},
    }
