"""Everything that is read off the model before fine-tuning, by SAE: shifts and domain profiles."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from saebook.finetune.items import padded_items
from saebook.finetune.loop import summed_loss
from saebook.papers.zhang2026.exams import Asked, draw_exam, draw_items, training_item
from saebook.papers.zhang2026.features import (
    Key,
    Raw,
    changes,
    demonstrations,
    profile,
    read_stream,
)
from saebook.papers.zhang2026.parameters import Parameters
from saebook.papers.zhang2026.records import Arrays
from saebook.papers.zhang2026.worlds import DRAWS, Kind, Problem
from saebook.subjects import Subject
from saebook.testbed.lexicon import DOMAINS
from saebook.testbed.world import World

POOL_SEED, QUERY_SEED = 70_000, 71_000
N_POOL = 24
N_AXES = 4
"""Principal axes of the raw change, for the baseline without an SAE."""
N_GRADIENT = 32
"""Items a domain whose gradient is compared with the source's."""
FAR = {"math": "law", "computer science": "history", "health": "engineering"}
"""A domain with words of its own for the control of C2; any other source takes philosophy."""


def with_raw(saes: Mapping[Key, Any]) -> dict[Key, Any]:
    """Add the raw dimensions of every layer to a set of SAEs, under the name `raw`."""
    return {**saes, **{(layer, "raw"): Raw for layer, _ in saes}}


def source_changes(
    subject: Subject,
    world: World,
    kind: Kind,
    source: str,
    saes: Mapping[Key, Any],
    config: Parameters,
) -> Arrays:
    """Return the change that source demonstrations make on source queries, [d_sae] each.

    Keys change/<kind>/<source>/<layer>/<sae>/<pairing>, pairings as `features.changes` names
    them; `unrelated` is the aligned change with demonstrations of a far domain.
    """
    pool = draw_items(world, kind, source, N_POOL, POOL_SEED)
    drawn = draw_items(world, kind, source, config.n_shift_queries, QUERY_SEED)
    queries: list[Asked] = [(p, p.closed if kind == "format" else p.opened) for p in drawn]
    layers = sorted({layer for layer, _ in saes})
    bare = read_stream(subject, layers, queries)
    shown = demonstrations(pool, config.n_demos, queries)
    own = read_stream(subject, layers, queries, shown)
    away = [p for p, _ in draw_exam(world, "skill", FAR.get(source, "philosophy"), N_POOL, 9)]
    far = read_stream(subject, layers, queries, demonstrations(away, config.n_demos, queries))
    held = {}
    for (layer, name), sae in with_raw(saes).items():
        found = changes(bare, own, layer, sae)
        found["unrelated"] = changes(bare, far, layer, sae)["aligned"]
        prefix = f"change/{kind}/{source}/{layer}/{name}"
        held |= {f"{prefix}/{pairing}": _array(value) for pairing, value in found.items()}
    moved = own.acts[config.layer][own.own] - bare.acts[config.layer][bare.own]
    axes = torch.linalg.eigh(moved.T @ moved).eigenvectors.flip(1)[:, :N_AXES].T
    return {**held, f"axes/{kind}/{source}": _array(axes)}


def domain_profiles(
    subject: Subject,
    world: World,
    kind: Kind,
    saes: Mapping[Key, Any],
    config: Parameters,
    draw: int = 0,
) -> Arrays:
    """Return what the scores sum, [14, d_sae] each, and what else is known of each domain.

    Keys profile/<kind>/<layer>/<sae>/<act, ICL, squared>; length/<kind> (tokens of a query,
    [14]); moment/skill (second moment of the raw change with demonstrations, [14, d_model^2]).
    `draw` is that of the format world, see `exams.draw_exam`.
    """
    layers = sorted({layer for layer, _ in saes})
    parts: dict[str, list[np.ndarray]] = {}
    for domain in DOMAINS:
        queries = draw_exam(world, kind, domain, config.n_score_queries, QUERY_SEED, draw)
        pool = [p for p, _ in draw_exam(world, kind, domain, N_POOL, POOL_SEED)]
        shown = demonstrations(pool, config.n_domain_demos, queries)
        bare = read_stream(subject, layers, queries)
        full = read_stream(subject, layers, queries, shown)
        for (layer, name), sae in with_raw(saes).items():
            for quantity, value in profile(bare, full, layer, sae).items():
                parts.setdefault(f"profile/{kind}/{layer}/{name}/{quantity}", []).append(
                    _array(value)
                )
        if kind == "skill":
            moved = full.acts[config.layer][full.own] - bare.acts[config.layer][bare.own]
            moment = (moved.T @ moved / len(moved)).flatten()
            parts.setdefault(f"moment/{kind}", []).append(_array(moment))
        lengths = np.array(np.mean([at for _, at in queries]), dtype=np.float32)
        parts.setdefault(f"length/{kind}", []).append(lengths)
    return {key: np.stack(values) for key, values in parts.items()}


