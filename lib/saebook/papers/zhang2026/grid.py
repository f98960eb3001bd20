"""The grid of record: which cells, in which order, kept one by one so that a run can go on."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from saebook.finetune import score
from saebook.papers.zhang2026 import sts
from saebook.papers.zhang2026.cells import TARGET, Cell, exam_bits, run_cell
from saebook.papers.zhang2026.exams import draw_exam, question
from saebook.papers.zhang2026.mixtures import proportions
from saebook.papers.zhang2026.parameters import Parameters
from saebook.papers.zhang2026.records import Records, tables
from saebook.papers.zhang2026.saes import further_specs, load_all, name_of, sparsity_specs, spec_of
from saebook.papers.zhang2026.selective import matched_latents, zeroed
from saebook.papers.zhang2026.store import Store
from saebook.papers.zhang2026.vectors import (
    Arrays,
    domain_profiles,
    gradient_conflicts,
    source_changes,
    text_similarity,
)
from saebook.papers.zhang2026.worlds import SOURCES, Kind
from saebook.paths import records_dir, results_dir
from saebook.records import check_weights, full_tier
from saebook.testbed.lexicon import DOMAINS

log = logging.getLogger(__name__)

MAIN = ("math", "computer science", "health")
FAMILIES = ("gemma2-base", "llama-base", "qwen2-base")
LATENT_COUNTS = (27, 81)
"""3.5 and 10.5 % of 768 latents."""
WHICH = ("foreseen", "matched", "matched2")
MIXES = ("mix-none", "mix-score", "mix-equal", "mix-inverse")


def plan(n_seeds: int = 5, n_side_seeds: int = 5, n_source_seeds: int = 5) -> list[Cell]:
    """Return the cells of record, the most needed first; a run may stop anywhere.

    Args:
        n_seeds: Fine-tunings of each main source in the skill and the format world.
        n_side_seeds: Of everything else about the main source: other worlds, families, mixtures,
            adapters, latents, reinforcement learning.
        n_source_seeds: Of every other source in both worlds.
    """
    gemma, source = FAMILIES[0], MAIN[0]
    kinds: tuple[Kind, ...] = ("skill", "format", "signed")
    cells = [Cell(kind, gemma, source, 0, "before") for kind in kinds]
    cells += [Cell("skill", family, source, 0, "before") for family in FAMILIES[1:]]
    main = [(kind, own) for kind in kinds[:2] for own in MAIN]
    others = [(kind, own) for kind in kinds[:2] for own in SOURCES if own not in MAIN]
    cells += [Cell(kind, gemma, own, seed) for seed in range(n_seeds) for kind, own in main]
    cells += [Cell(k, gemma, own, seed) for seed in range(n_source_seeds) for k, own in others]
    latents = [f"latents-{count}-{which}" for count in LATENT_COUNTS for which in WHICH]
    adapters = [f"lora-{count}" for count in LATENT_COUNTS]
    for seed in range(n_side_seeds):
        cells += [Cell("null", gemma, source, seed), Cell("signed", gemma, source, seed)]
        cells += [Cell("skill", family, source, seed) for family in FAMILIES[1:]]
        variants = ("rl", *MIXES, *adapters, *latents)
        cells += [Cell("skill", gemma, source, seed, variant) for variant in variants]
    return cells


def planned(config: Parameters) -> list[Cell]:
    """Return the cells that a set of parameters asks for."""
    return plan(config.n_seeds, config.n_side_seeds, config.n_source_seeds)


Part = tuple[str, Kind, str]
"""What is read, in which world, and for which source."""


def vector_parts(family: str) -> Iterator[Part]:
    """Yield (part, kind, source) of everything to be read off a family before fine-tuning."""
    main = family == FAMILIES[0]
    kinds: tuple[Kind, ...] = ("skill", "format", "signed") if main else ("skill",)
    for kind in kinds:
        yield "profiles", kind, ""
        for source in () if kind == "signed" else SOURCES if main else MAIN[:1]:
            yield "source", kind, source
    for kind in kinds[:2] if main else ():
        yield "gradients", kind, ""
    for kind in kinds[:2] if main else ():
        yield "further", kind, ""


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
    if what == "gradients":
        return (f"gradient/{kind}/",), lambda name: True
    begin = (f"profile/{kind}/", f"change/{kind}/")
    return begin, lambda name: name.startswith(begin[0]) and name.split("/")[2] != layer


def _measure(store: Store, family: str, part: Part) -> Arrays:
    what, kind, source = part
    config, subject, world = store.of(family), store.subject(family), store.world
    if what == "gradients":
        return gradient_conflicts(subject, world, kind, list(SOURCES))
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


def foreseen(store: Store, cell: Cell) -> np.ndarray:
    """Return the aligned change that the source's demonstrations make, [d_sae]."""
    config = store.of(cell.family)
    held = vectors(store, cell.family, ("source", "skill", cell.source))
    at, name = name_of(spec_of(config))
    return held[f"change/skill/{cell.source}/{at}/{name}/aligned"]


