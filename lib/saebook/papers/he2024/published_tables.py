"""Measures of the published SAEs, one checkpointed cell a model and SAE."""

from __future__ import annotations

import gc
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor

from saebook.activations import stream_activations
from saebook.cache import Cache
from saebook.corpora import token_batches
from saebook.hub.entries import any_entry
from saebook.hub.fetch import commit_of
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

VERSION = "1"
"""Of what a cell measures; part of its key."""
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


class Part(NamedTuple):
    """What one model gave with one SAE, or without."""

    model: str
    """base or instruct."""
    width: str
    """narrow, wide, or none without an SAE."""
    layer: int
    """-1 without an SAE."""
    tables: Tables


@dataclass(frozen=True)
class Transfer:
    """What base SAEs cost both models on both texts; by width (narrow, wide)."""

    losses: dict[str, pd.DataFrame]
    """In the columns of `transfer.loss_table`."""
    codes: dict[str, pd.DataFrame]
    """In the columns of `transfer.code_table`, special tokens left out."""
    sums: dict[str, pd.DataFrame]
    """Summed errors: model, text, layer, document, error, spread, active, n."""


@dataclass(frozen=True)
class PublishedTables:
    """Everything that was measured on the published SAEs."""

    transfer: Transfer | None
    """None where not everything is named that it asks for."""
    positions: pd.DataFrame
    """Errors and active latents by sequence and start of a range of positions."""
    forms: pd.DataFrame
    """Errors and active latents by chunk in JumpReLU and TopK form."""
    scale: str
    """paper, or rehearsal."""


class Cells:
    """Tables kept under what they were measured on; a run that was stopped goes on from them."""

    def __init__(self, config: Parameters) -> None:
        self._cache = Cache("he2024-published")
        self._sizes = {k: v for k, v in config.model_dump().items() if k.startswith("hub_")}
        del self._sizes["hub_names"], self._sizes["hub_layer_step"]

    def get(self, what: str, named: Sequence[Named], make: Callable[[], Tables]) -> Tables:
        """Return a cell's tables, measured now if they are not kept.

        Args:
            what: Kind of cell.
            named: Everything published that its numbers depend on.
            make: Measures it.
        """
        pinned = [f"{name}@{commit_of(any_entry(name), commit)}" for name, commit in named]
        key = json.dumps([VERSION, what, pinned, self._sizes], sort_keys=True)

        def write(folder: Path) -> None:
            for name, table in make().items():
                table.to_parquet(folder / f"{name}.parquet")

        folder, _ = self._cache.get_or_make(hashlib.sha256(key.encode()).hexdigest()[:32], write)
        return {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}


def measured(config: Parameters) -> PublishedTables:
    """Measure, or read from finished cells, everything that the rows at paper scale rest on.

    The instruct model goes first, since its template writes the dialogues that both read.

    Raises:
        HubError: Something that is named cannot be had, or does not belong together.
    """
    plan, cells = published.planned(config), Cells(config)
    texts = {"documents": published.documents(plan.documents, config.hub_documents)}
    parts: list[Part] = []
    ids: list[list[int]] = []
    if plan.is_whole:
        texts["dialogues"], ids, parts = _on_instruct(plan, cells, texts, config)
        _free_memory()
    subject = published.load(plan.base, config)
    if plan.is_whole:
        published.check_same_tokens(subject, texts["dialogues"], ids)
        parts += _of_model("base", plan.base, subject, plan, cells, texts, config)
    held = plan.narrow[config.hub_layer]
    both = [plan.base, held]
    positions = cells.get("positions", [*both, plan.long_documents],
                          lambda: {"t": _positions(subject, held, plan, config)})["t"]  # fmt: skip
    forms = cells.get("forms", [*both, plan.documents],
                      lambda: {"t": _forms(subject, held, texts, config)})["t"]  # fmt: skip
    transfer = _transfer(parts) if parts else None
    return PublishedTables(transfer, positions, forms, subject.scale)


def _on_instruct(
    plan: published.Plan, cells: Cells, texts: Texts, config: Parameters
) -> tuple[list[str], list[list[int]], list[Part]]:
    """Dialogues in the instruct model's template, their ids, and the model's tables."""
    assert plan.instruct and plan.chats
    subject = published.load(plan.instruct, config)
    chats = published.dialogues(plan.chats, subject, config.hub_chats)
    both = {**texts, "dialogues": chats}
    found = list(_of_model("instruct", plan.instruct, subject, plan, cells, both, config))
    return chats, subject.encode(chats), found


