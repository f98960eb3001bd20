"""What latents do on queries, with and without demonstrations, token by token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from saebook.activations import read_blocks
from saebook.corpora import padded
from saebook.papers.zhang2026.exams import Asked
from saebook.papers.zhang2026.worlds import Problem
from saebook.subjects import Subject

Key = tuple[int, str]
"""Layer and name of an SAE."""
TEMPLATE = frozenset(["question", ":", "(", ")", "?", ".", "reason", "answer"])
"""Words that every problem says alike."""
CHUNK = 4_096
"""Tokens encoded at once; a wide dictionary's codes of a whole stream do not fit a memory."""


@dataclass(frozen=True)
class Query:
    """One run of the model: tokens, of which the last are the query's own."""

    ids: tuple[int, ...]
    """All tokens: BOS, heading and demonstrations, then the query's own."""
    template: tuple[bool, ...]
    """For each of the query's own tokens, whether every query says it."""

    @property
    def n_before(self) -> int:
        """How many tokens stand before the query's own."""
        return len(self.ids) - len(self.template)


@dataclass(frozen=True)
class Stream:
    """Residual activations of one set of runs, float32 [n_tokens, d_model] by layer."""

    acts: dict[int, Tensor]
    own: Tensor
    """Bool [n_tokens]: tokens of the query, as against BOS, heading and demonstrations."""
    last: Tensor
    """Bool [n_tokens]: the last token of each query."""
    template: Tensor
    """Bool [n_tokens]: tokens of the query that every problem shares."""

    def kept(self, rows: Tensor) -> Stream:
        """The stream at the rows where a mask [n_tokens] is true."""
        acts = {layer: own[rows] for layer, own in self.acts.items()}
        return Stream(acts, self.own[rows], self.last[rows], self.template[rows])


def read_stream(
    subject: Subject,
    layers: Sequence[int],
    asked: Sequence[Asked],
    shown: Sequence[Sequence[Problem]] | None = None,
) -> Stream:
    """Read every token of queries that are cut before the word asked for.

    Args:
        subject: The model.
        layers: Blocks to read.
        asked: Problems and where each is asked.
        shown: Solved problems shown before each query; none by default.

    Raises:
        ValueError: Not as many sets of demonstrations as queries, or a context too short.
    """
    shown = [()] * len(asked) if shown is None else shown
    if len(shown) != len(asked):
        raise ValueError(f"{len(shown)} sets of demonstrations for {len(asked)} queries")
    queries = []
    for (problem, at), demos in zip(asked, shown, strict=True):
        own = problem.words[:at]
        words = [*problem.title, *(word for demo in demos for word in demo.words), *own]
        ids = subject.encode([" ".join(words)])[0]
        queries.append(Query(tuple(ids), tuple(word in TEMPLATE for word in own)))
    return read_queries(subject, layers, queries)


@torch.no_grad()
def read_queries(
    subject: Subject, layers: Sequence[int], queries: Sequence[Query], batch_size: int = 32
) -> Stream:
    """Read every token of every query.

    Args:
        subject: The model.
        layers: Blocks to read.
        queries: Each a run of its own.
        batch_size: Queries a forward pass.

    Raises:
        ValueError: No queries, or one that is longer than the model's context.
    """
    longest = subject.model.config.max_position_embeddings
    too_long = [len(query.ids) for query in queries if len(query.ids) > longest]
    if too_long or not queries:
        raise ValueError(f"queries of {too_long or 'no'} tokens; {subject.name} takes {longest}")
    parts = [
        _read_batch(subject, layers, queries[start : start + batch_size])
        for start in range(0, len(queries), batch_size)
    ]
    return joined(parts)


def _read_batch(subject: Subject, layers: Sequence[int], queries: Sequence[Query]) -> Stream:
    ids, mask = padded(subject, [list(query.ids) for query in queries])
    read = read_blocks(subject, ids, mask, layers)
    real = mask.cpu()
    sizes = [(query.n_before, len(query.template)) for query in queries]
    own = torch.cat([torch.arange(a + b) >= a for a, b in sizes])
    last = torch.cat([torch.arange(a + b) == a + b - 1 for a, b in sizes])
    template = [flag for q in queries for flag in (*[False] * q.n_before, *q.template)]
    acts = {layer: read[layer].cpu()[real] for layer in layers}
    return Stream(acts, own, last, torch.tensor(template))


