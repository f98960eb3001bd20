"""Annotated texts as one block of tokens, activations and ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from saebook.activations import read_blocks
from saebook.corpora import token_batches
from saebook.subjects import Subject


@dataclass(frozen=True, eq=False)
class LabelledCorpus:
    """Packed sequences with the activations of one block and the concepts at every token."""

    ids: Tensor
    """Token ids [n_seq, context]."""
    kept: Tensor
    """Real tokens but BOS, bool [n_seq, context]."""
    acts: Tensor
    """Block output, float32 [n_seq, context, d_model]."""
    labels: Tensor
    """Which concepts hold, bool [n_seq, context, n_concepts]; none at inserted tokens."""
    concepts: tuple[str, ...]
    """Ids of the concepts that hold anywhere, in the columns' order."""
    vocabulary: int
    """Number of token ids."""

    @property
    def n_tokens(self) -> int:
        """Kept tokens."""
        return int(self.kept.sum())

    @cached_property
    def token_share(self) -> Tensor:
        """Share of each token id among kept tokens [vocabulary]."""
        counts = torch.bincount(self.ids[self.kept], minlength=self.vocabulary)
        return counts.double() / counts.sum()

    @torch.no_grad()
    def codes(self, sae: Any) -> Tensor:
        """Latent activations [n_seq, context, d_sae] of an SAE, zero where nothing is kept."""
        found = torch.zeros(*self.ids.shape, sae.W_dec.shape[0])
        found[self.kept] = sae.encode(self.acts[self.kept]).float()
        return found


def read_corpus(
    subject: Subject,
    texts: Sequence[Any],
    layer: int,
    n_tokens: int,
    context: int = 128,
    batch_size: int = 64,
) -> LabelledCorpus:
    """Pack annotated texts and read one block's output on about `n_tokens` tokens.

    Args:
        subject: The model.
        texts: Annotated texts (`.text`, `.concepts` a word); a word is a token.
        layer: Block to read.
        n_tokens: Kept tokens wanted at least; whole sequences are taken until there are enough.
        context: Tokens a sequence, BOS included.
        batch_size: Sequences a forward pass.

    Raises:
        ValueError: the texts hold too few tokens, or as `token_batches`.
    """
    batches = token_batches(subject, texts, context, "packed", batch_size)
    ids = torch.cat([b.ids[b.mask.all(1)] for b in batches])
    kept = torch.cat([b.keep(drop_bos=True)[b.mask.all(1)] for b in batches])
    document = torch.cat([b.document[b.mask.all(1)] for b in batches])
    position = torch.cat([b.position[b.mask.all(1)] for b in batches])
    enough = int(torch.searchsorted(kept.sum(1).cumsum(0), n_tokens)) + 1
    if enough > len(ids):
        raise ValueError(
            f"the texts hold {int(kept.sum())} tokens in whole sequences of {context}, "
            f"{n_tokens} are asked for; give more texts"
        )
    ids, kept = ids[:enough], kept[:enough]
    labels, concepts = _labels(texts, document[:enough], position[:enough])
    mask = torch.ones_like(ids, dtype=torch.bool)
    parts = [
        read_blocks(subject, ids[i : i + batch_size], mask[i : i + batch_size], [layer])[layer]
        for i in range(0, len(ids), batch_size)
    ]
    vocabulary = int(subject.model.config.vocab_size)
    return LabelledCorpus(ids, kept, torch.cat(parts).cpu(), labels, concepts, vocabulary)


def _labels(
    texts: Sequence[Any], document: Tensor, position: Tensor
) -> tuple[Tensor, tuple[str, ...]]:
    used = sorted({d for d in document.flatten().tolist() if d >= 0})
    concepts = tuple(sorted({c for d in used for held in texts[d].concepts for c in held}))
    column = {concept: i for i, concept in enumerate(concepts)}
    labels = torch.zeros(*document.shape, len(concepts), dtype=torch.bool)
    places = ((position >= 0) & (document >= 0)).nonzero().tolist()
    rows, columns, which = [], [], []
    for row, at in places:
        held = texts[int(document[row, at])].concepts[int(position[row, at])]
        rows += [row] * len(held)
        columns += [at] * len(held)
        which += [column[concept] for concept in held]
    labels[rows, columns, which] = True
    return labels, concepts
