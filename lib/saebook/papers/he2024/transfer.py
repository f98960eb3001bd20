"""Base SAEs on the base and the instruct model, on documents and dialogues, in every block."""

from __future__ import annotations

from typing import Any

import pandas as pd
import torch

from saebook.corpora import TokenBatch
from saebook.papers.he2024.scope import MODELS, N_LAYERS, TEXTS, Scope, activations
from saebook.reconstruction import l0, nll_by_text, published_explained_variances, reconstruct

OTHER = "other family"
"""Name of the SAE that must not transfer."""


def ordinary_tokens_only(batch: TokenBatch) -> torch.Tensor:
    """The tokens the paper's code replaces and predicts: no BOS, EOS, padding or template token."""
    return batch.keep(drop_special=True)


def all_but_bos(batch: TokenBatch) -> torch.Tensor:
    """The other choice: everything but BOS and padding."""
    return batch.keep(drop_bos=True)


MASKS = {"special masked": ordinary_tokens_only, "only BOS masked": all_but_bos}


def loss_table(scope: Scope) -> pd.DataFrame:
    """Loss by text, without an SAE and with the base SAE of every block.

    The two models read the same dialogues; a second sample of dialogues is the control of L2,
    and another family's SAE that of L1.

    Returns:
        A row a text: model, text, sample (0 or 1), sae (none, `layer i` or `OTHER`), mask,
        document, nats, n.
    """
    config, parts = scope.config, []
    saes = {f"layer {i}": (i, sae) for i, sae in scope.suite.items()}
    for model in MODELS:
        for text in TEXTS:
            parts.append(_losses(scope, model, text, 0, "special masked", saes))
    own = f"layer {config.layer}"
    chosen = {own: saes[own]}
    for model in MODELS:
        parts.append(_losses(scope, model, "dialogues", 1, "special masked", chosen))
    parts += [_losses(scope, m, "dialogues", 0, "only BOS masked", chosen) for m in MODELS]
    parts.append(_losses(scope, "base", "dialogues", 0, "special masked", _other(scope), False))
    return pd.concat(parts, ignore_index=True)


def _other(scope: Scope) -> dict[str, tuple[int, Any]]:
    layer = scope.config.layer
    spec = scope.spec(layer, "other base")
    return {OTHER: (layer, scope.saes([spec])[spec].sae)}


def _losses(
    scope: Scope,
    model: str,
    text: str,
    sample: int,
    mask: str,
    saes: dict[str, tuple[int, Any]],
    plain: bool = True,
) -> pd.DataFrame:
    subject, batches = scope.subjects[model], scope.batches(model, text, sample)
    where = MASKS[mask]
    tables = {"none": nll_by_text(subject, batches, where=where)} if plain else {}
    for name, (layer, sae) in saes.items():
        tables[name] = nll_by_text(subject, batches, layer, reconstruct(sae), where)
    long = pd.concat(tables, names=["sae"]).reset_index()
    return long.assign(model=model, text=text, sample=sample, mask=mask)


@torch.no_grad()
def code_table(scope: Scope) -> pd.DataFrame:
    """L0 and the three published explained variances of every block's base SAE.

    Returns:
        A row a block, model and text: layer, model, text, l0, and a column a reading of explained
        variance, with special tokens left out and with nothing left out.
    """
    rows = []
    for model in MODELS:
        for text in TEXTS:
            batches = scope.batches(model, text)
            read = activations(scope.subjects[model], batches, range(N_LAYERS), False)
            kept = torch.cat([ordinary_tokens_only(b)[b.mask] for b in batches])
            for layer, everything in read.items():
                sae, x = scope.suite[layer], everything[kept]
                codes = sae.encode(x)
                place = {"layer": layer, "model": model, "text": text, "l0": l0(codes)}
                loose = published_explained_variances(everything, sae(everything))
                unmasked = {f"{name}, nothing masked": v for name, v in loose.items()}
                readings = published_explained_variances(x, sae.decode(codes))
                rows.append({**place, **readings, **unmasked})
    return pd.DataFrame(rows)
