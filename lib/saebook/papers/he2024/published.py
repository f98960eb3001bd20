"""The paper's own models and SAEs: what the parameters name, and the text both models read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

from saebook.hub.chats import COLUMNS, rendered_chats
from saebook.hub.data import rows
from saebook.hub.entries import data_set, published_sae, subject_entry
from saebook.hub.errors import HubError
from saebook.hub.fitting import Place, chosen_batch, in_batches
from saebook.hub.models import load_published
from saebook.hub.named import Named, named_entries
from saebook.hub.schema import Dtype
from saebook.papers.he2024.parameters import Parameters
from saebook.papers.he2024.tables import LAYER
from saebook.subjects import Subject

SEQUENCES = 32
"""Sequences a forward pass where the memory allows as many, as in the release code."""
R = TypeVar("R")


@dataclass(frozen=True)
class Plan:
    """What `hub_names` names, sorted by its part in the paper."""

    base: Named
    instruct: Named | None
    narrow: dict[int, Named]
    """SAEs of the smaller width by layer."""
    wide: dict[int, Named]
    """SAEs of the larger width by layer; none if there is one width."""
    documents: Named
    long_documents: Named | None
    chats: Named | None

    @property
    def is_whole(self) -> bool:
        """Whether both models, both widths and chats are there, as L1 to L3 and L7 need."""
        return bool(self.instruct and self.chats and self.wide)


def planned(config: Parameters) -> Plan:
    """Sort what the parameters name.

    The base model is the one without a chat template; of the sets of documents the first is read
    in the training context, and the second in the long one. Of the layers, every
    `hub_layer_step`-th is taken, from the last one down.

    Raises:
        HubError: No base model, no SAE of the printed layer, or no documents are named; or two
            models of one kind are.
    """
    named = named_entries(config.hub_names)
    models = {False: [], True: []}
    for held in named.subjects:
        models[subject_entry(held[0]).chat].append(held)
    texts = [held for held in named.data if "text" in data_set(held[0]).columns]
    chats = [held for held in named.data if set(COLUMNS) & set(data_set(held[0]).columns)]
    if len(models[False]) != 1 or len(models[True]) > 1 or not texts:
        raise HubError(
            "hub_names has to hold one base model, at most one instruct model, and a set of "
            f"documents; found {len(models[False])}, {len(models[True])} and {len(texts)}"
        )
    narrow, wide = _by_width(named.saes, config.hub_layer_step)
    if LAYER not in narrow or (wide and set(wide) != set(narrow)):
        raise HubError(
            f"hub_names and hub_layer_step leave SAEs of the layers {sorted(narrow)} and "
            f"{sorted(wide)}; both widths have to hold the same ones, {LAYER} among them"
        )
    instruct, long, chat = (next(iter(held), None) for held in (models[True], texts[1:], chats))
    return Plan(models[False][0], instruct, narrow, wide, texts[0], long, chat)


def _by_width(saes: Sequence[Named], step: int) -> tuple[dict[int, Named], dict[int, Named]]:
    widths = sorted({published_sae(name).d_sae for name, _ in saes})
    found: list[dict[int, Named]] = [{}, {}]
    if len(widths) > 2:
        raise HubError(f"the SAEs have the widths {widths}; name those of one or of two")
    for held in saes:
        entry = published_sae(held[0])
        found[widths.index(entry.d_sae)][entry.layer] = held
    layers = sorted({layer for part in found for layer in part}, reverse=True)[::step]
    narrow, wide = ({i: part[i] for i in sorted(layers) if i in part} for part in found)
    return narrow, wide


def load(named: Named, config: Parameters) -> Subject:
    """Load a model, or its first `hub_blocks` blocks."""
    return load_published(*named, n_layers=config.hub_blocks or None)


def documents(named: Named, n: int) -> list[str]:
    """The first documents of a set.

    Raises:
        HubError: The set holds fewer.
    """
    found = [row["text"] for row in rows(named[0], _held_out(named[0]), named[1], limit=n)]
    _check_count(named[0], len(found), n, "documents")
    return found


def long_documents(named: Named, subject: Subject, n: int, tokens: int) -> list[str]:
    """The first documents of a set that fill a context of so many tokens.

    Raises:
        HubError: The set holds fewer.
    """
    found: list[str] = []
    for row in rows(named[0], _held_out(named[0]), named[1]):
        # A token is a character at least, so shorter texts need not be tokenized.
        if len(row["text"]) >= tokens and len(subject.encode([row["text"]])[0]) >= tokens:
            found.append(row["text"])
            if len(found) == n:
                break
    _check_count(named[0], len(found), n, f"documents of {tokens} tokens")
    return found


def dialogues(named: Named, instruct: Subject, n: int) -> list[str]:
    """The first dialogues of a set in the instruct model's template; see `rendered_chats`."""
    return rendered_chats(named[0], instruct, n, named[1]).texts


def check_same_tokens(base: Subject, texts: Sequence[str], ids: Sequence[Sequence[int]]) -> None:
    """Refuse a base model whose tokenizer reads the instruct model's dialogues otherwise.

    Raises:
        HubError: A text has other ids, so that the two models would not read the same.
    """
    for i, (own, other) in enumerate(zip(base.encode(texts), ids, strict=True)):
        if own != list(other):
            raise HubError(
                f"dialogue {i} has {len(own)} tokens for {base.name} and {len(other)} for the "
                "instruct model, or others; the two have to share their tokenizer"
            )


def by_batches(
    read: Callable[[Sequence[tuple[int, str]]], R],
    subject: Subject,
    texts: Sequence[str],
    context: int,
    *,
    logits: bool,
) -> Iterator[R]:
    """Read numbered texts in batches that fit the memory; see `in_batches`."""
    dtype = cast(Dtype, str(subject.model.dtype).removeprefix("torch."))
    place = Place(str(subject.device), dtype)
    batch = chosen_batch(subject_entry(subject.name), place, context, SEQUENCES, logits=logits)
    return in_batches(read, list(enumerate(texts)), batch)


def _held_out(name: str) -> str:
    return "validation" if "validation" in data_set(name).splits else "train"


def _check_count(name: str, found: int, wanted: int, what: str) -> None:
    if found < wanted:
        raise HubError(f"{name} holds {found} {what} and {wanted} are asked for; lower the number")
