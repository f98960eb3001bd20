"""Why base SAEs fit the instruct model badly: which block, form and kind of token; the mean."""

from __future__ import annotations

from typing import Any

import pandas as pd
from torch import Tensor

from saebook.corpora import TokenBatch
from saebook.papers.he2024.scope import MODELS, N_LAYERS, Scope, activations
from saebook.papers.he2024.transfer import ordinary_tokens_only
from saebook.reconstruction import fvu_pooled, rebuilt, token_errors

FORMS = ("JumpReLU", "JumpReLU, mean moved back", "TopK")
CLASSES = {
    "role/template": "role names",
    "role/system-header": "system header",
    "role/user-turn": "user turn",
    "role/assistant-turn": "assistant turn",
}
"""Concept to the kind of ordinary token it marks; the first that holds counts."""


def form_table(scope: Scope) -> pd.DataFrame:
    """Unexplained variance and L0 of every block's base SAE on dialogues, in three forms.

    "mean moved back" takes the difference between the mean of the model at hand and that of the
    base model, on the same tokens, off every activation before the SAE reads it.

    Returns:
        A row a block, model and form: layer, model, form, fvu, l0, shift (squared distance of the
        two means in units of the variance at hand).
    """
    acts = {model: _ordinary(scope, model) for model in MODELS}
    rows = []
    for layer in range(N_LAYERS):
        home = acts["base"][layer].mean(0)
        for model in MODELS:
            x = acts[model][layer]
            moved = x - x.mean(0) + home
            variance = float((x - x.mean(0)).square().sum(-1).mean())
            shift = float((x.mean(0) - home).square().sum()) / variance
            tried = zip(FORMS, (x, moved, x), _forms(scope, layer), strict=True)
            for form, seen, sae in tried:
                found = rebuilt(sae, seen)
                rows.append({"layer": layer, "model": model, "form": form, "shift": shift,
                             "fvu": fvu_pooled(seen, found.recon),
                             "l0": float(found.active.double().mean())})  # fmt: skip
    return pd.DataFrame(rows)


def class_table(scope: Scope) -> pd.DataFrame:
    """The same error at the chosen block, by kind of token.

    Returns:
        A row a kind of token, model and form: kind, model, form, fvu (the kind's error over the
        variance of all tokens), n.
    """
    layer, parts = scope.config.layer, []
    for model in MODELS:
        x, kinds = _ordinary(scope, model)[layer], _kinds(scope, model)
        for form, sae in (("JumpReLU", scope.suite[layer]), ("TopK", scope.ranked[layer])):
            errors = token_errors(sae, x)
            groups = (errors["error"] / errors["spread"].mean()).groupby(pd.Series(kinds))
            table = groups.agg(fvu="mean", n="size").rename_axis("kind").reset_index()
            parts.append(table.assign(model=model, form=form))
    return pd.concat(parts, ignore_index=True)


def ratios_by_block(forms: pd.DataFrame) -> pd.DataFrame:
    """Unexplained variance on the instruct model over that on the base: a row a block, a column
    a form, and the instruct model's `shift`."""
    wide = forms.pivot(index=["layer", "form"], columns="model", values="fvu")
    table = (wide["instruct"] / wide["base"]).unstack("form")[list(FORMS)]
    own = forms[forms["model"] == "instruct"].groupby("layer")["shift"].first()
    return table.assign(shift=own)


def _forms(scope: Scope, layer: int) -> tuple[Any, Any, Any]:
    return scope.suite[layer], scope.suite[layer], scope.ranked[layer]


def _ordinary(scope: Scope, model: str) -> dict[int, Tensor]:
    batches = scope.batches(model, "dialogues")
    return activations(scope.subjects[model], batches, range(N_LAYERS))


def _kinds(scope: Scope, model: str) -> list[str]:
    texts = scope.texts("dialogues")
    found: list[str] = []
    for batch in scope.batches(model, "dialogues"):
        found += _kinds_in(texts, batch)
    return found


def _kinds_in(texts: list[Any], batch: TokenBatch) -> list[str]:
    """The kind of every ordinary token of a batch, in reading order."""
    kept = ordinary_tokens_only(batch)
    places = zip(batch.document[kept].tolist(), batch.position[kept].tolist(), strict=True)
    held = [texts[document].concepts[position] for document, position in places]
    return [next((kind for c, kind in CLASSES.items() if c in h), "other") for h in held]
