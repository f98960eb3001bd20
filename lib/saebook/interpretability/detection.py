"""Scoring a detector on a latent's windows, with published and with true labels.

SAEBench never reads the activations of random windows: they count as inactive whatever the latent
does there. So 4 of 14 are positive by construction, a judge that always answers "none" scores
10/14, and the score falls with density for no other reason than wrong labels.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from scipy.stats import rankdata
from torch import Tensor

from saebook.interpretability.lexicon import ACTIVE_SHARE, THRESHOLD
from saebook.interpretability.windows import LatentWindows, WindowSizes


def published_labels(n: int, sizes: WindowSizes) -> Tensor:
    """Labels as SAEBench gives them: top and weighted windows fire, random ones do not."""
    labels = torch.zeros(n, sizes.scoring, dtype=torch.bool)
    labels[:, : sizes.top_scoring + sizes.weighted_scoring] = True
    return labels


def true_labels(windows: LatentWindows, codes: Tensor) -> Tensor:
    """Whether the latent exceeds 1 % of its largest activation in each scoring window, [n, M]."""
    acts = windows.acts(windows.scoring, codes)
    return acts.amax(-1) > ACTIVE_SHARE * windows.max_acts[:, None]


def balanced_accuracy(said: Tensor, labels: Tensor) -> Tensor:
    """Mean of sensitivity and specificity of each row [n, M]; nan where a class is missing."""
    positives, negatives = labels.sum(1).double(), (~labels).sum(1).double()
    hit = (said & labels).sum(1) / positives
    clear = (~said & ~labels).sum(1) / negatives
    return (hit + clear) / 2


def row_auroc(scores: Tensor, labels: Tensor) -> Tensor:
    """Area under the ROC curve of each row [n, M], ties counting half; nan without both classes.

    (sum of the positives' mid-ranks - p (p + 1) / 2) / (p q), with p positives and q negatives.
    """
    ranks = torch.from_numpy(np.asarray(rankdata(scores.numpy(), axis=1)))
    positives, negatives = labels.sum(1).double(), (~labels).sum(1).double()
    total = (ranks * labels).sum(1)
    return (total - positives * (positives + 1) / 2) / (positives * negatives)


def detection_scores(scores: Tensor, labels: Tensor, threshold: float = THRESHOLD) -> pd.DataFrame:
    """Accuracy, balanced accuracy and AUROC of window scores [n, M], one row a latent."""
    if scores.shape != labels.shape:
        raise ValueError(f"scores {tuple(scores.shape)} for labels {tuple(labels.shape)}")
    said = scores >= threshold
    columns = {
        "accuracy": (said == labels).double().mean(1),
        "balanced": balanced_accuracy(said, labels),
        "auroc": row_auroc(scores, labels),
    }
    return pd.DataFrame({name: values.numpy() for name, values in columns.items()})


def detection_frame(scores: Tensor, windows: LatentWindows, codes: Tensor) -> pd.DataFrame:
    """Detection of each latent under both labels.

    Args:
        scores: Window scores of the scoring sets [n, M].
        windows: The latents' windows.
        codes: Latent activations they come from [n_seq, context, d_sae].

    Returns:
        Columns latent; accuracy, balanced, auroc with suffix _published and _true; n_true
        (windows that truly fire).
    """
    true = true_labels(windows, codes)
    published = published_labels(len(true), windows.sizes)
    parts = [
        detection_scores(scores, labels).add_suffix(f"_{name}")
        for name, labels in (("published", published), ("true", true))
    ]
    frame = pd.concat(parts, axis=1)
    frame.insert(0, "latent", windows.latents.numpy())
    return frame.assign(n_true=true.sum(1).numpy())
