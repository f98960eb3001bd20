"""The concept of each latent, against a slow search."""

from __future__ import annotations

import pytest
import torch

from saebook.reconstruction import best_concept_f1_by_latent
from saebook.reconstruction.latents import THRESHOLDS


def _slow(code, labels, selection):
    """Best (concept, threshold) on the selection by counting, and its F1 on the rest."""

    def f1(fires, held):
        hits = sum(a and b for a, b in zip(fires, held, strict=True))
        whole = sum(fires) + sum(held)
        return 2 * hits / whole if whole else 0.0

    pick = [i for i in range(len(code)) if selection[i]]
    rest = [i for i in range(len(code)) if not selection[i]]
    top = max(code[i] for i in pick)
    found = []
    for share in THRESHOLDS:
        for c in range(len(labels[0])):
            chosen = f1([code[i] > share * top for i in pick], [labels[i][c] for i in pick])
            scored = f1([code[i] > share * top for i in rest], [labels[i][c] for i in rest])
            found.append((chosen, scored))
    return max(found, key=lambda pair: pair[0])


def test_every_latent_s_concept_equals_the_slow_search():
    generator = torch.Generator().manual_seed(0)
    codes = (torch.randn(60, 7, generator=generator)).relu()
    codes[:, 3] = 0
    labels = torch.rand(60, 5, generator=generator) < 0.3
    labels[:, 2] = codes[:, 1] > 0.5
    selection = torch.arange(60) % 2 == 0
    table = best_concept_f1_by_latent(codes, labels, "abcde", selection)
    assert table.loc[1, "concept"] == "c" and table.loc[3, "f1"] == 0
    assert table.loc[3, "concept"] is None
    for latent in (0, 1, 2, 4, 5, 6):
        chosen, scored = _slow(codes[:, latent].tolist(), labels.tolist(), selection.tolist())
        assert table.loc[latent, "f1_selection"] == pytest.approx(chosen)
        assert table.loc[latent, "f1"] == pytest.approx(scored)


def test_shapes_that_do_not_agree_are_refused():
    codes, labels = torch.rand(6, 2), torch.ones(6, 3) > 0
    with pytest.raises(ValueError, match="one row a token"):
        best_concept_f1_by_latent(codes, labels, "ab", torch.ones(6) > 0)
    with pytest.raises(ValueError, match="leave some"):
        best_concept_f1_by_latent(codes, labels, "abc", torch.ones(6) > 0)
