"""Texts into batches of token ids, with a note of where every token came from."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast, get_args

import torch
from torch import Tensor

from saebook.corpora.packing import INSERTED, Row, masked_rows, packed_rows, single_rows
from saebook.subjects import Subject

Packing = Literal["packed", "single", "masked"]


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
    segment: Tensor | None = None
    """Which text of its row a token belongs to, -1 at padding, where texts may not see each other;
    None where attention is plainly causal."""

    def keep(self, drop_bos: bool = False, drop_special: bool = False) -> Tensor:
        """Return the mask of tokens to use: real ones, less BOS or all special tokens."""
        kept = self.mask.clone()
        if drop_bos:
            kept &= ~self.bos
        if drop_special:
            kept &= ~(self.special | self.bos)
        return kept

    @property
    def place(self) -> Tensor:
        """Index of each token in what the model attends to, from 0; -1 at padding."""
        place = torch.arange(self.ids.shape[1]).expand_as(self.ids)
        if self.segment is not None:
            place = restarted(self.segment)
        return place.where(self.mask, torch.full_like(place, INSERTED))


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
    "masked" puts as many whole "single" sequences into a block as fit, in order; each attends to
    itself alone and counts its positions from 0, so that the model sees what it sees in "single".
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
    rows = _BUILDERS[packing](subject, documents, context)
    return [
        _batch(subject, rows[i : i + batch_size], context) for i in range(0, len(rows), batch_size)
    ]


_BUILDERS = {"packed": packed_rows, "single": single_rows, "masked": masked_rows}


def n_cut(subject: Subject, texts: Sequence[str | HasText], context: int) -> int:
    """How many texts "single" and "masked" have to cut at `context` tokens, BOS counted."""
    strings = [t if isinstance(t, str) else t.text for t in texts]
    return sum(len(row) > context for row in subject.encode(strings))


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


def _batch(subject: Subject, rows: list[Row], context: int) -> TokenBatch:
    width = min(context, max(len(row.tokens) for row in rows))
    pad = (padding_id(subject), INSERTED, INSERTED)
    table = torch.tensor([row.tokens + [pad] * (width - len(row.tokens)) for row in rows])
    ids, document, position = table.unbind(-1)
    lengths = torch.tensor([len(row.tokens) for row in rows])
    mask = torch.arange(width) < lengths[:, None]
    special = torch.isin(ids, torch.tensor(sorted(subject.special_ids), dtype=torch.long)) & mask
    bos = (ids == (INSERTED if subject.bos_id is None else subject.bos_id)) & mask
    columns = (ids.contiguous(), mask, bos, special, document.clone(), position.clone())
    return TokenBatch(*columns, segment=_segments(rows, width))


def _segments(rows: list[Row], width: int) -> Tensor | None:
    if rows[0].segments is None:
        return None
    held = [row.segments or [] for row in rows]
    return torch.tensor([own + [INSERTED] * (width - len(own)) for own in held])


def restarted(segment: Tensor) -> Tensor:
    """Positions that count from 0 in every run of equal numbers, [batch, position]."""
    at = torch.arange(segment.shape[1]).expand_as(segment)
    starts = torch.ones_like(segment, dtype=torch.bool)
    starts[:, 1:] = segment[:, 1:] != segment[:, :-1]
    return at - at.where(starts, torch.zeros_like(at)).cummax(1).values


def model_inputs(subject: Subject, ids: Tensor, mask: Tensor, segment: Tensor | None = None) -> Any:
    """What a forward pass takes for a batch: ids, attention mask and, with segments, positions.

    With segments the mask is additive, [batch, 1, query, key]: a token sees the earlier tokens of
    its own segment and no others.
    """
    inputs: dict[str, Any] = {"input_ids": ids.to(subject.device), "use_cache": False}
    if segment is None:
        return inputs | {"attention_mask": mask.to(subject.device).long()}
    same = (segment[:, :, None] == segment[:, None, :]).tril()
    dtype = subject.model.dtype
    closed = torch.full(same.shape, torch.finfo(dtype).min, dtype=dtype)
    additive = closed.masked_fill(same, 0.0)[:, None]
    positions = restarted(segment)
    return inputs | {
        "attention_mask": additive.to(subject.device),
        "position_ids": positions.to(subject.device),
    }


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
