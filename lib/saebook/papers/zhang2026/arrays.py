"""The arrays of a cell, and those read off a model beforehand: of record, cached, or made now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from saebook.finetune import score
from saebook.papers.zhang2026 import sts
from saebook.papers.zhang2026.cells import TARGET, Cell, end_bits, exam_bits, run_cell, trained
from saebook.papers.zhang2026.exams import draw_exam, question
from saebook.papers.zhang2026.mixtures import proportions
from saebook.papers.zhang2026.plan import ALL_LATENTS, FAMILIES, LATENT_COUNTS, MAIN, Part
from saebook.papers.zhang2026.saes import (
    DEPTHS,
    further_specs,
    load_all,
    name_of,
    sparsity_specs,
    spec_of,
)
from saebook.papers.zhang2026.selective import matched_latents, zeroed
from saebook.papers.zhang2026.store import Store
from saebook.papers.zhang2026.vectors import (
    Arrays,
    domain_profiles,
    drawn_profiles,
    gradient_conflicts,
    source_changes,
    text_similarity,
)
from saebook.papers.zhang2026.worlds import SOURCES
from saebook.testbed.lexicon import DOMAINS


def vectors(store: Store, family: str, part: Part, run: bool = True) -> Arrays:
    """Return one part of a family's vectors: of record, from the cache, or measured now.

    Args:
        store: Where they are kept.
        family: House model.
        part: As `vector_parts` yields it.
        run: Whether to measure what is nowhere; otherwise nothing is returned of it.
    """
    held = store.of_record(family)
    if held is not None:
        layer = str(store.config.layer)
        prefixes, sign = _names_of(part, layer)
        found = held.named(family, prefixes)
        if any(sign(name) for name in found):
            return found
    make = (lambda: _measure(store, family, part)) if run else None
    return store.get(family, f"vectors/{'/'.join(part)}", make)


def _names_of(part: Part, layer: str) -> tuple[tuple[str, ...], Callable[[str], bool]]:
    """Return how the names of a part begin, and by which name records are known to hold it."""
    what, kind, source = part
    if what == "profiles":
        begin = (f"profile/{kind}/", f"length/{kind}", f"moment/{kind}")
        return begin, lambda name: name == f"length/{kind}"
    if what == "source":
        begin = tuple(f"{q}/{kind}/{source}" for q in ("change", "axes", "similarity"))
        return begin, lambda name: name == f"similarity/{kind}/{source}"
    if what in ("gradients", "drawn"):
        begin = f"gradient/{kind}/" if what == "gradients" else "profile/drawn/"
        return (begin,), lambda name: True
    begin = (f"profile/{kind}/", f"change/{kind}/")
    return begin, lambda name: name.startswith(begin[0]) and name.split("/")[2] != layer


def _measure(store: Store, family: str, part: Part) -> Arrays:
    what, kind, source = part
    config, subject, world = store.of(family), store.subject(family), store.world
    if what == "gradients":
        return gradient_conflicts(subject, world, kind, list(SOURCES))
    if what == "drawn":
        return drawn_profiles(subject, world, load_all([spec_of(config)]), config)
    wide = family == FAMILIES[0] and kind != "signed"
    if what == "further":
        saes = load_all(further_specs(config))
        held = domain_profiles(subject, world, kind, saes, config)
        for own in MAIN:
            held |= source_changes(subject, world, kind, own, saes, config)
        named = ("profile/", "change/")
        return {k: v for k, v in held.items() if k.startswith(named) and "/raw/" not in k}
    saes = load_all(sparsity_specs(config) if wide else [spec_of(config)])
    if what == "profiles":
        return domain_profiles(subject, world, kind, saes, config)
    similarity = text_similarity(world, kind, source, config.n_score_queries)
    held = source_changes(subject, world, kind, source, saes, config)
    return {**held, f"similarity/{kind}/{source}": similarity}


def cell_arrays(store: Store, cell: Cell, run: bool = True) -> Arrays:
    """Return one cell's arrays: of record, from the cache, or run now if `run` says so."""
    held = store.of_record(cell.family)
    found = {} if held is None else held.cell(cell)
    return found or store.get(cell.family, cell.key, (lambda: _run(store, cell)) if run else None)