def _of_model(
    kind: str,
    named: Named,
    subject: Subject,
    plan: published.Plan,
    cells: Cells,
    texts: Texts,
    config: Parameters,
) -> Iterator[Part]:
    """Tables of one model: without an SAE, and with each."""
    read = [held for held in (plan.documents, plan.chats, plan.instruct) if held]
    plain = cells.get("plain", [named, *read],
                      lambda: {"losses": _all_losses(subject, texts, config)})  # fmt: skip
    yield Part(kind, "none", -1, plain)
    for width, saes in (("narrow", plan.narrow), ("wide", plan.wide)):
        for layer, held in saes.items():
            found = cells.get(
                "sae", [named, held, *read],
                lambda held=held: _with_sae(kind, subject, held, texts, config),
            )  # fmt: skip
            yield Part(kind, width, layer, found)


def _with_sae(kind: str, subject: Subject, held: Named, texts: Texts, config: Parameters) -> Tables:
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
    losses = _all_losses(subject, texts, config, loaded)
    return {"losses": losses, "codes": pd.DataFrame(codes), "sums": pd.concat(sums)}


def _fitting_sae(held: Named, subject: Subject) -> PublishedSAE:
    loaded = load_sae(*held, device=str(subject.device))
    check_against(loaded, subject)
    return loaded


def _all_losses(
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
    """The first `hub_code_tokens` ordinary tokens of some texts, one text a sequence."""
    parts, n = [], 0
    for part in _reading(subject, texts, layer, config.hub_context):
        parts.append(part)
        n += len(part.x)
        if n >= config.hub_code_tokens:
            break
    whole = (torch.cat(column)[: config.hub_code_tokens] for column in zip(*parts, strict=True))
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


def _positions(
    subject: Subject, held: Named, plan: published.Plan, config: Parameters
) -> pd.DataFrame:
    """Errors by position in long contexts (L4)."""
    context, width = config.hub_long_context, min(RANGE, config.hub_context)
    texts = published.long_documents(
        plan.long_documents, subject, config.hub_long_documents, context
    )
    loaded, parts = _fitting_sae(held, subject), []
    for seen in _reading(subject, texts, loaded.entry.layer, context):
        table = token_errors(loaded.sae, seen.x).assign(
            n=1, sequence=seen.document.numpy(), start=(seen.place // width * width).numpy()
        )
        parts.append(table.groupby(["sequence", "start"]).sum().reset_index())
    return pd.concat(parts, ignore_index=True)


def _forms(subject: Subject, held: Named, texts: Texts, config: Parameters) -> pd.DataFrame:
    """Errors on documents in JumpReLU and in TopK form, by chunk of 512 tokens (L5)."""
    loaded = _fitting_sae(held, subject)
    x = _ordinary(subject, texts["documents"], loaded.entry.layer, config).x
    tried: dict[str, Any] = {"JumpReLU": loaded.sae, "TopK": to_topk(loaded.sae, L0["training"])}
    parts = []
    for name, sae in tried.items():
        table = token_errors(sae, x).assign(n=1, chunk=(torch.arange(len(x)) // 512).numpy())
        parts.append(table.groupby("chunk").sum().reset_index().assign(sae=name))
    return pd.concat(parts, ignore_index=True)


def _transfer(parts: Sequence[Part]) -> Transfer:
    widths = ("narrow", "wide")
    codes, sums = ({w: _joined(parts, w, name) for w in widths} for name in ("codes", "sums"))
    return Transfer({w: _losses(parts, w) for w in widths}, codes, sums)


def _losses(parts: Sequence[Part], width: str) -> pd.DataFrame:
    """Losses of one width beside those without an SAE."""
    return pd.concat(
        part.tables["losses"].assign(
            model=part.model, sample=0, mask="special masked",
            sae="none" if part.width == "none" else f"layer {part.layer}",
        )
        for part in parts if part.width in ("none", width)
    )  # fmt: skip


def _joined(parts: Sequence[Part], width: str, name: str) -> pd.DataFrame:
    held = [part.tables[name].assign(model=part.model, layer=part.layer)
            for part in parts if part.width == width]  # fmt: skip
    return pd.concat(held, ignore_index=True)


def _free_memory() -> None:
    """Give back what a model held, before the next one is loaded."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
