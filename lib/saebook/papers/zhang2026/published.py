"""The paper's own experiment: published models fine-tuned on LIMO and examined on MMLU-Pro.

What is measured has the names of the testbed's cells and vectors, so that the same functions
make rows of it; the published exams stand where the skill world's stand.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch

from saebook.cache import Cache
from saebook.finetune import Item, Schedule, Shuffle, fine_tune
from saebook.hub import mmlu_pro, subject_entry
from saebook.hub.entries import published_sae
from saebook.hub.errors import HubError
from saebook.hub.fitting import Place, chosen_batch, free_bytes, in_batches
from saebook.hub.models import load_published
from saebook.hub.named import Named, named_entries
from saebook.hub.saes import check_against, load_sae
from saebook.hub.schema import Dtype
from saebook.hub.sizes import GIB
from saebook.papers.zhang2026.cells import Cell
from saebook.papers.zhang2026.evidence import Evidence
from saebook.papers.zhang2026.features import (
    Key,
    Query,
    Stream,
    changes,
    joined,
    profile,
    read_queries,
    true_shift,
)
from saebook.papers.zhang2026.parameters import Parameters
from saebook.papers.zhang2026.published_texts import (
    Solved,
    enough_pairs,
    solved_example,
    source_pairs,
    source_problems,
    training_items,
)
from saebook.papers.zhang2026.records import Arrays, tables
from saebook.papers.zhang2026.store import kept_arrays
from saebook.papers.zhang2026.vectors import bigram_cosines, with_raw
from saebook.subjects import Subject
from saebook.testbed.lexicon import DOMAINS

SOURCE = "math"
"""The domain that LIMO belongs to."""
N_TEXTS = 64
"""Texts of the source and of each domain whose word pairs are compared."""
BATCH = 8
COPIES = 4
"""What training holds beside the model: its copy, the gradient and AdamW's two moments."""


@dataclass(frozen=True)
class Texts:
    """What is learnt and asked."""

    problems: list[Solved]
    test: dict[str, list[mmlu_pro.Item]]
    examples: dict[str, list[mmlu_pro.Item]]
    """Five worked ones a domain."""


