"""How many latents stand for one thing, by ground truth and by a rule in place of a judge (F8)."""

from __future__ import annotations

from typing import Any

import pandas as pd
import torch
from torch import Tensor

from saebook.interpretability import random_direction_codes
from saebook.papers.li2025.arms import MATCHED, default_cell
from saebook.papers.li2025.bench import Bench
from saebook.reconstruction import best_concept_f1_by_latent, l0
from saebook.zoo.convert import to_jumprelu

CLEAR_F1 = 0.7
CONTEXTS, RARE = 5, 0.1
"""Strongest dialogues a latent is judged by, and the share of tokens above which a concept is too
common to explain anything."""
RUBRIC = {5: 5, 4: 4, 3: 4, 2: 3, 1: 2, 0: 1}
"""Of five contexts, how many share a concept, to the rubric: 5 no deviation, 4 one or two, 3 many
misfits, 2 a broad theme, 1 nothing."""
CHECK_SEED, N_TEXTS_SHARE = 83_000, 2
RANDOM = "random directions"


def clarity_table(bench: Bench) -> pd.DataFrame:
    """Best-concept F1 and rubric grade of every live latent of JumpReLU SAEs of equal L0.

    The SAEs are TopK ones turned into JumpReLU, one threshold each, set so that their L0 on
    dialogues is k in both arms; the model carries no planted sink.

    Returns:
        A row a live latent: arm (BT(F), FAST or `RANDOM`), seed, latent, concept, f1, grade (1 to
        5, none with fewer than five contexts) and l0 (of its SAE on these dialogues).
    """
    config, parts = bench.config, []
    subject = bench.instruct(config.family, with_sink=False)
    n = N_TEXTS_SHARE * config.n_dialogues
    texts = bench.world.sample("chats", n, CHECK_SEED + config.seed, family=config.family)
    acts, labels, concepts, dialogue = labelled_acts(subject, texts, config.layer)
    cells = [
        default_cell(config, "topk", arm, seed)._replace(recipe=MATCHED, with_sink=False)
        for arm in ("BT(F)", "FAST")
        for seed in range(2)
    ]
    saes = bench.saes(cells)
    for cell in cells:
        codes = to_jumprelu(saes[cell].sae, acts).encode(acts)
        graded = graded_latents(codes, labels, concepts, dialogue)
        parts.append(graded.assign(arm=cell.arm, seed=cell.seed, l0=l0(codes)))
        if cell.arm == "FAST":
            live = (codes > 0).double().mean(0)
            live = live[(live > 0) & (live < 1)].float()
            kept = torch.ones(1, len(acts), dtype=torch.bool)
            random = random_direction_codes(acts[None], kept, live, config.seed + cell.seed)[0]
            graded = graded_latents(random, labels, concepts, dialogue)
            parts.append(graded.assign(arm=RANDOM, seed=cell.seed, l0=l0(random)))
    return pd.concat(parts, ignore_index=True)


def labelled_acts(
    subject: Any, texts: list[Any], layer: int
) -> tuple[Tensor, Tensor, list[str], Tensor]:
    """Activations, concept labels, concepts and dialogue of all tokens but BOS, one text each."""
    from saebook.activations import stream_activations
    from saebook.corpora import token_batches
    from saebook.subjects import hook_name
    from saebook.zoo.validity import concept_labels

    concepts = sorted({c for text in texts for held in text.concepts for c in held})
    column = {concept: i for i, concept in enumerate(concepts)}
    batches = token_batches(subject, texts, subject.model.config.max_position_embeddings, "single")
    acts, labels, dialogue = [], [], []
    parts = stream_activations(subject, batches, [layer], drop_bos=True)
    for batch, part in zip(batches, parts, strict=True):
        kept = batch.keep(drop_bos=True)
        acts.append(part[hook_name(layer)])
        labels.append(concept_labels(texts, batch, kept, column))
        dialogue.append(batch.document[kept])
    return torch.cat(acts), torch.cat(labels), concepts, torch.cat(dialogue)


def graded_latents(
    codes: Tensor, labels: Tensor, concepts: list[str], dialogue: Tensor
) -> pd.DataFrame:
    """Concept, F1 and rubric grade of each live latent; F1 is chosen on odd dialogues."""
    table = best_concept_f1_by_latent(codes, labels, concepts, dialogue % 2 == 1)
    table["grade"] = rubric_grades(codes, labels, dialogue)
    return table[(codes > 0).any(0).numpy()].reset_index(drop=True)


def rubric_grades(codes: Tensor, labels: Tensor, dialogue: Tensor) -> list[float]:
    """Grade each latent by its strongest token in its five strongest dialogues.

    Counted is the rare concept that most of the five tokens share; `RUBRIC` turns the count into
    a grade. A latent that fires in fewer than five dialogues has none (nan).
    """
    rare = labels[:, labels.double().mean(0) <= RARE]
    n_dialogues = int(dialogue.max()) + 1
    grades = []
    for code in codes.T:
        peaks = torch.zeros(n_dialogues).scatter_reduce(0, dialogue, code, "amax")
        values, strongest = peaks.topk(min(CONTEXTS, n_dialogues))
        if len(values) < CONTEXTS or float(values[-1]) <= 0:
            grades.append(float("nan"))
            continue
        at = [int(code.where(dialogue == d, torch.tensor(-1.0)).argmax()) for d in strongest]
        shared = int(rare[at].sum(0).max()) if rare.shape[1] else 0
        grades.append(float(RUBRIC[shared]))
    return grades
