"""What each chapter does at the colab tier, with the sizes that its own parameter file states."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import yaml

from saebook.hub.costs.chapters import CAA_PAIRS, OVERHEAD, ChapterCost, Work
from saebook.hub.costs.machines import Machine
from saebook.hub.costs.steps import Finetuning, Generation, Reading, SAETraining
from saebook.hub.entries import saes, subject_entry, subjects
from saebook.hub.schema import Dtype, SubjectEntry
from saebook.paths import tiers_dir

Tier = Mapping[str, Any]

BEHAVIOURS, COEFFICIENTS = 7, 7
"""Of mayne2024's steering."""
PROMPT = 120
"""Tokens of a question of mayne2024, about."""
QUESTION = 300
"""Tokens of an exam question with its answer, about."""


def colab_costs(machine: Machine) -> list[ChapterCost]:
    """Costs of the chapters that have a colab tier, in the order of the book."""
    return [
        ChapterCost(slug, tuple((work, work.step.cost(machine)) for work in steps(tier)))
        for slug, steps in COLAB.items()
        if (tier := colab_tier(slug)) is not None
    ]


def colab_tier(slug: str) -> dict[str, Any] | None:
    """A chapter's parameters at the colab tier, or None where it has none.

    What its file leaves out is as large as at the paper tier.
    """
    files = [tiers_dir() / tier / f"{slug}.yaml" for tier in ("paper", "colab")]
    if not files[1].is_file():
        return None
    held = [yaml.safe_load(f.read_text(encoding="utf-8")) for f in files if f.is_file()]
    return {name: value for tier in held for name, value in tier.items()}


def named_models(tier: Tier) -> list[SubjectEntry]:
    """The catalogue's models among the names of a tier, in their order."""
    names = [name.split("@")[0] for name in tier["hub_names"].split()]
    return [subject_entry(name) for name in names if name in subjects()]


def free_dtype(entry: SubjectEntry) -> Dtype:
    """What a T4, which lacks bfloat16, loads a model as; the rule of `saebook.hub.fitting`."""
    return "float32" if entry.family == "gemma2" else "float16"


def _mayne(tier: Tier) -> Iterator[Work]:
    """With the gated model, as the file's comment tells; the SAE alone needs no GPU."""
    gemma = subject_entry("gemma-2-2b")
    pairs = min(CAA_PAIRS, BEHAVIOURS * tier["hub_pairs"])
    tokens = tier["hub_text_tokens"] + pairs * 2 * PROMPT
    yield Work(
        "codes of vectors and text at layer 14",
        Reading(gemma, tokens, batch=1, d_sae=16_384, n_saes=1, dtype=free_dtype(gemma)),
    )
    swept = gemma.n_layers * BEHAVIOURS * COEFFICIENTS * tier["hub_prompts"] * PROMPT
    yield Work(
        "steering at every layer, seven coefficients",
        Reading(gemma, swept, context=256, batch=4, dtype=free_dtype(gemma)),
    )


def _wang(tier: Tier) -> Iterator[Work]:
    layers = map(int, str(tier["hub_layers"]).split())
    grid = len(tier["hub_architectures"].split()) * len(str(tier["hub_sparsities"]).split())
    for model, layer in zip(named_models(tier), layers, strict=False):
        training = SAETraining(
            model, grid, tier["hub_d_sae"], tier["hub_train_tokens"], 2048,
            (layer + 1) / model.n_layers, context=tier.get("hub_context", 2_048), at_once=6,
            single_precision=True, overhead=OVERHEAD,
        )  # fmt: skip
        yield Work(f"{grid} SAEs on {model.name}", training)
        texts = grid * tier["hub_latents"] * tier["hub_prompts"] * _factors(tier)
        steering = Generation(model, texts, 40, tier["hub_new_tokens"], 16, free_dtype(model))
        yield Work(f"{texts:,} steered texts", steering)


def _factors(tier: Tier) -> int:
    return len(str(tier.get("hub_factors", "0.4 0.8 1.2 2 3 5")).split())


def _li(tier: Tier) -> Iterator[Work]:
    n_saes = 11  # the cell of F10 to F12
    _, layer, expansion = str(tier["hub_cell"]).split()
    for model in named_models(tier):
        width = model.d_model * int(expansion)
        training = SAETraining(
            model, n_saes, width, tier["hub_n_tokens"], 128, (int(layer) + 1) / model.n_layers,
            context=tier["hub_longest"], at_once=6, single_precision=True, overhead=OVERHEAD,
        )  # fmt: skip
        yield Work(f"{n_saes} SAEs on {model.name}", training)
        tokens = n_saes * tier["hub_dialogues"] * tier["hub_longest"]
        read = Reading(
            model, tokens, tier["hub_longest"], batch=4, d_sae=width, dtype=free_dtype(model)
        )
        yield Work("held-out dialogues, at most so long, through each SAE", read)


def _he(tier: Tier) -> Iterator[Work]:
    held = [saes()[name] for name in tier["hub_names"].split() if name in saes()]
    for model in named_models(tier):
        step = Reading(
            model, tier["hub_documents"] * tier.get("hub_context", 1_024), d_sae=held[0].d_sae,
            n_saes=len(held), batch=4, blocks=tier["hub_blocks"], dtype=free_dtype(model),
        )  # fmt: skip
        yield Work(
            f"documents through {tier['hub_blocks']} blocks of {model.name} and an SAE", step
        )


def _zhang(tier: Tier) -> Iterator[Work]:
    for model in named_models(tier):
        tokens = tier["hub_items"] * tier["hub_epochs"] * tier["hub_context"]
        trained = Finetuning(model, tokens, tier["hub_context"], tier["hub_seeds"])
        yield Work(f"{tier['hub_seeds']} fine-tunings of {model.name}", trained)
        n = 14 * tier["hub_exam_items"] * (1 + tier["hub_seeds"])
        asked = Generation(model, n, 1_500, tier["hub_new_tokens"], 8, free_dtype(model))
        yield Work("exam before and after", asked)
        tokens = 14 * tier["hub_score_tokens"] + 2 * tier["hub_shift_tokens"]
        yield Work(
            "activations", Reading(model, tokens, tier["hub_context"], 2, dtype=free_dtype(model))
        )


def _yang(tier: Tier) -> Iterator[Work]:
    runs = 12 * tier["hub_runs"]  # four folds in each of three orders
    labellers = tier["hub_labellers"].split()
    for model in named_models(tier):
        if model.name in labellers:
            tokens = tier["hub_items"] * QUESTION
            yield Work(
                f"labels of {model.name}",
                Reading(model, tokens, tier["hub_tokens"], dtype=free_dtype(model)),
            )
            continue
        learnt = 0.75 * tier["hub_items"] * QUESTION
        training = Finetuning(
            model, learnt, tier["hub_tokens"], runs, adapters=True, frozen_bytes=4
        )
        yield Work(f"{runs} trainings of {model.name}", training)
        asked = runs * (tier["hub_items"] / 4 + 2 * tier["hub_test"]) * QUESTION
        yield Work(
            f"{runs} exams", Reading(model, asked, tier["hub_tokens"], dtype=free_dtype(model))
        )


COLAB: Mapping[str, Callable[[Tier], Iterator[Work]]] = {
    "mayne2024": _mayne,
    "wang2025": _wang,
    "li2025": _li,
    "he2024": _he,
    "zhang2026": _zhang,
    "yang2024": _yang,
}
