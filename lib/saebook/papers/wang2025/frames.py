"""Tidy frames between measuring and drawing."""

from __future__ import annotations

import numpy as np
import pandas as pd

from saebook.papers.wang2025.association import mean_over_saes, over_saes, tau
from saebook.papers.wang2025.cells import OWN
from saebook.papers.wang2025.measures import Measured

METHODS = {"g": "no selection", "g_output": "output score", "g_high": "token confidence",
           "g_random": "random ranking"}  # fmt: skip
READINGS = {
    "accuracy_published": "accuracy, published labels",
    "balanced_true": "balanced accuracy, true labels",
}


def correlation_table(m: Measured, correlations: pd.DataFrame) -> pd.DataFrame:
    """Mean over SAEs of each score's Spearman with utility, with its 95 % interval.

    Args:
        m: The measurements.
        correlations: From `selection_rows.rank_correlations`.
    """
    rows = {
        name: mean_over_saes(correlations[name], m.config.n_resamples, m.config.seed)
        for name in correlations
    }
    columns = ["mean Spearman", "low", "high"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def latent_bins(m: Measured, n_bins: int = 6) -> pd.DataFrame:
    """Mean steering score of latents by interpretability, within each SAE's own ranks.

    Latents are ranked within their SAE and cut into equal bins, so that the difference between
    SAEs plays no part. Columns reading, bin (mean rank share), score, low, high (95 %, SAEs
    resampled).
    """
    rows = []
    for column, label in READINGS.items():
        values = m.latents[column].fillna(0.5)
        share = values.groupby(m.latents["sae"]).rank(method="first", pct=True)
        at = np.ceil(share * n_bins).clip(1, n_bins).astype(int)
        means = m.latents["score"].groupby([m.latents["sae"], at]).mean().unstack()
        for number in means.columns:
            found = mean_over_saes(means[number].dropna(), m.config.n_resamples, m.config.seed)
            rows.append((label, (float(str(number)) - 0.5) / n_bins, *found))
    return pd.DataFrame(rows, columns=["reading", "rank", "score", "low", "high"])


def tau_frame(m: Measured, other: dict[str, float]) -> pd.DataFrame:
    """tau by sparsity: columns sparsity, share (of the width), ours, low, high, paper.

    Args:
        m: The measurements.
        other: The printed tau of each level, in the same order.
    """
    levels = sorted(m.saes["sparsity"].unique())
    rows = []
    for level, printed in zip(levels, other.values(), strict=True):
        part = m.saes[m.saes["sparsity"] == level]
        found = over_saes(
            part[["mu", "g"]],
            lambda s: tau(s["mu"].tolist(), s["g"].tolist()),
            m.config.n_resamples,
            m.config.seed,
        )
        rows.append((level, *found, printed))
    return pd.DataFrame(rows, columns=["sparsity", "ours", "low", "high", "paper"])


def lift_frame(m: Measured) -> pd.DataFrame:
    """Mean score by method and architecture: columns architecture, method, score, low, high."""
    rows = []
    for architecture, part in m.saes.groupby("architecture", sort=False):
        for column, name in METHODS.items():
            found = mean_over_saes(part[column], m.config.n_resamples, m.config.seed)
            rows.append((architecture, name, *found))
    return pd.DataFrame(rows, columns=["architecture", "method", "score", "low", "high"])


def factor_frame(m: Measured) -> pd.DataFrame:
    """Mean grades by factor over all latents and prompts: columns factor, measure, value."""
    own = m.texts[m.texts["arm"] == OWN]
    means = own.groupby("factor")[["concept", "instruction", "fluency", "hm"]].mean()
    means = means.rename(columns={"hm": "harmonic mean"}).reset_index()
    return means.melt("factor", var_name="measure", value_name="value")


def latent_curves(m: Measured, n: int = 6) -> pd.DataFrame:
    """Harmonic mean against factor of the best-steering latents: columns latent, factor, hm."""
    best = m.latents.nlargest(n, "score")[["sae", "latent", "concept"]]
    own = m.texts[m.texts["arm"] == OWN].drop(columns="concept")
    joined = own.merge(best, on=["sae", "latent"])
    label = joined["concept"].astype(str) + " (" + joined["latent"].astype(str) + ")"
    means = joined.assign(label=label).groupby(["label", "factor"])["hm"].mean()
    return means.reset_index()


def delta_frame(m: Measured) -> pd.DataFrame:
    """Delta Token Confidence of every latent and of random directions: kind, delta."""
    deltas = m.tables["deltas"]
    kinds = {"latents": deltas["delta"], "random directions": deltas["random"]}
    parts = [pd.DataFrame({"kind": k, "delta": v.to_numpy()}) for k, v in kinds.items()]
    return pd.concat(parts, ignore_index=True)


def label_frame(m: Measured) -> pd.DataFrame:
    """Detection by L0 under both labels: columns l0, architecture, labels, accuracy.

    "floor" is the accuracy of random directions of the same densities, published labels.
    """
    floors = m.tables["floors"]
    random = floors[floors["kind"] == "random directions"]
    chance = random.groupby("sae")["accuracy_published"].mean()
    wide = m.saes.assign(floor=chance)
    columns = {"mu": "published labels", "mu_true": "true labels", "floor": "random directions"}
    long = wide.melt(["valid_l0", "architecture"], list(columns), "labels", "accuracy")
    return long.assign(labels=long["labels"].map(columns)).rename(columns={"valid_l0": "l0"})
