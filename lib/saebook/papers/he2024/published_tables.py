"""Measures of the published SAEs, one checkpointed cell a model and SAE."""

from __future__ import annotations

import gc
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch

from saebook.cache import Cache
from saebook.hub.entries import any_entry
from saebook.hub.fetch import commit_of
from saebook.hub.named import Named
from saebook.papers.he2024 import published, published_measures
from saebook.papers.he2024.parameters import Parameters
from saebook.papers.he2024.published_measures import Tables, Texts
from saebook.papers.he2024.tables import LAYER
from saebook.subjects import Subject

VERSION = "1"
"""Of what a cell measures; part of its key."""


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
    positions: pd.DataFrame | None
    """Errors and active latents by sequence and start of a range of positions; None where no long
    documents are named."""
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

    def one(
        self, what: str, named: Sequence[Named], make: Callable[[], pd.DataFrame]
    ) -> pd.DataFrame:
        """As `get`, for a cell of a single table."""
        return self.get(what, named, lambda: {"table": make()})["table"]


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
    held, long, positions = plan.narrow[LAYER], plan.long_documents, None
    if long:
        positions = cells.one(
            "positions", [plan.base, held, long],
            lambda: published_measures.positions(subject, held, long, config),
        )  # fmt: skip
    forms = cells.one("forms", [plan.base, held, plan.documents],
                      lambda: published_measures.forms(subject, held, texts, config))  # fmt: skip
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
    losses = cells.one("plain", [named, *read],
                       lambda: published_measures.all_losses(subject, texts, config))  # fmt: skip
    yield Part(kind, "none", -1, {"losses": losses})
    for width, saes in (("narrow", plan.narrow), ("wide", plan.wide)):
        for layer, held in saes.items():
            found = cells.get(
                "sae", [named, held, *read],
                lambda held=held: published_measures.with_sae(kind, subject, held, texts, config),
            )  # fmt: skip
            yield Part(kind, width, layer, found)


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
