"""The grid on the published models: SAEs trained, cell by cell measured, kept and joined."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, cast

import pandas as pd
import torch

from saebook.cache import Cache
from saebook.features.scores import confidence_bounds
from saebook.hub.errors import HubError
from saebook.hub.models import load_published
from saebook.hub.named import Named, named_entries
from saebook.papers.wang2025.cells import Tables, steered_tables
from saebook.papers.wang2025.grid import SIZES_THAT_MATTER, kept
from saebook.papers.wang2025.latents import choose_latents, explain, interpretability_frame
from saebook.papers.wang2025.parameters import Parameters, rising
from saebook.papers.wang2025.published.setting import PublishedSetting, read_published
from saebook.subjects import Subject, hook_name
from saebook.zoo import HouseSAE, SAESpec, get_saes
from saebook.zoo.hub_source import HubSource, published_text
from saebook.zoo.spec import Architecture
from saebook.zoo.store import key_of

PROTOCOL = 1
"""Raised whenever a measurement changes."""
RECIPE = "wang2025"
CANDIDATES = 10
"""Latents whose codes are kept for each one scored, for some have too few windows: a thousand for
the paper's hundred, as in SAEBench."""
PRINTED = {
    "gemma-2-2b": "Gemma-2-2B",
    "qwen2.5-3b": "Qwen-2.5-3B",
    "gemma-2-9b": "Gemma-2-9B",
}
"""The paper's names of its models."""
TABLES = ("latents", "texts", "deltas", "figures")


@dataclass(frozen=True)
class Plan:
    """What is measured on which published things."""

    models: tuple[Named, ...]
    layers: tuple[int, ...]
    train: Named
    """Text that SAEs are trained on."""
    text: Named
    """Text that they are scored on."""
    asked: Named
    """Instructions."""

    def specs(self, name: str, config: Parameters) -> list[SAESpec]:
        """The SAEs of one model in a fixed order."""
        layer = self.layers[[model for model, _ in self.models].index(name)]
        return [
            SAESpec(
                subject=name,
                hook_name=hook_name(layer),
                corpus=self.train[0],
                context=config.hub_context,
                architecture=cast(Architecture, architecture),
                sparsity=sparsity,
                d_sae=config.hub_d_sae,
                n_tokens=config.hub_train_tokens,
                epochs=1,
                recipe=RECIPE,
            )
            for architecture in config.hub_architectures.split()
            for sparsity in rising("hub_sparsities", config.hub_sparsities)
        ]


def plan_of(config: Parameters) -> Plan:
    """Sort what the parameters name.

    Raises:
        HubError: Something unknown; not three data sets; or not one layer a model.
    """
    named = named_entries(config.hub_names)
    layers = tuple(int(layer) for layer in config.hub_layers.split())
    if named.saes or not named.subjects or len(named.data) != 3:
        raise HubError(
            f"hub_names {config.hub_names!r} has to name models and three data sets: the text to "
            "train on, the text to score on and the instructions; SAEs are trained here"
        )
    if len(layers) != len(named.subjects):
        raise HubError(f"hub_layers {config.hub_layers!r} for {len(named.subjects)} models")
    return Plan(named.subjects, layers, *named.data)


def measure_published(config: Parameters) -> tuple[Tables, str]:
    """Train and measure every SAE on every model named, one model in memory at a time.

    Cells are kept in the user's cache, so that a run that is killed goes on where it stopped.

    Returns:
        Tables saes, latents, texts, deltas (as of the house grid) and prefixes; and the scale of
        the models, paper or rehearsal.

    Raises:
        HubError: Something cannot be had, or the plan is at fault.
    """
    plan, parts, scales = plan_of(config), [], set()
    for name, commit in plan.models:
        subject = load_published(name, commit)
        scales.add(subject.scale)
        parts.append(_measure_model(plan, name, subject, config))
        del subject
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    (scale,) = scales
    return _joined(parts), scale


def _measure_model(plan: Plan, name: str, subject: Subject, config: Parameters) -> Tables:
    """Tables of one model, SAEs numbered from 0."""
    specs, sizes = plan.specs(name, config), config.published
    corpus = published_text(plan.train[0], "train", plan.train[1])
    source = HubSource({name: subject}, {plan.train[0]: corpus})
    entries = get_saes(specs, source, device=str(subject.device), progress=False)
    setting = read_published(subject, specs[0].layer, plan.text, plan.asked, sizes)
    cache, parts = Cache("wang2025"), {table: [] for table in TABLES}
    for i, spec in enumerate(specs):
        key = _cell_key(spec, source, plan, sizes)
        tables = kept(
            cache, key, sizes, lambda e=entries[spec]: measure_published_cell(setting, e, sizes)
        )
        named = {"model": PRINTED.get(name, name), "seed": spec.seed, "key": key,
                 "architecture": spec.architecture, "sparsity": float(spec.sparsity)}  # fmt: skip
        for table in TABLES:
            own = named if table == "figures" else {}
            parts[table].append(tables[table].assign(sae=i, **own))
    low, high = confidence_bounds(setting.prefixes["own"].logprobs)
    prefixes = {"model": PRINTED.get(name, name), "prefix": sizes.prefix, "low": low, "high": high}
    joined = {table: pd.concat(found, ignore_index=True) for table, found in parts.items()}
    return {**joined, "prefixes": pd.DataFrame([prefixes])}


def measure_published_cell(
    setting: PublishedSetting, entry: HouseSAE, config: Parameters
) -> Tables:
    """Measure one SAE: interpretability, selection scores, steering and figures.

    Raises:
        ValueError: Fewer latents with enough windows than asked for.
    """
    sae, corpus, n = entry.sae, setting.corpus, config.n_latents
    read = corpus.sampled_codes(sae, CANDIDATES * n, config.seed, setting.subject.device)
    chosen = choose_latents(read, corpus.kept, n, config.seed)
    explained = explain(corpus, read, chosen, config.seed)
    found = interpretability_frame(corpus, explained)
    tables = steered_tables(setting, sae, explained, found, config, setting.grader(sae))
    return {**tables, "figures": pd.DataFrame([setting.figures(sae)])}


def _cell_key(spec: SAESpec, source: HubSource, plan: Plan, sizes: Parameters) -> str:
    held: dict[str, Any] = {name: getattr(sizes, name) for name in SIZES_THAT_MATTER}
    body = [key_of(spec, source), held, plan.text, plan.asked, PROTOCOL]
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:32]


def _joined(parts: list[Tables]) -> Tables:
    """Tables of all models, SAEs numbered through."""
    start, shifted = 0, []
    for part in parts:
        shifted.append(
            {
                name: table.assign(sae=table["sae"] + start) if "sae" in table else table
                for name, table in part.items()
            }
        )
        start += len(part["figures"])
    joined = {n: pd.concat([p[n] for p in shifted], ignore_index=True) for n in parts[0]}
    return {"saes": joined.pop("figures").set_index("sae"), **joined}
