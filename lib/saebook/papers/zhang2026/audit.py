"""What follows from the printed numbers and the eight plotted points: no model, no SAE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats as scipy_stats

from saebook.papers.zhang2026 import sts, tables
from saebook.stats import pearson, spearman

EXTREMES = 4
"""Domains the paper plots from each end of |change|."""


def points() -> pd.DataFrame:
    """Return Figure 3 as a tidy frame: model, score, domain, sts, delta (printed, points).

    `size` is |delta| as plotted, which differs from the table for one point.
    """
    rows = []
    for (model, score), values in tables.FIGURE_3.items():
        column = tables.MODELS.index(model)
        for domain, score_of_domain in values.items():
            delta = tables.DELTAS[domain][column]
            size = tables.PLOTTED_DELTA.get((model, domain), abs(delta))
            rows.append((model, score, domain, score_of_domain, delta, size))
    columns = ["model", "score", "domain", "sts", "delta", "size"]
    return pd.DataFrame(rows, columns=pd.Index(columns))


def correlations() -> pd.DataFrame:
    """Return what the eight points of each model and score say.

    Columns model, score, printed, r, low, high (Fisher's 95 % interval), p (two-sided t test),
    spearman, without_engineering, smallest (r when the worst single domain is left out) and
    left_out (which one), signed (r with the signed change).
    """
    rows = [
        {"model": model, "score": score, **_correlation(own)}
        | {"printed": tables.PRINTED_R[str(model), str(score)]}
        for (model, score), own in points().groupby(["model", "score"], sort=False)  # type: ignore[misc]
    ]
    return pd.DataFrame(rows)


def _correlation(own: pd.DataFrame) -> dict[str, Any]:
    x, y = own["sts"].to_numpy(), own["size"].to_numpy()
    test: Any = scipy_stats.pearsonr(x, y)
    low, high = test.confidence_interval()
    left = leave_one_out(x, y, own["domain"].tolist())
    worst = min(left, key=left.__getitem__)
    return {
        "r": test.statistic,
        "low": low,
        "high": high,
        "p": test.pvalue,
        "spearman": spearman(x, y),
        "without_engineering": left["engineering"],
        "smallest": left[worst],
        "left_out": worst,
        "signed": pearson(x, own["delta"].to_numpy()),
    }


def leave_one_out(x: np.ndarray, y: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """Return r without each point in turn, by the name of the point left out."""
    return dict(zip(names, sts.leave_one_out(x, y).tolist(), strict=True))


def extremes(sizes: Mapping[str, float], k: int = EXTREMES) -> list[str]:
    """Return the paper's choice: the k domains with the largest and the k with the smallest size.

    Raises:
        ValueError: Fewer than 2 k domains.
    """
    if len(sizes) < 2 * k:
        raise ValueError(f"{len(sizes)} domains cannot give {k} from each end")
    ranked = sorted(sizes, key=lambda name: -sizes[name])
    return ranked[:k] + ranked[-k:]


def selection_inflation(
    true_r: float, n_draws: int, seed: int, k: int = EXTREMES
) -> dict[str, float]:
    """Return the mean r on the eight extremes when r over all fourteen domains is `true_r`.

    The sizes are the printed |changes| of each model; scores are drawn so that their correlation
    with the sizes over all fourteen domains is exactly `true_r`.

    Args:
        true_r: Correlation over all domains, between -1 and 1.
        n_draws: Score vectors drawn a model.
        seed: Of the draws.
        k: Domains taken from each end.
    """
    if not -1 < true_r < 1:
        raise ValueError(f"true_r is {true_r}; it lies between -1 and 1")
    rng = np.random.default_rng(seed)
    found = {}
    for column, model in enumerate(tables.MODELS):
        sizes = np.abs([values[column] for values in tables.DELTAS.values()])
        order = np.argsort(-sizes)
        chosen = np.r_[order[:k], order[-k:]]
        drawn = [_with_r(sizes, true_r, rng) for _ in range(n_draws)]
        found[model] = float(np.mean([pearson(x[chosen], sizes[chosen]) for x in drawn]))
    return found


def _with_r(sizes: np.ndarray, r: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a vector whose sample correlation with `sizes` is r."""
    target = (sizes - sizes.mean()) / np.linalg.norm(sizes - sizes.mean())
    noise = rng.standard_normal(len(sizes))
    noise -= noise.mean() + target * (noise @ target)
    return r * target + np.sqrt(1 - r * r) * noise / np.linalg.norm(noise)


def between_models() -> pd.DataFrame:
    """Return how well one model's |change| foretells another's: pair, r, without_engineering."""
    sizes = np.abs(np.array(list(tables.DELTAS.values())))
    kept = np.array([domain != "engineering" for domain in tables.DELTAS])
    rows = [
        (
            f"{tables.MODELS[i]} and {tables.MODELS[j]}",
            pearson(sizes[:, i], sizes[:, j]),
            pearson(sizes[kept, i], sizes[kept, j]),
        )
        for i, j in ((0, 1), (0, 2), (1, 2))
    ]
    return pd.DataFrame(rows, columns=pd.Index(["pair", "r", "without_engineering"]))


def binomial_noise(accuracy: float = 0.45) -> pd.DataFrame:
    """Return the standard error of each domain's change if the two runs were independent.

    100 sqrt(2 p (1 - p) / n) percentage points at accuracy p; items answered alike both times
    make the true error smaller. Columns domain, error, then |change| over error by model.
    """
    rows = []
    for domain, changes in tables.DELTAS.items():
        error = 100 * np.sqrt(2 * accuracy * (1 - accuracy) / tables.N_ITEMS[domain])
        rows.append((domain, error, *(abs(change) / error for change in changes)))
    return pd.DataFrame(rows, columns=pd.Index(["domain", "error", *tables.MODELS]))


def spread_over_models() -> dict[str, float]:
    """Return the standard deviation over the three models of printed r, by score."""
    return {
        score: float(np.std([tables.PRINTED_R[m, score] for m in tables.MODELS], ddof=1))
        for score in ("act", "ICL")
    }


def sparsity_trend() -> dict[str, float]:
    """Return C8's two parts: r at the sparsest minus the densest SAE, and Spearman of r with L0."""
    l0, r = list(tables.SPARSITY_R), list(tables.SPARSITY_R.values())
    return {"drop": round(r[0] - r[-1], 2), "rank correlation": spearman(l0, r)}


def leads() -> dict[str, float]:
    """Return C11's two parts: lead over the best training-free baseline and over the post-hoc."""
    return {
        "over training-free": round(tables.STS_R - max(tables.BASELINE_R.values()), 2),
        "over post-hoc": round(tables.STS_R - tables.POST_HOC_R, 2),
    }


def selective_leads() -> dict[str, float]:
    """Return C13's two parts: foreseen minus random latents, percentage points."""
    return {
        f"K={k}": round(row["foreseen"] - row["random"], 1) for k, row in tables.SELECTIVE.items()
    }


def mixture_cost() -> float:
    """Return what the guided mixture costs on the target, percentage points (Table 10)."""
    values = tables.TARGET_ACCURACY
    return round(values["source alone"] - values["guided mixture"], 1)
