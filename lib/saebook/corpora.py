"""Texts into batches of token ids, with a note of where every token came from."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, cast, get_args

import torch
from torch import Tensor

from saebook.subjects import Subject

Packing = Literal["packed", "single"]
INSERTED = -1
"""Position of a token that stands in no text: BOS, separator, padding."""

Token = tuple[int, int, int]
"""(id, document, position within the document's own tokens)."""


class HasText(Protocol):
    """Anything with a `text`, such as a testbed AnnotatedText."""

    @property
    def text(self) -> str:
        """The string that is tokenized."""
        ...


@dataclass(frozen=True)
class TokenBatch:
    """A batch of sequences, right-padded, shapes [batch, context]."""

    ids: Tensor
    """Token ids, int64."""
    mask: Tensor
    """True at real tokens, False at padding."""
    bos: Tensor
    """True at BOS tokens."""
    special: Tensor
    """True at BOS, EOS and chat-template tokens."""
    document: Tensor
    """Index of the text in the caller's list; -1 at padding."""
    position: Tensor
    """Index of the token among its document's own tokens; -1 at inserted tokens and padding."""

    def keep(self, drop_bos: bool = False, drop_special: bool = False) -> Tensor:
        """Return the mask of tokens to use: real ones, less BOS or all special tokens."""
        kept = self.mask.clone()
        if drop_bos:
            kept &= ~self.bos
        if drop_special:
            kept &= ~(self.special | self.bos)
        return kept


def token_batches(
    subject: Subject,
    texts: Sequence[str | HasText],
    context: int = 128,
    packing: Packing = "packed",
    batch_size: int = 32,
    shuffle_seed: int | None = None,
) -> list[TokenBatch]:
    """Tokenize texts into batches of sequences of at most `context` tokens.

    "packed" joins the texts into one stream, each after a BOS (in a family without BOS, each
    followed by EOS), and cuts it into blocks that each start with BOS; the last block may be
    short. "single" gives each text a sequence of its own and cuts what is longer than `context`.
    A `shuffle_seed` puts the texts in a random order first; without one they keep their order.

    Raises:
        ValueError: no texts, a text without tokens, a context longer than the model's, or sizes
            below 2 (context) and 1 (batch).
    """
    _check(subject, texts, context, packing, batch_size)
    order = list(range(len(texts)))
    if shuffle_seed is not None:
        random.Random(shuffle_seed).shuffle(order)
    strings = [t if isinstance(t, str) else t.text for t in texts]
    encoded = subject.encode(strings, bos=False)
    documents = [(i, encoded[i]) for i in order]
    build = _packed if packing == "packed" else _single
    rows = build(subject, documents, context)
    return [
        _batch(subject, rows[i : i + batch_size], context) for i in range(0, len(rows), batch_size)
    ]


def _check(subject: Subject, texts: Sequence, context: int, packing: str, batch_size: int) -> None:
    if isinstance(texts, str):
        raise ValueError("token_batches takes a sequence of texts, not one string")
    if not texts:
        raise ValueError("there are no texts to make batches from")
    if packing not in get_args(Packing):
        raise ValueError(f"unknown packing {packing!r}; known: {', '.join(get_args(Packing))}")
    longest = subject.model.config.max_position_embeddings
    if not 2 <= context <= longest:
        raise ValueError(f"context {context} is out of range; {subject.name} takes 2 to {longest}")
    if batch_size < 1:
        raise ValueError(f"batch size {batch_size} is below 1")


def _tokens(subject: Subject, document: int, ids: list[int]) -> list[Token]:
    """A document's tokens with BOS in front, if the family has one and the text does not."""
    own = [(token, document, i) for i, token in enumerate(ids)]
    bos = subject.bos_id
    return own if bos is None or ids[0] == bos else [(bos, document, INSERTED), *own]


def _single(
    subject: Subject, documents: list[tuple[int, list[int]]], context: int
) -> list[list[Token]]:
    return [_tokens(subject, i, ids)[:context] for i, ids in documents]


def _packed(
    subject: Subject, documents: list[tuple[int, list[int]]], context: int
) -> list[list[Token]]:
    stream: list[Token] = []
    for i, ids in documents:
        stream += _tokens(subject, i, ids)
        if subject.bos_id is None:
            stream.append((_separator(subject), i, INSERTED))
    return _blocks(stream, context, subject.bos_id)


def _separator(subject: Subject) -> int:
    if subject.eos_id is None:
        raise ValueError(
            f"{subject.name} has neither BOS nor EOS to part packed texts; use packing='single'"
        )
    return subject.eos_id


def _blocks(stream: list[Token], context: int, bos: int | None) -> list[list[Token]]:
    """Cut a stream into blocks, each opened by BOS unless it already starts with one."""
    rows, at = [], 0
    while at < len(stream):
        token, document, _ = stream[at]
        head = [] if bos is None or token == bos else [(bos, document, INSERTED)]
        take = context - len(head)
        rows.append(head + stream[at : at + take])
        at += take
    return rows


def _batch(subject: Subject, rows: list[list[Token]], context: int) -> TokenBatch:
    width = min(context, max(map(len, rows)))
    pad = (padding_id(subject), INSERTED, INSERTED)
    table = torch.tensor([row + [pad] * (width - len(row)) for row in rows])
    ids, document, position = table.unbind(-1)
    lengths = torch.tensor([len(row) for row in rows])
    mask = torch.arange(width) < lengths[:, None]
    special = torch.isin(ids, torch.tensor(sorted(subject.special_ids), dtype=torch.long)) & mask
    bos = (ids == (INSERTED if subject.bos_id is None else subject.bos_id)) & mask
    return TokenBatch(ids.contiguous(), mask, bos, special, document.clone(), position.clone())


def padding_id(subject: Subject) -> int:
    """Return an id to fill padding with; the mask, not the id, says what is padding."""
    pad = cast("int | None", subject.tokenizer.pad_token_id)
    return pad if pad is not None else (subject.eos_id or 0)


def padded(subject: Subject, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Right-pad rows of ids into (ids [b, t] int64, mask [b, t] bool).

    Under causal attention what stands to the right of a token cannot change it, so numbers read
    at real tokens differ from an unpadded run by rounding only.
    """
    width = max(map(len, rows))
    fill = padding_id(subject)
    ids = torch.tensor([[*row, *[fill] * (width - len(row))] for row in rows])
    lengths = torch.tensor([len(row) for row in rows])
    return ids, torch.arange(width) < lengths[:, None]
