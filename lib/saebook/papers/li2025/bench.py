"""Models with and without a sink, the zoo's source over them, and the held-out dialogues."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from saebook.activations import stream_activations
from saebook.corpora import TokenBatch, token_batches
from saebook.papers.li2025.arms import CONTEXT, Cell, model_name, spec_of
from saebook.papers.li2025.parameters import Parameters
from saebook.papers.li2025.tokens import TokenTable, token_table, written_by_template
from saebook.sinks import ordinary_tokens, plant_sink, sink_ratio
from saebook.subjects import Subject, hook_name, load_subject
from saebook.testbed import World, load_world
from saebook.zoo import HouseSAE, HouseSource, SAESpec, get_saes
from saebook.zoo.source import ActivationSource

NORM_SEED, EVAL_SEED = 81_000, 82_000
"""Of the dialogues that give norms and factors, and of those that measure."""
N_NORM_TEXTS, N_RATIO_TEXTS = 64, 16


class Reader(Protocol):
    """What the measures need to know of models, dialogues and SAEs, of the house or published."""

    @property
    def source(self) -> ActivationSource:
        """Reads the models and the training text."""
        ...

    def spec(self, cell: Cell) -> SAESpec:
        """What names a cell's SAE."""
        ...

    def saes(self, cells: list[Cell]) -> dict[Cell, HouseSAE]:
        """The SAEs of some cells, trained where they exist nowhere."""
        ...

    def placed(self, sae: Any) -> Any:
        """An SAE on the device of the activations."""
        ...

    def instruct(self, family: str, with_sink: bool) -> Subject:
        """The instruct model that a cell names."""
        ...

    def batches(self, family: str) -> list[TokenBatch]:
        """The held-out dialogues, one a sequence."""
        ...

    def tokens(self, family: str) -> TokenTable:
        """What every held-out token is."""
        ...

    def parts(self, family: str, layer: int, with_sink: bool) -> Iterable[Tensor]:
        """The held-out tokens' activations [n, d_model], part by part, in the same order."""
        ...


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
    _held: dict[tuple[str, int, bool], Tensor] = field(default_factory=dict, repr=False)

    @cached_property
    def made_on(self) -> str:
        """Digest of the models without sinks: what recorded tables depend on."""
        plain = sorted(name for name in self.subjects if "+" not in name)
        return "/".join(self.source.subject_digest(name)[:8] for name in plain)

    def spec(self, cell: Cell) -> SAESpec:
        """What names a cell's SAE."""
        return spec_of(cell, self.config)

    def saes(self, cells: list[Cell]) -> dict[Cell, HouseSAE]:
        """The SAEs of some cells, trained where they exist nowhere."""
        specs = {cell: self.spec(cell) for cell in cells}
        found = get_saes(specs.values(), self.source, progress=self.config.tier == "full")
        return {cell: found[spec] for cell, spec in specs.items()}

    def placed(self, sae: Any) -> Any:
        """The SAE as it is: house models run on the CPU."""
        return sae

    def instruct(self, family: str, with_sink: bool) -> Subject:
        """A family's instruct model."""
        return self.subjects[
            model_name(family, "instruct", self.config.sink if with_sink else None)
        ]

    def dialogues(self, family: str) -> list[Any]:
        """Held-out dialogues of a family, annotated."""
        n, seed = self.config.n_dialogues, EVAL_SEED + self.config.seed
        return self.world.sample("chats", n, seed, family=family)

    def batches(self, family: str) -> list[TokenBatch]:
        """The held-out dialogues, one a sequence."""
        subject = self.instruct(family, with_sink=False)
        return token_batches(subject, self.dialogues(family), CONTEXT, "single")

    def tokens(self, family: str) -> TokenTable:
        """What every held-out token is, in the order of `acts`."""
        subject, texts = self.instruct(family, with_sink=False), self.dialogues(family)
        return token_table(subject, texts, written_by_template(texts), self.batches(family))

    def parts(self, family: str, layer: int, with_sink: bool) -> list[Tensor]:
        """The held-out tokens' activations in one part, float32 [n_tokens, d_model]."""
        return [self.acts(family, layer, with_sink)]

    def acts(self, family: str, layer: int, with_sink: bool) -> Tensor:
        """The held-out tokens' activations, float32 [n_tokens, d_model]; read once."""
        place = (family, layer, with_sink)
        if place not in self._held:
            parts = stream_activations(
                self.instruct(family, with_sink), self.batches(family), [layer]
            )
            self._held[place] = torch.cat([part[hook_name(layer)] for part in parts])
        return self._held[place]


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
