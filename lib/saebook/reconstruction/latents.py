"""What a latent stands for: its best concept, chosen and scored on different texts."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor

THRESHOLDS = (0.0, 0.25, 0.5)
"""Shares of a latent's largest activation above which it counts as firing; the best is chosen."""


def best_concept_f1_by_latent(
    codes: Tensor, labels: Tensor, concepts: Sequence[str], selection: Tensor
) -> pd.DataFrame:
    """For each latent the concept it detects best, chosen and scored apart.

    F1 = 2 TP / (2 TP + FP + FN) of the detector "code > t times its largest code", t among
    `THRESHOLDS`. Concept and t are chosen on the selection tokens, f1 is measured on the others.
    A latent that fires on no selection token has no concept and an f1 of 0.

    Args:
        codes: Latent activations [n, d_sae], at least 0.
        labels: Whether each concept holds at each token, bool [n, n_concepts].
        concepts: Names of the columns of labels.
        selection: Tokens to choose on, bool [n]. Give whole texts to one side.

    Returns:
        One row a latent: latent, concept, threshold, f1_selection, f1.

    Raises:
        ValueError: shapes that do not agree, or a side without tokens.
    """
    if not len(codes) == len(labels) == len(selection) or labels.shape[1] != len(concepts):
        raise ValueError(
            f"codes {tuple(codes.shape)}, labels {tuple(labels.shape)} of {len(concepts)} concepts "
            f"and selection {tuple(selection.shape)} must have one row a token"
        )
    if not bool(selection.any()) or bool(selection.all()):
        raise ValueError("selection must hold some tokens and leave some to score on")
    cuts = [share * codes[selection].amax(0) for share in THRESHOLDS]
    chosen = torch.stack([_f1(codes[selection] > c, labels[selection]) for c in cuts])
    scored = torch.stack([_f1(codes[~selection] > c, labels[~selection]) for c in cuts])
    n_concepts = len(concepts)
    best, where = chosen.transpose(0, 1).flatten(1).max(1)  # over thresholds and concepts
    f1 = scored.transpose(0, 1).flatten(1).gather(1, where[:, None]).squeeze(1)
    silent = best == 0
    return pd.DataFrame(
        {
            "latent": range(len(best)),
            "concept": [None if s else concepts[int(w) % n_concepts]
                        for w, s in zip(where, silent, strict=True)],
            "threshold": [THRESHOLDS[int(w) // n_concepts] for w in where],
            "f1_selection": best.numpy(),
            "f1": f1.masked_fill(silent, 0.0).numpy(),
        }
    )  # fmt: skip


def _f1(fires: Tensor, labels: Tensor) -> Tensor:
    """F1 of every latent against every concept [d_sae, n_concepts]; 0 where neither holds."""
    fired, held = fires.float(), labels.float()
    whole = fired.sum(0)[:, None] + held.sum(0)
    return 2 * (fired.T @ held) / whole.clamp_min(1)
