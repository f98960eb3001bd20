"""Is the SAE what it says it is? Numbers that can be redone by hand."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from saebook.papers.he2024.scope import Scope
from saebook.zoo import get_saes
from saebook.zoo.convert import topk_threshold


def by_hand(scope: Scope) -> dict[str, float]:
    """Redo selection, threshold and training of the SAE that speaks for all.

    Returns:
        selected alike (share of tokens whose k latents are those with the largest pre-activation
        times decoder norm), largest difference of codes, L0 at the threshold, and the largest
        difference of a decoder weight after a second training.
    """
    config = scope.config
    spec = scope.spec(config.layer)
    sae, x = scope.saes([spec])[spec].sae, scope.calibration[config.layer]
    pre = x @ sae.W_enc + sae.b_enc
    ranked = (pre.relu() * sae.W_dec.norm(dim=-1)).topk(config.k, dim=-1).indices
    wanted = torch.zeros_like(pre).scatter(1, ranked, pre.relu().gather(1, ranked))
    codes = sae.encode(x)
    threshold = topk_threshold(sae, x)
    with tempfile.TemporaryDirectory(prefix="saebook-") as folder:
        again = get_saes([spec], scope.source, cache_root=Path(folder), use_shipped=False,
                         progress=False)  # fmt: skip
        difference = float((again[spec].sae.W_dec - sae.W_dec).abs().max())
    return {
        "selected alike": float(((codes > 0) == (wanted > 0)).all(-1).float().mean()),
        "largest difference of codes": float((codes - wanted).abs().max()),
        "L0 at the threshold": float((pre > threshold).sum(-1).double().mean()),
        "largest difference of a second training": difference,
    }