def _run(store: Store, cell: Cell) -> Arrays:
    config, subject = store.of(cell.family), store.subject(cell.family)
    if cell.variant.endswith("ends"):
        before = cell.variant.startswith("before")
        model = subject if before else trained(cell, subject, store.world, config, None)
        return end_bits(model.model, subject, store.world, config.n_exam)
    if cell.variant == "before":
        names = (*DOMAINS, TARGET)
        bits = exam_bits(subject.model, subject, store.world, cell, config, names)
        return {f"bits/{name}": values for name, values in bits.items()} | (
            zeroing(store, cell) if cell.kind == "skill" and cell.family == FAMILIES[0] else {}
        )
    names: tuple[str, ...] = (*DOMAINS, TARGET)
    help: Any = None
    saes = load_all([spec_of(config)])
    if cell.variant.startswith("latents-"):
        names, help, saes = (TARGET,), _latents(store, cell), {}
    if cell.variant.startswith("lora-"):
        names, saes = (TARGET,), {}
    if cell.variant.startswith("mix-"):
        shares = proportions(endangered(store, cell.family, cell.source))
        help, saes = shares[cell.variant], {}
        names = (*help, TARGET)
    return run_cell(cell, subject, store.world, config, saes, names, help)


def foreseen(store: Store, cell: Cell, layer: int | None = None) -> np.ndarray:
    """Return the aligned change that the source's demonstrations make, [d_sae].

    Args:
        store: Where vectors are kept.
        cell: Family and source.
        layer: Block; the default one unless given.
    """
    config = store.of(cell.family)
    at, name = name_of(spec_of(config, layer=layer))
    part: Part = ("source", "skill", cell.source)
    held = vectors(store, cell.family, part if at == config.layer else ("further", "skill", ""))
    return held[f"change/skill/{cell.source}/{at}/{name}/aligned"]


def activity(store: Store, family: str, layer: int | None = None) -> np.ndarray:
    """Return each latent's mean activation over the skill world's exams (frequency x size)."""
    config = store.of(family)
    at, name = name_of(spec_of(config, layer=layer))
    what = "profiles" if at == config.layer else "further"
    held = vectors(store, family, (what, "skill", ""))
    return held[f"profile/skill/{at}/{name}/act"].mean(0)


def endangered(store: Store, family: str, source: str) -> dict[str, float]:
    """Return STS_ICL of the domains that the score puts highest and lowest, source apart."""
    config = store.of(family)
    at, name = name_of(spec_of(config))
    change = foreseen(store, Cell("skill", family, source, 0))
    chosen = sts.smallest_set(change, config.share_of_change)
    held = vectors(store, family, ("profiles", "skill", ""))
    scores: dict[str, float] = dict(
        zip(DOMAINS, sts.sts(held[f"profile/skill/{at}/{name}/ICL"], chosen), strict=True)
    )
    ranked = sorted((d for d in DOMAINS if d != source), key=lambda d: -scores[d])
    return {d: float(scores[d]) for d in (ranked[0], ranked[-1])}


def _latents(store: Store, cell: Cell) -> dict[int, tuple[Any, list[int]]]:
    """Choose the latents that a selective cell trains, at each of `DEPTHS`."""
    specs = {layer: spec_of(store.of(cell.family), layer=layer) for layer in DEPTHS}
    saes = load_all(list(specs.values()))
    return {
        layer: (saes[name_of(spec)], _latents_at(store, cell, layer))
        for layer, spec in specs.items()
    }


def _latents_at(store: Store, cell: Cell, layer: int) -> list[int]:
    change = foreseen(store, cell, layer)
    if cell.variant == ALL_LATENTS:
        return list(range(len(change)))
    _, count, which = cell.variant.split("-")
    taken = [int(j) for j in sts.top(change, int(count))]
    if which == "foreseen":
        return taken
    weight = activity(store, cell.family, layer)
    return matched_latents(weight, taken, 2 * cell.seed + (which == "matched2"), weight > 0)


def zeroing(store: Store, cell: Cell, n_draws: int = 5) -> Arrays:
    """Return bits of the source's own exam with latents zeroed: shifted, and matched draws.

    Keys bits/zero none, bits/zero shifted, bits/zero matched <i>.
    """
    config, subject = store.of(cell.family), store.subject(cell.family)
    spec = spec_of(config)
    sae = load_all([spec])[name_of(spec)]
    shift = cell_arrays(store, Cell("skill", cell.family, cell.source, 0))
    at, name = name_of(spec)
    shifted = [int(j) for j in sts.top(shift[f"shift/{at}/{name}"], LATENT_COUNTS[0])]
    weight = activity(store, cell.family)
    sets = {"none": [], "shifted": shifted}
    for i in range(n_draws):
        sets[f"matched {i}"] = matched_latents(weight, shifted, i, weight > 0)
    asked = draw_exam(store.world, "skill", cell.source, config.n_exam, 5)
    questions = [question(subject, problem, place) for problem, place in asked]
    held = {}
    for label, latents in sets.items():
        with torch.no_grad(), zeroed(subject, spec.layer, sae, latents):
            held[f"bits/zero {label}"] = score(subject.model, questions).bits
    return held
