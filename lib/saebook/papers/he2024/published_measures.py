"""What is measured on a published model and SAE: losses, errors, and errors by position."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor

from saebook.activations import stream_activations
from saebook.corpora import token_batches
from saebook.hub.named import Named
from saebook.hub.saes import PublishedSAE, check_against, check_l0, load_sae
from saebook.papers.he2024 import published
from saebook.papers.he2024.parameters import Parameters
from saebook.papers.he2024.tables import L0
from saebook.papers.he2024.transfer import ordinary_tokens_only
from saebook.reconstruction import (
    errors_of,
    nll_by_text,
    published_explained_variances,
    rebuilt,
    reconstruct,
    token_errors,
)
from saebook.subjects import Subject, hook_name
from saebook.zoo.convert import to_topk

CODE_TOKENS = 100_000
"""Ordinary tokens of a text on which L0 and explained variance are read; all, if it has fewer."""
L0_TOKENS = 2_048
"""Tokens on which an SAE's L0 is held against the published one."""
RANGE = 64
"""Positions summed into one row, at most."""
Texts = Mapping[str, Sequence[str]]
Tables = dict[str, pd.DataFrame]


class Ordinary(NamedTuple):
    """Activations of ordinary tokens, and where they come from."""

    x: Tensor
    """[n, d_model], on the model's device."""
    document: Tensor
    place: Tensor


def with_sae(kind: str, subject: Subject, held: Named, texts: Texts, config: Parameters) -> Tables:
    """Losses with an SAE spliced in, and what it makes of the first tokens of each text."""
    loaded = _fitting_sae(held, subject)
    codes, sums = [], []
    for text, own in texts.items():
        seen = _ordinary(subject, own, loaded.entry.layer, config)
        if (kind, text) == ("base", "documents"):
            check_l0(loaded, seen.x[:L0_TOKENS])
        found = rebuilt(loaded.sae, seen.x)
        errors = errors_of(seen.x, found).assign(n=1, document=seen.document.numpy())
        sums.append(errors.groupby("document").sum().reset_index().assign(text=text))
        readings = published_explained_variances(seen.x, found.recon)
        codes.append({"text": text, "l0": errors["active"].mean(), **readings})
    losses = all_losses(subject, texts, config, loaded)
    return {"losses": losses, "codes": pd.DataFrame(codes), "sums": pd.concat(sums)}


def _fitting_sae(held: Named, subject: Subject) -> PublishedSAE:
    loaded = load_sae(*held, device=str(subject.device))
    check_against(loaded, subject)
    return loaded


def all_losses(
    subject: Subject, texts: Texts, config: Parameters, loaded: PublishedSAE | None = None
) -> pd.DataFrame:
    """Summed nats and tokens by text and document, with an SAE or without."""
    layer = None if loaded is None else loaded.entry.layer
    replace = None if loaded is None else reconstruct(loaded.sae)
    tables = {}
    for text, own in texts.items():

        def read(some: Sequence[tuple[int, str]]) -> pd.DataFrame:
            batches = token_batches(
                subject, [s for _, s in some], config.hub_context, "single", len(some)
            )
            found = nll_by_text(subject, batches, layer, replace, ordinary_tokens_only)
            return found.rename(index=lambda i: some[i][0])

        parts = published.by_batches(read, subject, own, config.hub_context, logits=True)
        tables[text] = pd.concat(parts)
    return pd.concat(tables, names=["text"]).reset_index()


def _ordinary(subject: Subject, texts: Sequence[str], layer: int, config: Parameters) -> Ordinary:
    """The first ordinary tokens of some texts, `CODE_TOKENS` at most, one text a sequence."""
    parts, n = [], 0
    for part in _reading(subject, texts, layer, config.hub_context):
        parts.append(part)
        n += len(part.x)
        if n >= CODE_TOKENS:
            break
    whole = (torch.cat(column)[:CODE_TOKENS] for column in zip(*parts, strict=True))
    return Ordinary(*whole)


def _reading(
    subject: Subject, texts: Sequence[str], layer: int, context: int
) -> Iterator[Ordinary]:
    """Activations at one layer, some texts at a time."""

    def read(some: Sequence[tuple[int, str]]) -> Ordinary:
        batches = token_batches(subject, [s for _, s in some], context, "single", len(some))
        (acts,) = stream_activations(subject, batches, [layer], True, True)
        kept = ordinary_tokens_only(batches[0])
        number = torch.tensor([i for i, _ in some])[batches[0].document.clamp_min(0)]
        return Ordinary(acts[hook_name(layer)], number[kept], batches[0].place[kept])

    return published.by_batches(read, subject, texts, context, logits=False)


def positions(subject: Subject, held: Named, text: Named, config: Parameters) -> pd.DataFrame:
    """Errors by position in long contexts (L4)."""
    context, width = config.hub_long_context, min(RANGE, config.hub_context)
    texts = published.long_documents(text, subject, config.hub_long_documents, context)
    loaded, parts = _fitting_sae(held, subject), []
    for seen in _reading(subject, texts, loaded.entry.layer, context):
        table = token_errors(loaded.sae, seen.x).assign(
            n=1, sequence=seen.document.numpy(), start=(seen.place // width * width).numpy()
        )
        parts.append(table.groupby(["sequence", "start"]).sum().reset_index())
    return pd.concat(parts, ignore_index=True)


def forms(subject: Subject, held: Named, texts: Texts, config: Parameters) -> pd.DataFrame:
    """Errors on documents in JumpReLU and in TopK form, by chunk of 512 tokens (L5)."""
    loaded = _fitting_sae(held, subject)
    x = _ordinary(subject, texts["documents"], loaded.entry.layer, config).x
    tried: dict[str, Any] = {"JumpReLU": loaded.sae, "TopK": to_topk(loaded.sae, L0["training"])}
    parts = []
    for name, sae in tried.items():
        table = token_errors(sae, x).assign(n=1, chunk=(torch.arange(len(x)) // 512).numpy())
        parts.append(table.groupby("chunk").sum().reset_index().assign(sae=name))
    return pd.concat(parts, ignore_index=True)
