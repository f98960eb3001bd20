"""Texts into rows of tokens: packed into blocks, one a sequence, or packed and kept apart."""

from __future__ import annotations

from typing import NamedTuple

from saebook.subjects import Subject

INSERTED = -1
"""Position of a token that stands in no text: BOS, separator, padding."""

Token = tuple[int, int, int]
"""(id, document, position within the document's own tokens)."""
Document = tuple[int, list[int]]
"""(index in the caller's list, token ids)."""


class Row(NamedTuple):
    """One sequence before it is padded."""

    tokens: list[Token]
    """In reading order."""
    segments: list[int] | None = None
    """Which text of the row each token belongs to, where texts may not see each other."""


def single_rows(subject: Subject, documents: list[Document], context: int) -> list[Row]:
    """Give each text a row of its own, cut at `context`."""
    return [Row(_opened(subject, i, ids)[:context]) for i, ids in documents]


def masked_rows(subject: Subject, documents: list[Document], context: int) -> list[Row]:
    """Fill rows with whole texts in order; a text that does not fit any more opens the next row."""
    rows: list[Row] = []
    for tokens, _ in single_rows(subject, documents, context):
        if not rows or len(rows[-1].tokens) + len(tokens) > context:
            rows.append(Row([], []))
        row, segments = rows[-1].tokens, rows[-1].segments
        assert segments is not None
        segments.extend([segments[-1] + 1 if segments else 0] * len(tokens))
        row.extend(tokens)
    return rows


def packed_rows(subject: Subject, documents: list[Document], context: int) -> list[Row]:
    """Join all texts into one stream and cut it into blocks, each opened by BOS if there is one."""
    stream: list[Token] = []
    for i, ids in documents:
        stream += _opened(subject, i, ids)
        if subject.bos_id is None:
            stream.append((_separator(subject), i, INSERTED))
    return _blocks(stream, context, subject.bos_id)


def _opened(subject: Subject, document: int, ids: list[int]) -> list[Token]:
    """A text's tokens with BOS in front, if the family has one and the text does not."""
    own = [(token, document, i) for i, token in enumerate(ids)]
    bos = subject.bos_id
    return own if bos is None or ids[0] == bos else [(bos, document, INSERTED), *own]


def _separator(subject: Subject) -> int:
    if subject.eos_id is None:
        raise ValueError(
            f"{subject.name} has neither BOS nor EOS to part packed texts; use packing='single'"
        )
    return subject.eos_id


def _blocks(stream: list[Token], context: int, bos: int | None) -> list[Row]:
    """Cut a stream into blocks, each opened by BOS unless it already starts with one."""
    rows, at = [], 0
    while at < len(stream):
        token, document, _ = stream[at]
        head = [] if bos is None or token == bos else [(bos, document, INSERTED)]
        take = context - len(head)
        rows.append(Row(head + stream[at : at + take]))
        at += take
    return rows
