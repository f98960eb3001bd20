"""Published texts that a chapter reads: beginnings of documents, and instructions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from saebook.hub.data import rows as published_rows
from saebook.hub.named import Named
from saebook.subjects import Subject

CHARACTERS = 4_000
"""Of a document, so that no long one fills the corpus."""
DOCUMENTS = 64
"""Documents read at a time."""


def read_documents(subject: Subject, text: Named, n_tokens: int, context: int) -> list[str]:
    """Read beginnings of documents until they hold what whole sequences of them need.

    Args:
        subject: The model whose tokens count.
        text: Data set with a split "validation" of documents.
        n_tokens: Tokens wanted.
        context: Tokens a sequence.

    Raises:
        HubError: The data set cannot be had.
        ValueError: It ends too early; says how many tokens it had.
    """
    held, found, tokens = _beginnings(text), [], 0
    wanted = n_tokens + n_tokens // (context - 1) + 2 * context
    while tokens < wanted:
        part = [beginning for _, beginning in zip(range(DOCUMENTS), held, strict=False)]
        if not part:
            raise ValueError(
                f"{text[0]} ends after {tokens:,} tokens, {wanted:,} are needed; lower "
                "hub_corpus_tokens or name a longer text"
            )
        found += part
        tokens += sum(len(row) for row in subject.encode(part))
    return found


def _beginnings(text: Named) -> Iterator[str]:
    name, commit = text
    for row in published_rows(name, "validation", commit):
        if row["text"].strip():
            yield row["text"][:CHARACTERS]


def instructions(asked: Named, n: int, seed: int) -> list[str]:
    """Draw n instructions of a data set's split "eval".

    Raises:
        HubError: The data set cannot be had.
        ValueError: It holds fewer.
    """
    name, commit = asked
    every = [row["instruction"] for row in published_rows(name, "eval", commit)]
    if len(every) < n:
        raise ValueError(f"{name} holds {len(every)} instructions, hub_prompts asks for {n}")
    return [every[i] for i in np.random.default_rng((seed, 101)).permutation(len(every))[:n]]