@dataclass(frozen=True)
class PublishedModel:
    """A published model with its SAEs, and all that is measured on it."""

    subject: Subject
    saes: dict[Key, Any]
    """By layer and name in the catalogue; the first is the main one."""
    texts: Texts
    config: Parameters
    commits: str
    """Names and commits of everything, which names what is kept."""

    @cached_property
    def cache(self) -> Cache:
        """Where finished parts are kept, so that a stopped run can go on."""
        return Cache("zhang2026-published")

    def kept(self, what: str, make: Callable[[], Arrays]) -> Arrays:
        """Return one part, measured where it is not kept."""
        sizes = {k: v for k, v in self.config.model_dump().items() if k.startswith(("hub_", "n_"))}
        told = json.dumps([what, self.subject.name, self.subject.scale, self.commits, sizes])
        return kept_arrays(self.cache, hashlib.sha256(told.encode()).hexdigest()[:32], make)

    def cell(self, seed: int | None = None) -> tuple[Cell, Arrays]:
        """Return the exams before any fine-tuning, or exams and shifts after one."""
        variant = "before" if seed is None else "sft"
        cell = Cell("skill", self.subject.name, SOURCE, seed or 0, variant)
        return cell, self.kept(cell.key, lambda: self._run(seed))

    def _run(self, seed: int | None) -> Arrays:
        if seed is None:
            return self._exams(self.subject.model)
        check_memory(self.subject)
        config = self.config
        schedule = Schedule(config.hub_epochs, config.hub_batch, config.hub_lr)
        made = fine_tune(
            self.subject.model,
            self.items,
            schedule,
            Shuffle(seed),
            seed=seed,
            checkpointing=config.hub_checkpointing,
        )
        losses = {"losses": np.array(made.losses, dtype=np.float32)}
        return losses | self._exams(made.model) | self._shifts(made.model)

    @cached_property
    def items(self) -> list[Item]:
        """What is learnt."""
        return training_items(self.subject, self.texts.problems, self.config.hub_context)

    def _exams(self, model: Any) -> Arrays:
        """Bits of every domain's exam by bits/<domain>, and drawn/answers: share without one."""
        taker = replace(self.subject, model=model)
        held: Arrays = {}
        drawn: list[float] = []
        for domain in DOMAINS:
            marked = mmlu_pro.take_exam(
                taker,
                self.texts.test[domain],
                self.texts.examples[domain],
                self.config.hub_new_tokens,
                self.config.seed,
                self.config.hub_context,
            )
            held[f"bits/{domain}"] = marked.bits
            drawn.append(marked.drawn)
        return {**held, "drawn": np.array(drawn, dtype=np.float32)}

    def _shifts(self, model: Any) -> Arrays:
        """Mean squared change of every latent on what was learnt, as `cells.shifts` names it."""
        after = replace(self.subject, model=model)
        queries, found = [], 0
        for item in self.items:
            queries.append(Query(item.ids, (False,) * len(item.ids)))
            found += len(item.ids)
            if found >= self.config.hub_shift_tokens:
                break
        first, second = (self._read(queries, who) for who in (self.subject, after))
        return {
            f"shift/{layer}/{name}": true_shift(first, second, layer, sae).numpy()
            for (layer, name), sae in with_raw(self.saes).items()
        }

    def _read(self, queries: Sequence[Query], subject: Subject, whole: int = 0) -> Stream:
        """Read queries in batches that fit; beyond `whole` rows only the queries' own are kept."""
        layers = sorted({layer for layer, _ in self.saes})
        place = Place(str(subject.device), cast(Dtype, str(subject.model.dtype).split(".")[-1]))
        longest = max(len(query.ids) for query in queries)
        batch = chosen_batch(subject_entry(subject.name), place, longest, BATCH)
        parts, seen = [], 0
        for part in in_batches(
            lambda some: read_queries(subject, layers, some, len(some)), queries, batch
        ):
            rows = len(part.own)
            early = torch.arange(seen, seen + rows) < whole
            parts.append(part.kept(part.own | early))
            seen += rows
        return joined(parts)

    def vectors(self) -> Arrays:
        """Return what is read off the model before fine-tuning, named as on the testbed."""
        domains = [self.kept(f"domain {d}", lambda d=d: self._domain(d)) for d in DOMAINS]
        stacked = {name: np.stack([own[name] for own in domains]) for name in domains[0]}
        return self.kept("source", self._source) | stacked

    def _source(self) -> Arrays:
        config, texts = self.config, self.texts
        pairs = source_pairs(
            self.subject,
            texts.problems,
            config.n_demos,
            config.hub_shift_tokens,
            config.hub_context,
        )
        whole = sum(len(alone.ids) for alone, _ in pairs)
        bare, shown = (self._read([p[i] for p in pairs], self.subject, whole) for i in (0, 1))
        words = {d: [i.question.split() for i in texts.test[d][:N_TEXTS]] for d in DOMAINS}
        taught = [problem.question.split() for problem in texts.problems[:N_TEXTS]]
        held = {f"similarity/skill/{SOURCE}": bigram_cosines(taught, words)}
        for (layer, name), sae in with_raw(self.saes).items():
            for pairing, value in changes(bare, shown, layer, sae).items():
                held[f"change/skill/{SOURCE}/{layer}/{name}/{pairing}"] = value.numpy()
        return held

    def _domain(self, domain: str) -> Arrays:
        shown = [solved_example(item) for item in self.texts.examples[domain]]
        if len(shown) < self.config.n_domain_demos:
            raise HubError(f"{len(shown)} worked examples of {domain}; STS_ICL asks for more")
        pairs = enough_pairs(
            self.subject,
            [item.asked for item in self.texts.test[domain]],
            lambda i: shown[: self.config.n_domain_demos],
            self.config.hub_score_tokens,
            self.config.hub_context,
        )
        bare, full = (self._read([p[i] for p in pairs], self.subject) for i in (0, 1))
        lengths = np.array([len(alone.template) for alone, _ in pairs], dtype=np.float32)
        held: Arrays = {"length/skill": np.array(lengths.mean())}
        for (layer, name), sae in with_raw(self.saes).items():
            for quantity, value in profile(bare, full, layer, sae).items():
                held[f"profile/skill/{layer}/{name}/{quantity}"] = value.numpy()
        return held

    def evidence(self) -> Evidence:
        """Measure everything and return it as the rows' functions read it."""
        cells = [self.cell(), *(self.cell(seed) for seed in range(self.config.hub_seeds))]
        name = self.subject.name
        held = tables(cells, [(name, self.vectors())], dtype=np.float32)
        return Evidence(held, self.config, name, next(iter(self.saes)), self.config.hub_latents)


