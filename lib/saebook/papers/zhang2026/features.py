"""What latents do on queries, with and without demonstrations, token by token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from saebook.activations import capture
from saebook.papers.zhang2026.exams import Asked
from saebook.papers.zhang2026.worlds import Problem
from saebook.subjects import Subject

Key = tuple[int, str]
"""Layer and name of an SAE."""
TEMPLATE = frozenset(["question", ":", "(", ")", "?", ".", "reason", "answer"])
"""Words that every problem says alike."""


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


@torch.no_grad()
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
    texts, sizes, template = [], [], []
    for (problem, at), demos in zip(asked, shown, strict=True):
        query = problem.words[:at]
        words = [*problem.title, *(word for demo in demos for word in demo.words)]
        texts.append(" ".join([*words, *query]))
        sizes.append((len(words) + (subject.bos_id is not None), len(query)))
        template += [False] * sizes[-1][0] + [word in TEMPLATE for word in query]
    read = capture(subject, texts, layers, positions="all")
    own = torch.cat([torch.arange(a + b) >= a for a, b in sizes])
    last = torch.cat([torch.arange(a + b) == a + b - 1 for a, b in sizes])
    return Stream({layer: read[layer] for layer in layers}, own, last, torch.tensor(template))


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
    a, b = sae.encode(bare.acts[layer]), sae.encode(shown.acts[layer])
    squared = (b[shown.own] - a[bare.own]).square()
    rows = min(len(a), len(b))
    half = len(squared) // 2
    template = bare.template[bare.own]
    return {
        "aligned": squared.mean(0),
        "last": squared[bare.last[bare.own]].mean(0),
        "masked": squared[~template].mean(0),
        "unaligned": (b[:rows] - a[:rows]).square().mean(0),
        "second_moment": a[bare.own].square().mean(0),
        "variance": a[bare.own].var(0),
        "first_half": squared[:half].mean(0),
        "second_half": squared[half:].mean(0),
    }


@torch.no_grad()
def profile(bare: Stream, shown: Stream, layer: int, sae: Any) -> dict[str, Tensor]:
    """Return what the two scores sum for each latent of a domain, [d_sae].

    act: mean activation over query tokens (STS_act); ICL: mean squared change with the domain's
    own demonstrations (STS_ICL); squared: mean squared activation, what the released notebook
    averages.
    """
    a, b = sae.encode(bare.acts[layer])[bare.own], sae.encode(shown.acts[layer])[shown.own]
    return {"act": a.mean(0), "ICL": (b - a).square().mean(0), "squared": a.square().mean(0)}


@torch.no_grad()
def true_shift(before: Stream, after: Stream, layer: int, sae: Any) -> Tensor:
    """Return the mean squared change [d_sae] over all tokens of the same text, two models."""
    return (sae.encode(after.acts[layer]) - sae.encode(before.acts[layer])).square().mean(0)
