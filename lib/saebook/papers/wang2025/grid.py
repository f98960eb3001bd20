"""The whole grid, cell by cell, and its tables of record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from saebook.cache import Cache
from saebook.features.scores import confidence_bounds
from saebook.interpretability import LatentCodes, scoreable_latents
from saebook.papers.wang2025.cells import Tables, compact, measure_cell, measure_floors
from saebook.papers.wang2025.latents import SIZES, explain
from saebook.papers.wang2025.methods import (
    compare_steering,
    detection_by_concept,
    named_latents,
    shared_concepts,
)
from saebook.papers.wang2025.parameters import Parameters
from saebook.papers.wang2025.setting import Setting, read_setting
from saebook.papers.wang2025.store import (
    read_tables,
    records_folder,
    save_records,
    write_tables,
)
from saebook.subjects import load_subject
from saebook.testbed import load_world
from saebook.zoo import HouseSAE, HouseSource, SAESpec, get_saes, house_grid
from saebook.zoo.store import key_of

PROTOCOL, FLOORS = 3, 1
"""Versions of what a cell measures and of its floors, raised whenever a measurement changes, so
that no old cell is taken for a new one."""
REFERENCE = ("topk", 7)
"""Architecture and sparsity of the SAE on which methods of steering are compared."""
DETECTED = 7
"""Sparsity of the five SAEs on which detection by concept is compared."""
SIZES_THAT_MATTER = (
    "layer", "n_corpus_tokens", "n_latents", "n_prompts", "factors", "n_new_tokens",
    "n_unsteered", "n_control_latents", "n_concepts", "prefix", "alpha", "k", "seed",
)  # fmt: skip
"""Parameters that decide what a cell holds."""
CELL_TABLES = ("latents", "texts", "deltas", "floors", "figures")
MODEL_TABLES = ("methods", "detection", "prefixes")
KEPT_TIERS = ("full", "colab", "paper")
"""Tiers whose cells are kept in the user's cache."""
Progress = Callable[[str], None]


def grid_specs(config: Parameters) -> list[SAESpec]:
    """All SAEs of the run: thirty a model and seed, in a fixed order."""
    return [
        spec
        for model in config.models
        for seed in config.seeds
        for spec in house_grid(model, config.layer, seed)
    ]


def reference_row(config: Parameters) -> int:
    """Row of the grid of the first model's and seed's `REFERENCE` SAE."""
    specs = grid_specs(config)
    return next(i for i, s in enumerate(specs) if (s.architecture, s.sparsity) == REFERENCE)


def cell_key(spec: SAESpec, config: Parameters, source: HouseSource) -> str:
    """Name of a cell: the SAE's own key, the sizes and the protocol's version."""
    sizes = {name: getattr(config, name) for name in SIZES_THAT_MATTER}
    body = json.dumps([key_of(spec, source), sizes, PROTOCOL], sort_keys=True)
    return hashlib.sha256(body.encode()).hexdigest()[:32]


def sae_table(figures: pd.DataFrame, config: Parameters) -> pd.DataFrame:
    """One row an SAE that was measured: index sae; its spec, the cell's key and its figures."""
    specs, source, rows = grid_specs(config), HouseSource(), {}
    for i in figures["sae"].tolist():
        rows[i] = {
            "model": specs[i].subject,
            "seed": specs[i].seed,
            "architecture": specs[i].architecture,
            "sparsity": float(specs[i].sparsity),
            "key": cell_key(specs[i], config, source),
        }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("sae")
    return table.join(figures.set_index("sae"))


def measure_grid(
    config: Parameters, only: list[int] | None = None, say: Progress | None = None
) -> Tables:
    """Measure every SAE of the grid (or the given rows of it) and each model once.

    At the tiers of `KEPT_TIERS` every cell is kept in the user's cache as soon as it is measured,
    so that a run that is killed goes on where it stopped.

    Returns:
        Tables saes, latents, texts, deltas, floors (column sae says which row of saes), and
        methods, detection, prefixes (column model).
    """
    specs = grid_specs(config)
    wanted = range(len(specs)) if only is None else only
    entries = get_saes([specs[i] for i in wanted], progress=config.tier == "full")
    source, cache = HouseSource(), Cache("wang2025")
    parts: dict[str, list[pd.DataFrame]] = {n: [] for n in (*CELL_TABLES, *MODEL_TABLES)}
    for model in config.models:
        setting = _LazySetting(model, config)
        for i in (i for i in wanted if specs[i].subject == model):
            key, entry = cell_key(specs[i], config, source), entries[specs[i]]
            steered = kept(
                cache, key, config, lambda e=entry, s=setting: measure_cell(s(), e, config)
            )
            floors = kept(
                cache,
                f"floors-{FLOORS}-{key[:20]}",
                config,
                lambda e=entry, s=setting: measure_floors(s(), e, config),
            )
            tables = steered | floors
            for name in CELL_TABLES:
                parts[name].append(
                    tables[name].assign(sae=pd.Series(i, tables[name].index, "int16"))
                )
            if say is not None:
                say(f"{model} {specs[i].label}: measured")
        if only is None:
            own = {s: e for s, e in entries.items() if s.subject == model}
            key = cell_key(next(iter(own)), config, source)
            tables = kept(
                cache,
                f"model-{key[:24]}",
                config,
                lambda s=setting, own=own: measure_model(s(), own, config),
            )
            for name in MODEL_TABLES:
                parts[name].append(tables[name].assign(model=model))
    joined = {n: pd.concat(p, ignore_index=True) for n, p in parts.items() if p}
    return {"saes": sae_table(joined.pop("figures"), config), **joined}