def check_memory(subject: Subject) -> None:
    """Refuse a full fine-tuning that cannot fit, before it begins.

    Raises:
        HubError: Copy, gradient and moments are larger than the memory that is free.
    """
    weights = sum(p.numel() * p.element_size() for p in subject.model.parameters())
    free = free_bytes(str(subject.device))
    if COPIES * weights > free:
        raise HubError(
            f"fine-tuning all weights of {subject.name} takes {COPIES * weights / GIB:.0f} GiB "
            f"beside the model, and {free / GIB:.0f} GiB are free on {subject.device}; the paper "
            "used four GPUs. A larger device, or hub_dtype bfloat16 as a departure, would do"
        )


def measured(config: Parameters) -> Iterator[tuple[Evidence, str]]:
    """Measure every model that is named, one after the other, with its scale.

    Raises:
        HubError: Something cannot be had, does not fit, or a model comes without an SAE.
    """
    named = named_entries(config.hub_names)
    texts = read_texts(config, dict(named.data))
    for name, commit in named.subjects:
        own = [sae for sae in named.saes if published_sae(sae[0]).subject == name]
        if not own:
            raise HubError(f"{name} is named in hub_names without an SAE that reads it")
        yield from _measured_one((name, commit), own, texts, config)


def _measured_one(
    model: Named, saes: Sequence[Named], texts: Texts, config: Parameters
) -> Iterator[tuple[Evidence, str]]:
    subject = load_published(*model, dtype=config.hub_dtype, chat=True)
    loaded = [load_sae(*sae, device=str(subject.device)) for sae in saes]
    for one in loaded:
        check_against(one, subject)
    held = {(one.entry.layer, one.entry.name): one.sae for one in loaded}
    commits = " ".join([str(model), *(f"{one.entry.name}@{one.commit}" for one in loaded)])
    made = PublishedModel(subject, held, texts, config, f"{commits} {config.hub_names}")
    yield made.evidence(), subject.scale


def read_texts(config: Parameters, commits: Mapping[str, str | None]) -> Texts:
    """Read what is learnt and asked.

    Raises:
        HubError: A data set is not named or cannot be had, or a domain has no test items.
    """
    missing = [name for name in ("limo", "mmlu-pro") if name not in commits]
    if missing:
        raise HubError(f"hub_names lacks {', '.join(missing)}; both data sets are needed")
    test = mmlu_pro.load("test", commits["mmlu-pro"], config.hub_exam_items)
    empty = [domain for domain in DOMAINS if not test.get(domain)]
    if empty:
        raise HubError(f"MMLU-Pro has no test items of {', '.join(empty)}")
    validation = mmlu_pro.load("validation", commits["mmlu-pro"])
    examples = {domain: mmlu_pro.examples_of(domain, validation) for domain in DOMAINS}
    return Texts(source_problems(config.hub_items, commits["limo"]), test, examples)