def drawn_profiles(
    subject: Subject, world: World, saes: Mapping[Key, Any], config: Parameters
) -> Arrays:
    """Return what STS_ICL sums in the format worlds drawn anew, [14, d_sae] each.

    Keys profile/drawn/<draw>/<layer>/<sae>/ICL.
    """
    held = {}
    for draw in DRAWS:
        found = domain_profiles(subject, world, "format", saes, config, draw)
        for layer, name in saes:
            own = f"{layer}/{name}/ICL"
            held[f"profile/drawn/{draw}/{own}"] = found[f"profile/format/{own}"]
    return held


def _array(value: Tensor) -> np.ndarray:
    return value.detach().numpy().astype(np.float32)


def text_similarity(world: World, kind: Kind, source: str, n: int) -> np.ndarray:
    """Return the cosine of bigram counts between a source's items and each domain's exam, [14]."""
    taught = [problem.words for problem in draw_items(world, kind, source, n, QUERY_SEED)]
    exams = {
        domain: [p.words for p, _ in draw_exam(world, kind, domain, n, QUERY_SEED)]
        for domain in DOMAINS
    }
    return bigram_cosines(taught, exams)


def bigram_cosines(
    taught: Sequence[Sequence[str]], exams: Mapping[str, Sequence[Sequence[str]]]
) -> np.ndarray:
    """Return the cosine of bigram counts between some texts and each domain's, [14].

    Args:
        taught: Texts as words.
        exams: Each domain's.
    """
    reference = _bigrams(taught)
    found = []
    for domain in DOMAINS:
        own = _bigrams(exams[domain])
        shared = sum(own[pair] * reference[pair] for pair in own.keys() & reference.keys())
        norms = [sum(v * v for v in c.values()) ** 0.5 for c in (own, reference)]
        found.append(shared / (norms[0] * norms[1]))
    return np.array(found, dtype=np.float32)


def _bigrams(texts: Sequence[Sequence[str]]) -> Counter:
    pairs: Counter = Counter()
    for words in texts:
        pairs.update(pairwise(words))
    return pairs


def gradient_conflicts(
    subject: Subject, world: World, kind: Kind, sources: Sequence[str]
) -> Arrays:
    """Return minus the cosine of each domain's loss gradient with a source's, [14] a source.

    A step that learns the source raises a domain's loss where the two gradients oppose. Keys
    gradient/<kind>/<source>.
    """
    own = []
    for domain in DOMAINS:
        problems = [p for p, _ in draw_exam(world, kind, domain, N_GRADIENT, POOL_SEED)]
        own.append(_gradient(subject, problems))
    matrix = torch.nn.functional.normalize(torch.stack(own), dim=1)
    held = {}
    for source in sources:
        taught = _gradient(subject, draw_items(world, kind, source, N_GRADIENT, QUERY_SEED))
        conflict = -(matrix @ torch.nn.functional.normalize(taught, dim=0))
        held[f"gradient/{kind}/{source}"] = _array(conflict)
    return held


def _gradient(subject: Subject, problems: Sequence[Problem]) -> Tensor:
    """Gradient of the mean loss of solved problems, flat."""
    ids, labels = padded_items([training_item(subject, p) for p in problems])
    parameters = list(subject.model.parameters())
    wanted = [p.requires_grad for p in parameters]
    try:
        subject.model.requires_grad_(True)
        loss = summed_loss(subject.model, ids, labels) / (labels >= 0).sum()
        parts = torch.autograd.grad(loss, parameters, allow_unused=True)
    finally:
        for parameter, before in zip(parameters, wanted, strict=True):
            parameter.requires_grad_(before)
    return torch.cat([p.flatten() for p in parts if p is not None])


def demonstration_gain(
    subject: Subject, world: World, n: int, n_demos: int, seed: int
) -> tuple[float, float]:
    """Return how much demonstrations lower the loss of a query, nats a token, and its error.

    Queries and demonstrations are of one domain, drawn in turn.
    """
    gains = []
    for i in range(n):
        domain = DOMAINS[i % len(DOMAINS)]
        pool = [p for p, _ in draw_exam(world, "skill", domain, n_demos + 1, seed + i)]
        random.Random(seed + i).shuffle(pool)
        query, shown = pool[0], pool[1:]
        gains.append(_query_loss(subject, query, []) - _query_loss(subject, query, shown))
    return float(np.mean(gains)), float(np.std(gains, ddof=1) / np.sqrt(n))


@torch.no_grad()
def _query_loss(subject: Subject, query: Problem, shown: Sequence[Problem]) -> float:
    words = [*query.title, *(w for demo in shown for w in demo.words), *query.words]
    ids = torch.tensor([subject.encode([" ".join(words)])[0]])
    logits = subject.model(input_ids=ids, use_cache=False).logits[0, :-1].float()
    losses = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")
    return float(losses[-len(query.words) :].mean())