def joined(parts: Sequence[Stream]) -> Stream:
    """Put streams one after the other."""
    acts = {layer: torch.cat([part.acts[layer] for part in parts]) for layer in parts[0].acts}
    masks = (torch.cat([getattr(p, name) for p in parts]) for name in ("own", "last", "template"))
    return Stream(acts, *masks)


def demonstrations(pool: Sequence[Problem], n: int, queries: Sequence[Asked]) -> list[list]:
    """Return n solved problems of the pool for each query, never the query itself.

    Raises:
        ValueError: The pool holds fewer than n besides the query.
    """
    shown = []
    for i, (problem, _) in enumerate(queries):
        others = [p for p in pool if p.words != problem.words]
        if len(others) < n:
            raise ValueError(f"{n} demonstrations asked for, the pool has {len(others)} others")
        start = (i * n) % len(others)
        shown.append([others[(start + k) % len(others)] for k in range(n)])
    return shown


def identity(acts: Tensor) -> Tensor:
    """The raw dimensions themselves, for baselines without an SAE."""
    return acts


class Raw:
    """Raw dimensions in an SAE's place."""

    encode = staticmethod(identity)


@torch.no_grad()
def changes(bare: Stream, shown: Stream, layer: int, sae: Any) -> dict[str, Tensor]:
    """Return each latent's change from `bare` to `shown` runs of the same queries, [d_sae].

    aligned: mean over query tokens of the squared difference, the paper's formula with every
    token compared with itself; last: at the queries' last token; masked: aligned without template
    words; unaligned: row i of one whole stream against row i of the other, as the released code
    does; second_moment: mean square without demonstrations; first_half and second_half: aligned,
    on halves of the tokens.
    """
    n = int(bare.own.sum())
    place = torch.arange(n)
    groups = {
        "aligned": place >= 0,
        "last": bare.last[bare.own],
        "masked": ~bare.template[bare.own],
        "first_half": place < n // 2,
        "second_half": place >= n // 2,
    }
    weights = torch.stack([group / group.sum() for group in groups.values()])
    own: Any = 0.0
    moments: Any = 0.0
    for at, a, b in _codes(sae, bare.acts[layer][bare.own], shown.acts[layer][shown.own]):
        own = own + weights[:, at].to(a) @ (b - a).square()
        moments = moments + torch.stack([a.double().sum(0), a.double().square().sum(0)]) / n
    mean, square = moments
    rows = min(len(bare.acts[layer]), len(shown.acts[layer]))
    whole = (bare.acts[layer][:rows], shown.acts[layer][:rows])
    unaligned: Any = sum((b - a).square().sum(0) for _, a, b in _codes(sae, *whole))
    found = dict(zip(groups, own, strict=True)) | {
        "unaligned": unaligned / rows,
        "second_moment": square.float(),
        "variance": ((square - mean.square()) * n / (n - 1)).float(),
    }
    return {name: value.cpu() for name, value in found.items()}


@torch.no_grad()
def profile(bare: Stream, shown: Stream, layer: int, sae: Any) -> dict[str, Tensor]:
    """Return what the two scores sum for each latent of a domain, [d_sae].

    act: mean activation over query tokens (STS_act); ICL: mean squared change with the domain's
    own demonstrations (STS_ICL); squared: mean squared activation, what the released notebook
    averages.
    """
    first, second = bare.acts[layer][bare.own], shown.acts[layer][shown.own]
    sums: Any = sum(
        torch.stack([a.sum(0), (b - a).square().sum(0), a.square().sum(0)])
        for _, a, b in _codes(sae, first, second)
    )
    return dict(zip(("act", "ICL", "squared"), (sums / len(first)).cpu(), strict=True))


@torch.no_grad()
def true_shift(before: Stream, after: Stream, layer: int, sae: Any) -> Tensor:
    """Return the mean squared change [d_sae] over all tokens of the same text, two models."""
    first, second = before.acts[layer], after.acts[layer]
    total: Any = sum((b - a).square().sum(0) for _, a, b in _codes(sae, first, second))
    return (total / len(first)).cpu()


def _codes(sae: Any, first: Tensor, second: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yield places and codes [at most CHUNK, d_sae] of two equally long sets of rows."""
    device = getattr(sae, "device", first.device)
    for start in range(0, len(first), CHUNK):
        at = slice(start, start + CHUNK)
        yield at, sae.encode(first[at].to(device)), sae.encode(second[at].to(device))
