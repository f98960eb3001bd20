"""The suite of SAEs, the models they are tried on, and the text kept for measuring."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from saebook.activations import stream_activations
from saebook.corpora import TokenBatch, token_batches
from saebook.papers.he2024.parameters import Parameters
from saebook.sinks import ordinary_tokens, plant_sink, sink_ratio
from saebook.subjects import Subject, hook_name, load_subject
from saebook.testbed import World, load_world
from saebook.zoo import HouseSAE, HouseSource, SAESpec, get_saes
from saebook.zoo.convert import to_jumprelu, topk_threshold

RECIPE, RELU_RECIPE = "2-llama-scope", "2"
N_LAYERS = 6
DIALOGUE_SEED, DOCUMENT_SEED, CALIBRATION_SEED, NORM_SEED = 91_000, 92_000, 93_000, 94_000
N_CALIBRATION = 24
MODELS, TEXTS = ("base", "instruct"), ("documents", "dialogues")


@dataclass(frozen=True, eq=False)
class Scope:
    """Everything the chapter measures on."""

    config: Parameters
    world: World
    source: HouseSource
    subjects: Mapping[str, Subject]
    """By kind: base, instruct, other base; and the first two with a planted sink."""

    @cached_property
    def made_on(self) -> str:
        """Digest of the models without sinks: what recorded tables depend on."""
        plain = ("base", "instruct", "other base")
        return "/".join(self.source.subject_digest(self.subjects[k].name)[:8] for k in plain)

    @cached_property
    def sink_ratios(self) -> dict[str, float]:
        """Norm at position 0 in ordinary norms: the instruct model as trained, and planted."""
        texts, kinds = self.texts("dialogues")[:16], ("instruct", "instruct sink")
        found = [sink_ratio(self.subjects[kind], texts, self.config.layer) for kind in kinds]
        return dict(zip(("as trained", "planted"), found, strict=True))

    def texts(self, kind: str, seed: int = 0, n: int | None = None) -> list[Any]:
        """Held-out annotated texts: dialogues, or encyclopaedia documents and problems.

        Args:
            kind: dialogues or documents.
            seed: Another gives another sample.
            n: Dialogues, or documents of each of the two registers; by default as configured.
        """
        config = self.config
        if kind == "dialogues":
            at = DIALOGUE_SEED + config.seed + seed
            return self.world.sample("chats", n or config.n_dialogues, at, family=config.family)
        at = DOCUMENT_SEED + config.seed + seed
        return self._documents(n or config.n_documents, at)

    def _documents(self, n: int, seed: int) -> list[Any]:
        drawn = [self.world.sample(r, n, seed) for r in ("encyclopaedia", "problems")]
        return [text for pair in zip(*drawn, strict=True) for text in pair]

    def batches(self, model: str, kind: str, seed: int = 0) -> list[TokenBatch]:
        """Held-out texts as the models were trained: dialogues one a sequence, documents packed."""
        packing = "single" if kind == "dialogues" else "packed"
        context = self.config.long_context if kind == "dialogues" else self.config.context
        return token_batches(self.subjects[model], self.texts(kind, seed), context, packing)

    def saes(self, specs: Iterable[SAESpec]) -> dict[SAESpec, HouseSAE]:
        """SAEs by spec, trained where they exist nowhere."""
        return get_saes(specs, self.source, progress=self.config.tier == "full")

    def spec(self, layer: int, model: str = "base", **changes: Any) -> SAESpec:
        """A TopK SAE as the paper trains them, special tokens left out; `changes` are fields."""
        config = self.config
        fields: dict[str, Any] = {
            "subject": self.subjects[model].name,
            "hook_name": hook_name(layer),
            "architecture": "topk",
            "sparsity": float(config.k),
            "d_sae": config.d_sae,
            "context": config.context,
            "n_tokens": config.n_tokens,
            "epochs": config.epochs,
            "tokens": "no-special",
            "recipe": RECIPE,
        }
        return SAESpec(**{**fields, **changes})

    @cached_property
    def calibration(self) -> dict[int, Tensor]:
        """By block, base activations on documents from which thresholds are set, [n, d_model]."""
        texts = self._documents(N_CALIBRATION, CALIBRATION_SEED)
        batches = token_batches(self.subjects["base"], texts, self.config.context)
        return activations(self.subjects["base"], batches, range(N_LAYERS))

    @cached_property
    def ranked(self) -> dict[int, Any]:
        """By block, the base SAE as it was trained, in TopK form."""
        specs = {layer: self.spec(layer) for layer in range(N_LAYERS)}
        found = self.saes(specs.values())
        return {layer: found[spec].sae for layer, spec in specs.items()}

    @cached_property
    def thresholds(self) -> dict[int, float]:
        """By block, the threshold at which k latents a token are active on base documents."""
        return {i: topk_threshold(sae, self.calibration[i]) for i, sae in self.ranked.items()}

    @cached_property
    def suite(self) -> dict[int, Any]:
        """By block, the base SAE in the JumpReLU form in which the paper measures it."""
        return {i: to_jumprelu(sae, self.calibration[i]) for i, sae in self.ranked.items()}

    def converted(self, entry: HouseSAE, layer: int) -> Any:
        """A TopK SAE of the base model as a JumpReLU SAE."""
        return to_jumprelu(entry.sae, self.calibration[layer])


def activations(
    subject: Subject, batches: list[TokenBatch], layers: Iterable[int], drop_special: bool = True
) -> dict[int, Tensor]:
    """Several blocks' activations from one pass, at the tokens that count, [n, d_model] each."""
    chosen = list(layers)
    parts = list(stream_activations(subject, batches, chosen, drop_special, drop_special))
    return {layer: torch.cat([part[hook_name(layer)] for part in parts]) for layer in chosen}


def build_scope(config: Parameters) -> Scope:
    """Load the two models of the family, the other family's base, and plant the sinks."""
    world = load_world()
    subjects = {
        "base": load_subject(f"{config.family}-base"),
        "instruct": load_subject(f"{config.family}-instruct"),
        "other base": load_subject(f"{config.other_family}-base"),
    }
    texts = world.sample("chats", N_CALIBRATION, NORM_SEED, family=config.family)
    scales = {}
    for kind in MODELS:
        ordinary = ordinary_tokens(subjects[kind], texts)
        planted = plant_sink(subjects[kind], ordinary.norms, config.sink, config.seed)
        subjects[f"{kind} sink"] = planted
        scales[planted.name] = ordinary.scales
    named = {subject.name: subject for subject in subjects.values()}
    return Scope(config, world, HouseSource(named, scales=scales), subjects)
