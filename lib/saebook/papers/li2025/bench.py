"""Models with and without a sink, the zoo's source over them, and the held-out dialogues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from saebook.activations import stream_activations
from saebook.corpora import TokenBatch, token_batches
from saebook.papers.li2025.arms import CONTEXT, Cell, model_name, spec_of
from saebook.papers.li2025.parameters import Parameters
from saebook.papers.li2025.tokens import TokenTable, token_table
from saebook.sinks import ordinary_tokens, plant_sink, sink_ratio
from saebook.subjects import Subject, hook_name, load_subject
from saebook.testbed import World, load_world
from saebook.zoo import HouseSAE, HouseSource, get_saes

NORM_SEED, EVAL_SEED = 81_000, 82_000
"""Of the dialogues that give norms and factors, and of those that measure."""
N_NORM_TEXTS, N_RATIO_TEXTS = 64, 16


@dataclass(frozen=True, eq=False)
class Bench:
    """Everything the chapter measures on."""

    config: Parameters
    world: World
    source: HouseSource
    subjects: Mapping[str, Subject]
    """House models by name, with sinks and without."""
    ratios: Mapping[str, float]
    """Norm at position 0 over the median norm elsewhere, by instruct model, default layer."""

    @cached_property
    def made_on(self) -> str:
        """Digest of the models without sinks: what recorded tables depend on."""
        plain = sorted(name for name in self.subjects if "+" not in name)
        return "/".join(self.source.subject_digest(name)[:8] for name in plain)

    def saes(self, cells: list[Cell]) -> dict[Cell, HouseSAE]:
        """The SAEs of some cells, trained where they exist nowhere."""
        specs = {cell: spec_of(cell, self.config) for cell in cells}
        found = get_saes(specs.values(), self.source, progress=self.config.tier == "full")
        return {cell: found[spec] for cell, spec in specs.items()}

    def instruct(self, family: str, planted: bool) -> Subject:
        """A family's instruct model."""
        return self.subjects[model_name(family, "instruct", self.config.sink if planted else None)]

    def dialogues(self, family: str) -> list[Any]:
        """Held-out dialogues of a family, annotated."""
        n, seed = self.config.n_dialogues, EVAL_SEED + self.config.seed
        return self.world.sample("chats", n, seed, family=family)

    def batches(self, family: str) -> list[TokenBatch]:
        """The held-out dialogues, one a sequence."""
        subject = self.instruct(family, planted=False)
        return token_batches(subject, self.dialogues(family), CONTEXT, "single")

    def tokens(self, family: str) -> TokenTable:
        """What every held-out token is, in the order of `acts`."""
        subject = self.instruct(family, planted=False)
        return token_table(subject, self.dialogues(family), self.batches(family))

    def acts(self, family: str, layers: list[int], planted: bool) -> dict[int, Tensor]:
        """The held-out tokens' activations by layer, float32 [n_tokens, d_model]."""
        subject = self.instruct(family, planted)
        parts = list(stream_activations(subject, self.batches(family), layers))
        return {layer: torch.cat([p[hook_name(layer)] for p in parts]) for layer in layers}


def build_bench(config: Parameters) -> Bench:
    """Load the models, plant the sinks and fix one factor for each model and hook point.

    The factor comes from ordinary tokens of dialogues read one a sequence, so that a sparsity
    coefficient means the same in every arm, as it does on the paper's raw activations.
    """
    world, subjects, scales, ratios = load_world(), {}, {}, {}
    for family in config.families.split(","):
        texts = world.sample("chats", N_NORM_TEXTS, NORM_SEED, family=family)
        for kind in ("instruct", "base") if family == config.family else ("instruct",):
            plain = load_subject(model_name(family, kind, None))
            ordinary = ordinary_tokens(plain, texts)
            planted = plant_sink(plain, ordinary.norms, config.sink, config.seed)
            for subject in (plain, planted):
                subjects[subject.name], scales[subject.name] = subject, ordinary.scales
                if kind == "instruct":
                    few = texts[:N_RATIO_TEXTS]
                    ratios[subject.name] = sink_ratio(subject, few, config.layer)
    return Bench(config, world, HouseSource(subjects, scales=scales), subjects, ratios)
