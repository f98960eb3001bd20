"""Conversion, width, sparsity, long contexts, and the bridge to chat-trained SAEs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

import pandas as pd
import torch
from torch import Tensor

from saebook.activations import stream_activations
from saebook.corpora import TokenBatch, token_batches
from saebook.papers.he2024.scope import N_LAYERS, RELU_RECIPE, Scope, activations
from saebook.papers.he2024.transfer import ordinary_tokens_only
from saebook.reconstruction import nll_by_text, reconstruct, token_errors
from saebook.subjects import hook_name
from saebook.zoo import HouseSAE, SAESpec
from saebook.zoo.convert import to_jumprelu

Name = TypeVar("Name")
VANILLA_TIMES = 3
"""How much denser the plain ReLU SAE is (L0 of about 150 against 50)."""
FIRST, LAST = 128, 384
"""Positions below the first are within the training context, those from the last far beyond."""
FARTHEST = "farthest threshold"
"""Name of the SAE whose threshold is that of the block where it differs most."""


def suite_table(scope: Scope) -> pd.DataFrame:
    """Explained variance and Delta loss on documents of both widths in every block, two seeds,
    and of the plain ReLU SAE.

    Returns:
        A row a document and SAE: layer, sae (narrow, narrow again, wide, ReLU), l0, ev (of the
        SAE over all documents), document, nats and plain (summed loss with and without it), n.
    """
    config, subject = scope.config, scope.subjects["base"]
    batches, rows = scope.batches("base", "documents"), []
    plain = nll_by_text(subject, batches, where=ordinary_tokens_only)
    specs = {}
    for layer in range(N_LAYERS):
        specs[layer, "narrow"] = scope.spec(layer)
        specs[layer, "wide"] = scope.spec(layer, d_sae=config.wide_d_sae)
    specs[config.layer, "narrow again"] = scope.spec(config.layer, seed=1)
    specs[config.layer, "ReLU"] = scope.spec(
        config.layer, architecture="standard", recipe=RELU_RECIPE,
        sparsity=float(VANILLA_TIMES * config.k),
    )  # fmt: skip
    read = activations(subject, batches, range(N_LAYERS))
    for (layer, name), entry in _found(scope, specs).items():
        sae = entry.sae
        errors = token_errors(sae, read[layer])
        spliced = nll_by_text(subject, batches, layer, reconstruct(sae), ordinary_tokens_only)
        rows.append(
            pd.DataFrame({"nats": spliced["nats"], "plain": plain["nats"], "n": plain["n"]})
            .assign(layer=layer, sae=name, l0=errors["active"].mean(),
                    ev=1 - errors["error"].sum() / errors["spread"].sum())
            .reset_index()
        )  # fmt: skip
    return pd.concat(rows, ignore_index=True)


def error_table(scope: Scope) -> pd.DataFrame:
    """Token errors on documents of the SAEs that L5 and L6 compare, by block of 512 tokens.

    Returns:
        A row a chunk of tokens and SAE: sae (TopK, JumpReLU, `FARTHEST`, TopK again, ReLU),
        chunk, error, spread, active (summed), n.
    """
    config, subject = scope.config, scope.subjects["base"]
    layer, batches = config.layer, scope.batches("base", "documents")
    x = activations(subject, batches, [layer])[layer]
    dense = float(VANILLA_TIMES * config.k)
    specs = {
        "TopK": scope.spec(layer),
        "TopK again": scope.spec(layer, seed=1),
        "ReLU": scope.spec(layer, architecture="standard", recipe=RELU_RECIPE, sparsity=dense),
    }
    tried = {name: entry.sae for name, entry in _found(scope, specs).items()}
    thresholds = scope.thresholds
    farthest = max(thresholds, key=lambda i: abs(math.log(thresholds[i] / thresholds[layer])))
    calibration = scope.calibration[layer]
    tried["JumpReLU"] = to_jumprelu(tried["TopK"], calibration)
    tried[FARTHEST] = to_jumprelu(tried["TopK"], calibration, thresholds[farthest])
    parts = []
    for name, sae in tried.items():
        table = token_errors(sae, x).assign(n=1, chunk=(torch.arange(len(x)) // 512).numpy())
        parts.append(table.groupby("chunk").sum().reset_index().assign(sae=name))
    return pd.concat(parts, ignore_index=True)


def position_table(scope: Scope) -> pd.DataFrame:
    """Errors and active latents by position in contexts longer than trained on.

    Returns:
        A row a sequence, position range of 64 tokens and SAE: sae (short or full context),
        sequence, start, error, spread, active (summed), n.
    """
    config, subject = scope.config, scope.subjects["base"]
    texts = scope.texts("documents", n=config.n_long_documents)
    batches = token_batches(subject, texts, config.long_context, "packed")
    batches = [b for b in batches if b.ids.shape[1] == config.long_context]
    specs = {
        "short context": scope.spec(config.layer),
        "full context": scope.spec(config.layer, context=config.long_context),
    }
    kept = [b.keep(drop_special=True) for b in batches]
    x = activations(subject, batches, [config.layer])[config.layer]
    place = torch.cat([b.place[k] for b, k in zip(batches, kept, strict=True)])
    sequence = torch.cat(
        [torch.arange(len(b.ids))[:, None].expand_as(b.ids)[k] + 1000 * i
         for i, (b, k) in enumerate(zip(batches, kept, strict=True))]
    )  # fmt: skip
    parts = []
    for name, entry in _found(scope, specs).items():
        sae = scope.converted(entry, config.layer)
        table = token_errors(sae, x).assign(
            n=1, start=(place // 64 * 64).numpy(), sequence=sequence.numpy()
        )
        parts.append(table.groupby(["sequence", "start"]).sum().reset_index().assign(sae=name))
    return pd.concat(parts, ignore_index=True)


def bridge_table(scope: Scope) -> pd.DataFrame:
    """Base SAE and chat-trained SAEs on the planted instruct model, by dialogue and token class.

    The chat-trained one reads one dialogue a sequence, special tokens included (Li et al. 2025).

    Returns:
        A row a dialogue, class (template and first; content) and SAE (base, FAST, FAST again):
        dialogue, class, sae, error (summed), n.
    """
    config, subject = scope.config, scope.subjects["instruct sink"]
    chat: dict[str, Any] = {"corpus": "chats", "packing": "single", "tokens": "all"}
    chat |= {"context": config.long_context}
    specs = {
        "base": scope.spec(config.layer, "base sink"),
        "FAST": scope.spec(config.layer, "instruct sink", **chat),
        "FAST again": scope.spec(config.layer, "instruct sink", seed=1, **chat),
    }
    texts, parts = scope.texts("dialogues"), []
    batches = token_batches(subject, texts, config.long_context, "single")
    stream = stream_activations(subject, batches, [config.layer])
    x = torch.cat([p[hook_name(config.layer)] for p in stream])
    marked = torch.cat([_template_or_first(texts, b)[b.mask] for b in batches])
    dialogue = torch.cat([b.document[b.mask] for b in batches])
    names = ["template and first" if m else "content" for m in marked.tolist()]
    for name, entry in _found(scope, specs).items():
        table = token_errors(entry.sae, x).assign(n=1, dialogue=dialogue.numpy())
        table["class"] = names
        sums = table.groupby(["dialogue", "class"])[["error", "n"]].sum().reset_index()
        parts.append(sums.assign(sae=name))
    return pd.concat(parts, ignore_index=True)


def _found(scope: Scope, specs: Mapping[Name, SAESpec]) -> dict[Name, HouseSAE]:
    """SAEs by the name that a table gives them, all fetched at once."""
    held = scope.saes(specs.values())
    return {name: held[spec] for name, spec in specs.items()}


def _template_or_first(texts: list[Any], batch: TokenBatch) -> Tensor:
    """Tokens that the template wrote, or that stand first, bool [batch, context]."""
    found = batch.place == 0
    for i, j in (batch.position >= 0).nonzero().tolist():
        text = texts[int(batch.document[i, j])]
        found[i, j] |= "role/template" in text.concepts[int(batch.position[i, j])]
    return found
