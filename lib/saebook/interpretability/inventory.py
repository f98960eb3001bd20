"""The upper bound: an explanation that names the one concept of the world that fits best."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

CHUNK = 32
"""Latents whose labels are held at once."""


@dataclass(frozen=True, eq=False)
class InventoryExplainer:
    """For each latent the concept with the best F1 at the tokens of its generation windows."""

    concept: Tensor
    """Column of the concept [n]."""
    f1: Tensor
    """Its F1 = 2 TP / (2 TP + FP + FN) over those tokens [n]."""

    @classmethod
    def learn(
        cls, labels: Tensor, places: Tensor, active: Tensor, among: Tensor | None = None
    ) -> InventoryExplainer:
        """Name each latent's concept.

        Args:
            labels: Concepts at every token, bool [n_seq, context, n_concepts].
            places: Windows (sequence, first column) [n, windows, 2].
            active: Whether the latent fires, bool [n, windows, width].
            among: Columns of the concepts that may be named; all by default.

        Raises:
            ValueError: no concept may be named.
        """
        width = active.shape[-1]
        columns = torch.arange(labels.shape[-1]) if among is None else among
        if not len(columns):
            raise ValueError("there is no concept to name a latent by")
        labels = labels[..., columns]
        parts = []
        for start in range(0, len(active), CHUNK):
            held = _labels_at(labels, places[start : start + CHUNK], width).flatten(1, 2).float()
            fires = active[start : start + CHUNK].flatten(1).float()
            hits = torch.einsum("nt,ntc->nc", fires, held)
            f1 = 2 * hits / (fires.sum(1, keepdim=True) + held.sum(1)).clamp_min(1)
            parts.append(f1.max(1))
        best = torch.cat([p.indices for p in parts])
        return cls(columns[best], torch.cat([p.values for p in parts]))

    def window_scores(self, labels: Tensor, places: Tensor, width: int) -> Tensor:
        """1 where the latent's concept holds somewhere in the window, else 0, [n, windows]."""
        columns = places[..., 1, None] + torch.arange(width)
        held = labels[places[..., 0, None], columns, self.concept[:, None, None]]
        return held.any(-1).double()


def _labels_at(labels: Tensor, places: Tensor, width: int) -> Tensor:
    columns = places[..., 1, None] + torch.arange(width)
    return labels[places[..., 0, None], columns]