def activity(store: Store, family: str) -> np.ndarray:
    """Return each latent's mean activation over the skill world's exams (frequency x size)."""
    at, name = name_of(spec_of(store.of(family)))
    held = vectors(store, family, ("profiles", "skill", ""))
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
    """Choose the latents that a selective cell trains."""
    _, count, which = cell.variant.split("-")
    spec = spec_of(store.of(cell.family))
    taken = [int(j) for j in sts.top(foreseen(store, cell), int(count))]
    if which != "foreseen":
        weight = activity(store, cell.family)
        draw = 2 * cell.seed + (which == "matched2")
        taken = matched_latents(weight, taken, draw, weight > 0)
    return {spec.layer: (load_all([spec])[name_of(spec)], taken)}


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


def collect(store: Store, run: bool, cells: Sequence[Cell]) -> Records:
    """Return the tables of record of a store.

    Args:
        store: Where cells and vectors are kept.
        run: Whether to run what is missing; otherwise it is left out.
        cells: Cells to take.
    """
    families = sorted({cell.family for cell in cells})
    layer, sae = name_of(spec_of(store.config))
    made = [(cell, cell_arrays(store, cell, run)) for cell in cells]
    held: dict[str, Arrays] = {family: {} for family in families}
    for family in families:
        for part in vector_parts(family):
            read = of_record(vectors(store, family, part, run), family, layer, sae)
            held[family] = read | held[family]  # the first part counts
    return tables(made, list(held.items()), {f: store.made_on(f) for f in families})


def of_record(arrays: Arrays, family: str, layer: int, sae: str) -> Arrays:
    """Return what rows are computed from.

    Of the main family: scores and changes of every SAE, further quantities of the default SAE and
    of raw dimensions at the default layer. Of the others: what C5 reads.

    Args:
        arrays: By name.
        family: House model.
        layer: Default layer.
        sae: Name of the default SAE.
    """
    whole = {(str(layer), sae), (str(layer), "raw")} if family == FAMILIES[0] else set()
    held = {}
    for name, array in arrays.items():
        what, kind, *_ = name.split("/")
        at, which, quantity = name.split("/")[-3:] if name.count("/") > 3 else ("", "", "")
        if what in ("axes", "moment"):
            wanted = family == FAMILIES[0] and kind == "skill"
        else:
            wanted = not at or (at, which) in whole or quantity in ("act", "ICL", "aligned")
        if wanted:
            held[name] = array
    return held


def records_of(config: Parameters) -> Records:
    """Return the records: of the package, or at the full tier with what is missing run and saved.

    Raises:
        FileNotFoundError: There are no records and the tier does not make them.
        ValueError: The records were made with other weights.
    """
    if config.tier != "full":
        held, family = Records.load(), config.model_name
        made_with = {family: held.made_on.get(family, "unknown").split("/")[0]}
        check_weights("zhang2026", made_with, Store(config).weights)
        return held
    found = collect(opened(config), run=True, cells=planned(config))
    found.save(results_dir())
    return found


def opened(config: Parameters) -> Store:
    """Return the store of a set of parameters, which knows the numbers of record if there are."""
    try:
        return Store(config, records=Records.load())
    except FileNotFoundError:
        return Store(config)


def main(arguments: list[str] | None = None) -> None:
    """Run what is missing of the full tier's plan, cells and vectors, until time is up.

    With `--save`, write tables of all that is there, whatever the plan.
    """
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--minutes", type=float, default=1e9, help="stop starting cells after")
    parser.add_argument("--save", action="store_true", help="write what is there to the records")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    store = opened(full_tier("zhang2026", Parameters))
    parts = [(family, part) for family in FAMILIES for part in vector_parts(family)]
    jobs = [
        *((lambda run, f=f, p=p: vectors(store, f, p, run), f"{f} {p}") for f, p in parts),
        *((lambda run, c=c: cell_arrays(store, c, run), c.key) for c in planned(store.config)),
    ]
    end = time.monotonic() + 60 * options.minutes
    for get, name in jobs:
        if time.monotonic() > end:
            break
        if not get(False):
            get(True)
            log.info("%s", name)
    if options.save:
        collect(store, run=False, cells=plan()).save(records_dir())


if __name__ == "__main__":
    main()
