"""Texts as one block of tokens and activations, and the codes of an SAE on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from saebook.activations import read_blocks
from saebook.corpora import token_batches
from saebook.interpretability.windows import LEAST_LIVE
from saebook.subjects import Subject

SEQUENCES = 64
"""Sequences encoded at a time where not all codes are kept."""


@dataclass(frozen=True, eq=False)
class LatentCodes:
    """Activations of all or of some latents of one SAE on a corpus."""

    codes: Tensor
    """[n_seq, context, columns], zero where nothing is kept."""
    ids: Tensor
    """Which latent each column is [columns]."""
    peaks: Tensor
    """Largest activation of every latent of the SAE [d_sae]."""

    @classmethod
    def whole(cls, codes: Tensor) -> LatentCodes:
        """Codes of all latents [n_seq, context, d_sae]."""
        return cls(codes, torch.arange(codes.shape[-1]), codes.flatten(0, 1).amax(0))


@dataclass(frozen=True, eq=False)
class TokenCorpus:
    """Packed sequences with the activations of one block."""

    ids: Tensor
    """Token ids [n_seq, context]."""
    kept: Tensor
    """Real tokens but BOS, bool [n_seq, context]."""
    acts: Tensor
    """Block output [n_seq, context, d_model], on the CPU."""
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

    @torch.no_grad()
    def sampled_codes(
        self, sae: Any, n: int, seed: int, device: torch.device | str = "cpu"
    ) -> LatentCodes:
        """Codes of n live latents drawn at random, where those of all would not fit the memory.

        Two passes: the first finds peaks and how often each latent fires, the second keeps the
        columns of the drawn ones. The SAE is put on the device meanwhile.

        Args:
            sae: sae-lens's SAE, on the CPU.
            n: Latents to keep; all live ones if there are fewer.
            seed: Of the draw.
            device: Where to encode.

        Raises:
            ValueError: no latent is live.
        """
        d_sae = sae.W_dec.shape[0]
        peaks, fires = torch.zeros(d_sae), torch.zeros(d_sae, dtype=torch.long)
        for _, _, codes in self._encoded(sae, device):
            peaks = torch.maximum(peaks, codes.amax(0).cpu())
            fires += (codes > 0).sum(0).cpu()
        live = (fires > LEAST_LIVE).nonzero().flatten()
        if not len(live):
            raise ValueError(f"none of {d_sae} latents fires on more than {LEAST_LIVE} tokens")
        order = torch.randperm(len(live), generator=torch.Generator().manual_seed(seed))
        ids = live[order[:n]].sort().values
        found = torch.zeros(*self.ids.shape, len(ids))
        for part, kept, codes in self._encoded(sae, device):
            found[part][kept] = codes[:, ids.to(codes.device)].float().cpu()
        return LatentCodes(found, ids, peaks)

    def _encoded(
        self, sae: Any, device: torch.device | str
    ) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Part of the sequences, which of its tokens are kept, and their codes [n, d_sae]."""
        home = sae.W_dec.device
        sae.to(device)
        try:
            for start in range(0, len(self.ids), SEQUENCES):
                part = slice(start, start + SEQUENCES)
                kept = self.kept[part]
                yield part, kept, sae.encode(self.acts[part][kept].to(device))
        finally:
            sae.to(home)


@dataclass(frozen=True, eq=False)
class LabelledCorpus(TokenCorpus):
    """A corpus whose concepts are known at every token."""

    labels: Tensor
    """Which concepts hold, bool [n_seq, context, n_concepts]; none at inserted tokens."""
    concepts: tuple[str, ...]
    """Ids of the concepts that hold anywhere, in the columns' order."""


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
    plain, document, position = _read(subject, texts, layer, n_tokens, context, batch_size)
    labels, concepts = _labels(texts, document, position)
    return LabelledCorpus(**vars(plain), labels=labels, concepts=concepts)


def read_tokens(
    subject: Subject,
    texts: Sequence[str],
    layer: int,
    n_tokens: int,
    context: int = 128,
    batch_size: int = 64,
) -> TokenCorpus:
    """The same for texts of which nothing else is known; arguments as `read_corpus`."""
    return _read(subject, texts, layer, n_tokens, context, batch_size)[0]


def _read(
    subject: Subject,
    texts: Sequence[Any],
    layer: int,
    n_tokens: int,
    context: int,
    batch_size: int,
) -> tuple[TokenCorpus, Tensor, Tensor]:
    """A corpus, and of each token the text it comes from and its place there."""
    # The last batch is narrower where all of its rows are, so none of them is a whole sequence.
    whole = [
        (b, b.mask.all(1))
        for b in token_batches(subject, texts, context, "packed", batch_size)
        if b.ids.shape[1] == context
    ]
    if not whole:
        raise ValueError(f"the texts fill no sequence of {context} tokens; give more texts")
    ids = torch.cat([b.ids[rows] for b, rows in whole])
    kept = torch.cat([b.keep(drop_bos=True)[rows] for b, rows in whole])
    document = torch.cat([b.document[rows] for b, rows in whole])
    position = torch.cat([b.position[rows] for b, rows in whole])
    enough = int(torch.searchsorted(kept.sum(1).cumsum(0), n_tokens)) + 1
    if enough > len(ids):
        raise ValueError(
            f"the texts hold {int(kept.sum())} tokens in whole sequences of {context}, "
            f"{n_tokens} are asked for; give more texts"
        )
    ids, kept = ids[:enough], kept[:enough]
    mask = torch.ones_like(ids, dtype=torch.bool)
    parts = []
    for start in range(0, len(ids), batch_size):
        at = slice(start, start + batch_size)
        parts.append(read_blocks(subject, ids[at], mask[at], [layer])[layer].cpu())
    vocabulary = int(subject.model.config.vocab_size)
    corpus = TokenCorpus(ids, kept, torch.cat(parts), vocabulary)
    return corpus, document[:enough], position[:enough]


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
