"""What each chapter does at paper scale, in steps with the sizes of the papers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from saebook.hub.costs.machines import Machine
from saebook.hub.costs.steps import (
    Cost,
    Finetuning,
    Generation,
    Reading,
    SAETraining,
    Step,
)
from saebook.hub.entries import subject_entry

OVERHEAD = 1.3
"""Measured over counted time of the testbed's grid of thirty SAEs (book/results/bench.json)."""
CAA_PAIRS = 4_823
"""Pairs that make the vectors of seven behaviours, letters A and B."""
MMLU_PRO = 12_032
EXAM_ITEMS = 874 + 4_183 + 1_273
"""Questions of the medical licensing exam, of MedMCQA's validation and of MedQA's test."""


@dataclass(frozen=True)
class Work:
    """One line of the cost page."""

    what: str
    step: Step
    published_hours: float | None = None
    """What the paper says this took on two A800, where it does."""


@dataclass(frozen=True)
class ChapterCost:
    """A chapter's work and its cost on one machine."""

    slug: str
    lines: tuple[tuple[Work, Cost], ...]

    @property
    def total(self) -> Cost:
        """Hours added up, what several steps share on disk once, memory of the largest step."""
        costs = [cost for _, cost in self.lines]
        files: dict[str, float] = {}
        for cost in costs:
            files |= cost.files
        return Cost(sum(c.seconds for c in costs), max(c.memory for c in costs), files)


def chapter_costs(machine: Machine) -> list[ChapterCost]:
    """Every chapter's cost on one machine, in the order of the book."""
    return [
        ChapterCost(slug, tuple((work, work.step.cost(machine)) for work in steps))
        for slug, steps in CHAPTERS.items()
    ]


def _mayne() -> Iterator[Work]:
    gemma = subject_entry("gemma-2-2b")
    tokens = 200_000 + CAA_PAIRS * 2 * 120
    yield Work(
        "fingerprint, norms and codes at layer 14", Reading(gemma, tokens, d_sae=16_384, n_saes=1)
    )
    swept = gemma.n_layers * 7 * 50 * 120
    yield Work("steering at every layer, seven coefficients", Reading(gemma, swept, context=256))
    yield Work(
        "five layers, two widths, L0 23 to 388, base and instruct (R15)",
        Reading(gemma, 2 * 5 * tokens, d_sae=65_536, n_saes=14),
    )


def _wang() -> Iterator[Work]:
    for name, layer, hours in (
        ("gemma-2-2b", 12, 17),
        ("qwen2.5-3b", 17, 37),
        ("gemma-2-9b", 20, 60),
    ):
        model = subject_entry(name)
        depth = (layer + 1) / model.n_layers
        training = SAETraining(model, 30, 16_384, 5e8, 2048, depth, at_once=5, overhead=OVERHEAD)
        yield Work(f"thirty SAEs on {name}, 500 million tokens", training, hours)
        yield Work(
            f"steering with 100 concepts an SAE, {name}", Generation(model, 30 * 6_000, 40, 128)
        )


def _li() -> Iterator[Work]:
    grid = {
        "llama-3.1-8b-instruct": ((4, 12, 18, 20, 25), (8,)),
        "llama-3.2-3b-instruct": ((4, 12, 20), (8, 16)),
        "llama-3.2-1b-instruct": ((4, 9, 14), (8, 16)),
        "qwen2.5-7b-instruct": ((4, 12, 18, 20, 25), (8,)),
        "qwen2.5-3b-instruct": ((4, 18, 32), (8, 16)),
        "qwen2.5-1.5b-instruct": ((4, 14, 24), (8, 16)),
        "qwen2.5-0.5b-instruct": ((4, 12, 20), (8, 16)),
    }
    for name, (layers, factors) in grid.items():
        model = subject_entry(name)
        n_saes = len(layers) * len(factors) * 3 * 2
        width = model.d_model * sum(factors) // len(factors)
        depth = (max(layers) + 1) / model.n_layers
        training = SAETraining(
            model, n_saes, width, 40.96e6, 128, depth, at_once=2, single_precision=True,
            overhead=OVERHEAD,
        )  # fmt: skip
        yield Work(f"{n_saes} SAEs on {name}, 41 million tokens", training)


def _he() -> Iterator[Work]:
    for name in ("llama-3.1-8b", "llama-3.1-8b-instruct"):
        model = subject_entry(name)
        for width in (32_768, 131_072):
            tokens = 32 * 2 * 1.6e6
            step = Reading(model, tokens, d_sae=width, n_saes=32 if name == "llama-3.1-8b" else 0)
            yield Work(f"loss with each of 32 SAEs of {width:,} latents, {name}, two texts", step)
    long = Reading(subject_entry("llama-3.1-8b"), 1.3e6, context=8_192, batch=1, d_sae=131_072)
    yield Work("long documents, 8,192 tokens", long)


def _zhang() -> Iterator[Work]:
    for name in ("llama-3-8b-instruct", "qwen2.5-7b-instruct", "gemma-2-9b-it"):
        model = subject_entry(name)
        yield Work(
            f"LIMO, 817 solutions, ten epochs, {name}", Finetuning(model, 817 * 10 * 6_000, 8_192)
        )
        asked = Generation(model, 2 * MMLU_PRO, prompt=1_500, new=500)
        yield Work(f"MMLU-Pro before and after, {name}", asked)
        yield Work(
            f"activations of 14 domains with and without demonstrations, {name}",
            Reading(model, 14 * 2 * 20_000 * 5, context=4_096, batch=2, d_sae=65_536, n_saes=1),
        )


def _yang() -> Iterator[Work]:
    for name in ("tinyllama-1.1b-chat", "llama-2-7b-chat", "llama-2-13b-chat", "mistral-7b"):
        model = subject_entry(name)
        runs = 9 * 5 * 5  # orders, four folds and the whole set, repeats
        yield Work(
            f"{runs} trainings on {name}", Finetuning(model, 874 * 300, 512, runs, adapters=True)
        )
        yield Work(f"{runs} exams on {name}", Reading(model, runs * EXAM_ITEMS * 300, context=512))


CHAPTERS: Mapping[str, tuple[Work, ...]] = {
    "mayne2024": tuple(_mayne()),
    "wang2025": tuple(_wang()),
    "li2025": tuple(_li()),
    "he2024": tuple(_he()),
    "zhang2026": tuple(_zhang()),
    "yang2024": tuple(_yang()),
}
