"""Is the SAE what it says it is? Numbers that can be redone by hand, and a twin trained now."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from saebook.papers.he2024.scope import Scope, activations
from saebook.papers.he2024.transfer import ordinary_tokens_only
from saebook.reconstruction import nll_by_text, reconstruct, token_errors
from saebook.zoo import get_saes
from saebook.zoo.convert import topk_threshold

TOLERANCES = {"L0": 0.05, "explained variance": 0.005, "Delta loss": 0.005}
"""How far a twin may be from the record: another processor rounds otherwise, and a thousand steps
of training make more of it. Latents a token, share, nats a token."""


def trained_now(scope: Scope) -> Any:
    """Train the SAE that speaks for all from nothing, whatever is shipped or cached."""
    spec = scope.spec(scope.config.layer)
    with tempfile.TemporaryDirectory(prefix="saebook-") as folder:
        held = get_saes([spec], scope.source, cache_root=Path(folder), use_shipped=False,
                        progress=False)  # fmt: skip
        return held[spec].sae


def by_hand(scope: Scope, sae: Any) -> dict[str, float]:
    """Redo selection and threshold of a TopK SAE of the chosen block.

    Returns:
        selected alike (share of tokens whose k latents are those with the largest pre-activation
        times decoder norm), largest difference of codes, and the L0 at the threshold.
    """
    config, x = scope.config, scope.calibration[scope.config.layer]
    pre = x @ sae.W_enc + sae.b_enc
    ranked = (pre.relu() * sae.W_dec.norm(dim=-1)).topk(config.k, dim=-1).indices
    wanted = torch.zeros_like(pre).scatter(1, ranked, pre.relu().gather(1, ranked))
    codes = sae.encode(x)
    return {
        "selected alike": float(((codes > 0) == (wanted > 0)).all(-1).float().mean()),
        "largest difference of codes": float((codes - wanted).abs().max()),
        "L0 at the threshold": float((pre > topk_threshold(sae, x)).sum(-1).double().mean()),
    }


def beside_its_twin(scope: Scope, sae: Any, suite: pd.DataFrame) -> pd.DataFrame:
    """Measure an SAE trained now on held-out documents, beside the one that a table holds.

    Args:
        scope: The chapter's models and texts.
        sae: A TopK SAE of the chosen block.
        suite: The table of widths, in the records or measured now.

    Returns:
        Index L0, explained variance, Delta loss; columns trained now, in the table, difference,
        tolerance.
    """
    layer, subject = scope.config.layer, scope.subjects["base"]
    batches = scope.batches("base", "documents")
    errors = token_errors(sae, activations(subject, batches, [layer])[layer])
    spliced = nll_by_text(subject, batches, layer, reconstruct(sae), ordinary_tokens_only)
    twin = suite[(suite["layer"] == layer) & (suite["sae"] == "narrow")]
    lost = spliced["nats"].sum() - twin["plain"].sum()
    table = pd.DataFrame(
        {
            "trained now": {
                "L0": errors["active"].mean(),
                "explained variance": 1 - errors["error"].sum() / errors["spread"].sum(),
                "Delta loss": lost / twin["n"].sum(),
            },
            "in the table": {
                "L0": twin["l0"].mean(),
                "explained variance": twin["ev"].mean(),
                "Delta loss": (twin["nats"] - twin["plain"]).sum() / twin["n"].sum(),
            },
        }
    )
    difference = (table["trained now"] - table["in the table"]).abs()
    return table.assign(difference=difference, tolerance=pd.Series(TOLERANCES))
