"""The chapter's quantities against something that shares no code with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import kendalltau
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from saebook import features
from saebook.features.scores import confidence_bounds
from saebook.interpretability import balanced_accuracy, row_auroc
from saebook.judges import harmonic_mean
from saebook.papers.wang2025.parameters import Parameters
from saebook.papers.wang2025.setting import Setting
from saebook.stats import kendall_tau_b
from saebook.steering import SteeringVector, next_token_logprobs

ROUNDING = 1e-4


def slow_tau_b(x: list[int], y: list[int]) -> float:
    """Kendall's tau-b, pair by pair."""
    pairs = [(a, b) for a in range(len(x)) for b in range(a)]
    signs = [(np.sign(x[a] - x[b]), np.sign(y[a] - y[b])) for a, b in pairs]
    agree = sum(s * t for s, t in signs)
    return float(agree / np.sqrt(sum(s != 0 for s, _ in signs) * sum(t != 0 for _, t in signs)))


def implementation_table(setting: Setting, config: Parameters) -> pd.DataFrame:
    """Index quantity; columns ours, expected, match."""
    rng = np.random.default_rng(config.seed)
    x, y = rng.integers(5, size=(2, 30)).tolist()
    scores, labels = rng.integers(4, size=14) / 4, rng.random(14) < 0.4
    labels[:2] = [True, False]
    row, truth = torch.tensor(scores)[None], torch.tensor(labels)[None]
    by_scipy: Any = kendalltau(x, y)
    rows = {
        "tau-b with ties, scipy": (kendall_tau_b(x, y), by_scipy.statistic),
        "tau-b with ties, pair by pair": (kendall_tau_b(x, y), slow_tau_b(x, y)),
        "AUROC, scikit-learn": (float(row_auroc(row, truth)), roc_auc_score(labels, scores)),
        "balanced accuracy, scikit-learn": (
            float(balanced_accuracy(row >= 0.5, truth)),
            balanced_accuracy_score(labels, scores >= 0.5),
        ),
        "harmonic mean of 2, 1, 2": (float(harmonic_mean(2, 1, 2)), 1.5),
        **_next_token_checks(setting, config),
    }
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["ours", "expected"])
    return frame.assign(match=(frame["ours"] - frame["expected"]).abs() <= ROUNDING)


def _next_token_checks(setting: Setting, config: Parameters) -> dict[str, tuple[float, float]]:
    """Batched changes against one steered pass each, and the bounds of token confidence."""
    prefix = setting.prefixes["own"]
    generator = torch.Generator().manual_seed(config.seed)
    changes = torch.randn(3, setting.subject.d_model, generator=generator)
    fast = prefix.changed_logprobs(changes)
    slow = [
        next_token_logprobs(
            setting.subject, [config.prefix], SteeringVector(c, config.layer, positions="last")
        )[0]
        for c in changes
    ]
    sure = torch.full((1, fast.shape[1]), -torch.inf)
    sure[0, 0] = 0.0
    flat = torch.full((1, fast.shape[1]), -float(np.log(fast.shape[1])))
    reached = [float(features.delta_token_confidence(p, prefix.logprobs)) for p in (sure, flat)]
    low, high = confidence_bounds(prefix.logprobs)
    return {
        "largest gap to one steered pass a latent": (
            float((fast - torch.stack(slow)).abs().max()),
            0.0,
        ),
        "token confidence of a sure model, its bound": (reached[0], low),
        "token confidence of a flat model, its bound": (reached[1], high),
    }
