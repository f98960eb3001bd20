"""What has to hold before a testbed row of this chapter means anything."""

from __future__ import annotations

import numpy as np
import pandas as pd

from saebook.papers.wang2025.association import mean_over_saes, tau
from saebook.papers.wang2025.cells import (
    OWN,
    PERMUTED,
    PERMUTED_ENCODER,
    RANDOM,
    SHUFFLED_ENCODER,
    Tables,
)
from saebook.papers.wang2025.measures import Measured
from saebook.papers.wang2025.method_rows import arm_means
from saebook.stats import Interval
from saebook.zoo.validity import SAE_BOUNDS, SAE_VALID

VALID_SHARE = 0.5
"""Of the grid that has to lie within all bounds: its two ends are there to be sparse and dense."""
SPREAD = 2.0
LOST = 0.5
"""A permuted decoder has to lose at least this share of the steering score."""


def validity(saes: pd.DataFrame) -> pd.Series:
    """Share of SAEs within each bound, and within all of them (last)."""
    within = pd.DataFrame({n: saes[n].between(*SAE_BOUNDS[n][:2]) for n in SAE_VALID})
    return pd.concat([within.mean(), pd.Series({"all": within.all(axis=1).mean()})])


def of_valid_families(tables: Tables) -> Tables:
    """The tables of the families whose grids pass `sae_valid`; all of them where none does.

    Args:
        tables: Of all families: those of methods with a column model, the others with sae.
    """
    saes = tables["saes"]
    passing = [
        model
        for model, grid in saes.groupby("model", sort=False)
        if validity(grid)["all"] >= VALID_SHARE
    ]
    if not passing:
        return tables
    kept = saes[saes["model"].isin(passing)]
    return {
        "saes": kept,
        **{
            name: table[
                table["model"].isin(passing) if "model" in table else table["sae"].isin(kept.index)
            ]
            for name, table in tables.items()
            if name != "saes"
        },
    }


def spread_over_error(saes: pd.DataFrame, name: str) -> float:
    """Standard deviation over SAEs of a score over its split-half error, sd(a - b) / 2."""
    error = float((saes[f"{name}_a"] - saes[f"{name}_b"]).std(ddof=1)) / 2
    spread = float(saes[name].std(ddof=1))
    return spread / error if error > 0 else float(np.inf if spread > 0 else 0)


def family_table(m: Measured) -> pd.DataFrame:
    """The gates' figures and C1's tau of each family by itself; index model."""
    rows = {}
    for model, saes in m.saes.groupby("model", sort=False):
        rows[model] = {
            "valid SAEs": float(validity(saes)["all"]),
            "median F1 of best latents": float(saes["best_latent_f1_median"].median()),
            "spread of utility, errors": spread_over_error(saes, "g"),
            "spread of interpretability, errors": spread_over_error(saes, "mu"),
            "mean utility": float(saes["g"].mean()),
            "tau_b": tau(saes["mu"].tolist(), saes["g"].tolist()),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def permutation_table(m: Measured) -> pd.DataFrame:
    """Interpretability (balanced accuracy, true labels) and utility of the permuted SAEs.

    Rows: the SAEs as they are, with a permuted decoder, with a permuted encoder, with shuffled
    encoders explained anew, and random directions. A permuted decoder leaves the codes, a changed
    encoder the steering, exactly as they were.
    """
    arms, floors = arm_means(m).mean(), m.tables["floors"]
    detected = floors.groupby("kind")["balanced_true"].mean()
    own = float(m.latents["balanced_true"].mean())
    rows = {
        "as trained": (own, arms[OWN]),
        "permuted decoder": (own, arms[PERMUTED]),
        PERMUTED_ENCODER: (detected[PERMUTED_ENCODER], arms[OWN]),
        SHUFFLED_ENCODER: (detected.get(SHUFFLED_ENCODER, np.nan), arms[OWN]),
        RANDOM: (detected[RANDOM], arms[RANDOM]),
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["interpretability", "utility"])


def encoder_loss(m: Measured) -> Interval:
    """Interpretability of the SAEs less that behind permuted encoders, SAEs resampled."""
    floors = m.tables["floors"]
    kind = floors[floors["kind"] == PERMUTED_ENCODER]
    permuted = kind.groupby("sae")["balanced_true"].mean()
    own = m.latents.groupby("sae")["balanced_true"].mean()
    return mean_over_saes((own - permuted).dropna(), m.config.n_resamples, m.config.seed)


def permutations_fail(table: pd.DataFrame, lost: Interval) -> bool:
    """Whether a permuted decoder loses the utility and permuted encoders the interpretability.

    Args:
        table: From `permutation_table`.
        lost: From `encoder_loss`; its whole interval has to lie above zero.
    """
    utility = table["utility"].astype(float)
    own, decoder = utility["as trained"], utility["permuted decoder"]
    return bool(own > 0 and decoder <= LOST * own and lost.low > 0)


def gate_values(m: Measured) -> dict[str, tuple[str, bool]]:
    """Each gate of the ledger with its figure in words and whether it holds."""
    valid = float(validity(m.saes)["all"])
    spreads = {n: spread_over_error(m.saes, n) for n in ("g", "mu")}
    table, lost = permutation_table(m), encoder_loss(m)
    utility = table["utility"].astype(float)
    left = utility["permuted decoder"] / max(utility["as trained"], 1e-9)
    return {
        "sae_valid": (f"{valid:.0%} of the grid", valid >= VALID_SHARE),
        "utility_spread": (f"{spreads['g']:.2f} errors", spreads["g"] > SPREAD),
        "interpretability_spread": (f"{spreads['mu']:.2f} errors", spreads["mu"] > SPREAD),
        "permuted_decoder_fails": (
            f"{left:.0%} of the utility left; {lost.estimate:+.3f} [{lost.low:+.3f}, "
            f"{lost.high:+.3f}] of balanced accuracy lost",
            permutations_fail(table, lost),
        ),
    }
