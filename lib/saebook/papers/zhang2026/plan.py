"""What is run: cells and vectors of record, the most needed first."""

from __future__ import annotations

from collections.abc import Iterator

from saebook.papers.zhang2026.cells import Cell
from saebook.papers.zhang2026.parameters import Parameters
from saebook.papers.zhang2026.worlds import SOURCES, Kind

MAIN = ("math", "computer science", "health")
FAMILIES = ("gemma2-base", "llama-base", "qwen2-base")
LATENT_COUNTS = (27, 81)
"""3.5 and 10.5 % of 768 latents."""
WHICH = ("foreseen", "matched", "matched2")
ALL_LATENTS = "latents-all"
"""The positive control of training latents alone: every latent is trained."""
MIXES = ("mix-none", "mix-score", "mix-equal", "mix-inverse")


def plan(
    n_seeds: int = 5, n_side_seeds: int = 5, n_source_seeds: int = 5, n_latent_seeds: int = 5
) -> list[Cell]:
    """Return the cells of record, the most needed first; a run may stop anywhere.

    Args:
        n_seeds: Fine-tunings of each main source in the skill and the format world, and in the
            format worlds drawn anew.
        n_side_seeds: Of everything else about the main source but latents: other worlds,
            families, reinforcement learning, mixtures.
        n_source_seeds: Of every other source in both worlds.
        n_latent_seeds: Of latents trained alone, and of adapters as large.
    """
    gemma, source = FAMILIES[0], MAIN[0]
    kinds: tuple[Kind, ...] = ("skill", "format", "signed")
    cells = [Cell(kind, gemma, source, 0, "before") for kind in kinds]
    cells += [Cell("skill", family, source, 0, "before") for family in FAMILIES[1:]]
    main: list[tuple[Kind, str]] = [(kind, own) for kind in kinds[:2] for own in MAIN]
    others: list[tuple[Kind, str]] = [
        (kind, own) for kind in kinds[:2] for own in SOURCES if own not in MAIN
    ]
    cells += [Cell(kind, gemma, own, seed) for seed in range(n_seeds) for kind, own in main]
    cells.append(Cell("format", gemma, source, 0, "before-ends"))
    cells += [Cell("format", gemma, own, s, "ends") for s in range(n_seeds) for own in MAIN]
    for seed in range(n_side_seeds):
        cells += [Cell("null", gemma, source, seed), Cell("signed", gemma, source, seed)]
        cells += [Cell("skill", family, source, seed) for family in FAMILIES[1:]]
        cells += [Cell("skill", gemma, source, seed, variant) for variant in ("rl", *MIXES)]
    cells += [Cell(k, gemma, own, seed) for seed in range(n_source_seeds) for k, own in others]
    alone = [f"lora-{count}" for count in LATENT_COUNTS]
    alone += [f"latents-{count}-{which}" for count in LATENT_COUNTS for which in WHICH]
    alone.append(ALL_LATENTS)
    seeds = range(n_latent_seeds)
    return cells + [Cell("skill", gemma, source, s, variant) for s in seeds for variant in alone]


def planned(config: Parameters) -> list[Cell]:
    """Return the cells that a set of parameters asks for."""
    return plan(config.n_seeds, config.n_side_seeds, config.n_source_seeds, config.n_latent_seeds)


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
    if main:
        yield "drawn", "format", ""
    for kind in kinds[:2] if main else ():
        yield "gradients", kind, ""
    for kind in kinds[:2] if main else ():
        yield "further", kind, ""