class _LazySetting:
    """A model's setting, read when a cell first needs it: cells that are kept need none."""

    def __init__(self, model: str, config: Parameters) -> None:
        self.model, self.config = model, config
        self.made: Setting | None = None

    def __call__(self) -> Setting:
        if self.made is None:
            self.made = read_setting(load_subject(self.model), load_world(), self.config)
        return self.made


def kept(cache: Cache, key: str, config: Parameters, make: Callable[[], Tables]) -> Tables:
    """Tables of a cell, from the cache at the tiers that take hours, else measured now."""
    if config.tier not in KEPT_TIERS:
        return make()
    folder, _ = cache.get_or_make(key, lambda target: write_tables(make(), target))
    return dict(read_tables(folder))


def measure_model(setting: Setting, entries: dict[SAESpec, HouseSAE], config: Parameters) -> Tables:
    """What is measured once a model: methods of steering, detection by concept, the prefix."""
    concepts = shared_concepts(setting, config.n_concepts, config.seed)
    first = min(spec.seed for spec in entries)
    parts, methods = [], pd.DataFrame()
    for spec, entry in entries.items():
        if spec.seed != first or spec.sparsity != DETECTED:
            continue
        codes = setting.corpus.codes(entry.sae)
        usable = scoreable_latents(codes, setting.corpus.kept, SIZES, config.seed)
        read = LatentCodes.whole(codes)
        explained = explain(setting.corpus, read, usable.tolist(), config.seed)
        named = named_latents(setting, explained.lexicon, usable, concepts)
        table = detection_by_concept(setting, codes, named, concepts, config.seed)
        parts.append(table.rename_axis("concept").reset_index().assign(sae=spec.label))
        if (spec.architecture, spec.sparsity) == REFERENCE:
            methods = compare_steering(setting, entry.sae, codes, concepts, config)
    bounds = confidence_bounds(setting.prefixes["own"].logprobs)
    return {
        "methods": compact(methods),
        "detection": compact(pd.concat(parts, ignore_index=True)),
        "prefixes": pd.DataFrame([{"prefix": config.prefix, "low": bounds[0], "high": bounds[1]}]),
    }


def committed_tables(config: Parameters, folder: Path | None = None) -> Tables | None:
    """The tables of record, or None if there are none for these parameters, models and SAEs.

    Models and seeds may be fewer than the tables hold; everything else has to agree. The SAEs
    themselves need not be at hand: a cell's key holds all that they were made from.
    """
    place = records_folder() if folder is None else folder
    if not (place / "saes.parquet").is_file():
        return None
    tables = dict(read_tables(place))
    specs, source = grid_specs(config), HouseSource()
    keys = {cell_key(spec, config, source) for spec in specs}
    saes = tables["saes"]
    kept = saes[saes["key"].isin(keys)]
    if len(kept) < len(specs):
        return None
    held = {n: t[t["sae"].isin(kept.index)] for n, t in tables.items() if n in CELL_TABLES}
    models = {n: t[t["model"].isin(config.models)] for n, t in tables.items() if n in MODEL_TABLES}
    return {"saes": kept, **held, **models}


def tables_for(config: Parameters, say: Progress | None = None) -> tuple[Tables, str]:
    """The tables a run draws its statistics from, and a sentence that says where they come from.

    With `from_records` the committed ones if they fit the parameters; else all is measured now,
    and at the full tier the tables are committed.
    """
    if config.from_records:
        found = committed_tables(config)
        if found is not None:
            return found, f"The tables of record hold {len(found['latents'])} latents"
        why = "The tables of record are missing or of other parameters, so all was measured now"
    else:
        why = "All was measured now"
    tables = measure_grid(config, say=say)
    if config.tier == "full":
        save_records(tables)
    return tables, why


def sae_of(number: int, config: Parameters) -> Any:
    """The SAE behind a row of the table saes.

    Raises:
        ValueError: the grid has no such row.
    """
    specs = grid_specs(config)
    if not 0 <= number < len(specs):
        raise ValueError(f"SAE {number} is out of range; the grid has {len(specs)}")
    return get_saes([specs[number]], progress=False)[specs[number]].sae
