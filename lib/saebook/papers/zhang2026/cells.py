"""One cell of the grid: a fine-tuning, the bits of every exam item after it, and what shifted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from saebook.finetune import FineTuned, Schedule, Shuffle, fine_tune, score
from saebook.papers.zhang2026 import selective
from saebook.papers.zhang2026.exams import (
    Asked,
    draw_exam,
    draw_items,
    fine_tuning_set,
    question,
    target_exam,
)
from saebook.papers.zhang2026.features import Raw, read_stream, true_shift
from saebook.papers.zhang2026.mixtures import mixed_items
from saebook.papers.zhang2026.parameters import Parameters
from saebook.papers.zhang2026.reinforce import reinforce
from saebook.papers.zhang2026.saes import DEPTHS
from saebook.papers.zhang2026.worlds import Kind
from saebook.subjects import Subject
from saebook.testbed.lexicon import DOMAINS
from saebook.testbed.world import World

TARGET = "target"
"""Name of the exam on what the source teaches, beside the domains'."""
N_SHIFT_TEXTS = 32
"""Items whose tokens measure the true shift."""


@dataclass(frozen=True, order=True)
class Cell:
    """What names one fine-tuning."""

    kind: Kind
    """World."""
    family: str
    """House model."""
    source: str
    seed: int
    """Draws the items, their order and what else is random."""
    variant: str = "sft"
    """sft, rl, mix-<ratio>, latents-<K>-<which>, latents-all or lora-<K>; `before` for the model as
    it was. `ends` is sft with every item asked at both ends of its reasoning line, `before-ends`
    that of the untouched model."""

    @property
    def key(self) -> str:
        """File name of the cell."""
        parts = (self.kind, self.family, self.source.replace(" ", "_"), self.seed, self.variant)
        return "--".join(map(str, parts))


Train = Callable[[Cell, Subject, World, Parameters, Any], FineTuned]


def schedule_of(config: Parameters) -> Schedule:
    """Return the chapter's schedule: the paper's, with items and batch shrunk alike."""
    return Schedule(epochs=config.epochs, batch_size=config.batch_size, lr=config.lr)


def trained(cell: Cell, subject: Subject, world: World, config: Parameters, help: Any) -> FineTuned:
    """Fine-tune as the cell's variant says.

    Args:
        cell: What to train.
        subject: The model before.
        world: The world.
        config: Sizes.
        help: What a variant needs beside: the mixture's shares, or the latents to train.

    Raises:
        ValueError: An unknown variant.
    """
    order = Shuffle(cell.seed)
    if cell.variant == "rl":
        problems = draw_items(world, cell.kind, cell.source, config.n_items, cell.seed)
        return reinforce(subject, problems, schedule_of(config), cell.seed)
    items = fine_tuning_set(subject, world, cell.kind, cell.source, config.n_items, cell.seed)
    alone = replace(schedule_of(config), lr=selective.LR)
    if cell.variant.startswith("mix-"):
        items += mixed_items(subject, world, help, len(items), cell.seed)
    elif cell.variant.startswith("latents-"):
        return selective.train_latents(subject, items, alone, help, cell.seed)
    elif cell.variant.startswith("lora-"):
        n_latents = int(cell.variant.removeprefix("lora-")) * len(DEPTHS)
        lora = selective.matched_adapter(subject, n_latents)
        return fine_tune(subject.model, items, alone, order, seed=cell.seed, lora=lora)
    elif cell.variant not in ("sft", "ends"):
        known = "sft, ends, rl, mix-, latents-, lora-"
        raise ValueError(f"unknown variant {cell.variant!r}; known: {known}")
    return fine_tune(subject.model, items, schedule_of(config), order, seed=cell.seed)


def exam_bits(
    model: Any, subject: Subject, world: World, cell: Cell, config: Parameters, names: Iterable[str]
) -> dict[str, np.ndarray]:
    """Return whether each item is answered rightly, bool [n], by domain or `TARGET`."""
    bits = {}
    for name in names:
        if name == TARGET:
            asked = target_exam(world, cell.kind, cell.source, config.n_exam, seed=0)
        else:
            asked = draw_exam(world, cell.kind, name, config.n_exam)
        questions = [question(subject, problem, at) for problem, at in asked]
        bits[name] = score(model, questions).bits
    return bits


def end_bits(model: Any, subject: Subject, world: World, n: int) -> dict[str, np.ndarray]:
    """Return the bits of every exam asked early and late, bool [n], by bits/<domain> <end>.

    Early is inside the reasoning line, late is the answer after it; any format world's exam picks
    one of the two for each item.
    """
    held = {}
    for domain in DOMAINS:
        problems = [problem for problem, _ in draw_exam(world, "format", domain, n)]
        for end in ("early", "late"):
            places = [p.opened if end == "early" else p.closed for p in problems]
            asked = [question(subject, p, at) for p, at in zip(problems, places, strict=True)]
            held[f"bits/{domain} {end}"] = score(model, asked).bits
    return held


def run_cell(
    cell: Cell,
    subject: Subject,
    world: World,
    config: Parameters,
    saes: dict,
    names: Sequence[str] = (*DOMAINS, TARGET),
    help: Any = None,
) -> dict[str, np.ndarray]:
    """Fine-tune, take every exam, measure the true shift.

    Args:
        cell: What to train.
        subject: The model before.
        world: The world.
        config: Sizes.
        saes: SAEs by (layer, name) on which the shift is measured.
        names: Exams to take.
        help: See `trained`.

    Returns:
        bits/<exam>: bool [n]; shift/<layer>/<sae>: float32 [d_sae], with `raw` for the residual
        dimensions; losses: float32 [n_steps].
    """
    made = trained(cell, subject, world, config, help)
    held: dict[str, np.ndarray] = {"losses": np.array(made.losses, dtype=np.float32)}
    for name, bits in exam_bits(made.model, subject, world, cell, config, names).items():
        held[f"bits/{name}"] = bits
    if saes:
        held |= shifts(made.model, subject, world, cell, saes)
    return held


def shifts(
    model: Any, subject: Subject, world: World, cell: Cell, saes: dict
) -> dict[str, np.ndarray]:
    """Return the true shift of every latent, and of raw dimensions, on the source's items."""
    problems = draw_items(world, cell.kind, cell.source, N_SHIFT_TEXTS, cell.seed + 9000)
    asked: list[Asked] = [(p, len(p.words)) for p in problems]
    layers = sorted({layer for layer, _ in saes})
    after = replace(subject, model=model)
    with torch.no_grad():
        first, second = (read_stream(who, layers, asked) for who in (subject, after))
    held = {}
    for (layer, name), sae in {**saes, **{(layer, "raw"): Raw for layer in layers}}.items():
        held[f"shift/{layer}/{name}"] = (
            true_shift(first, second, layer, sae).numpy().astype(np.float32)
        )
    return held
