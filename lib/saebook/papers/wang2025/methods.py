"""Other ways to steer and to detect, on one list of concepts: the stack's floor and ceilings.

AxBench compares SAE latents with difference of means and prompting. Here each concept of a shared
list is steered by the best latent of an SAE (chosen on data), by the latent whose explanation
names it, by clamping, by the difference of means, by a prompt that shows the concept, and not at
all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from saebook.interpretability import LexiconExplainer, row_auroc
from saebook.papers.wang2025.parameters import Parameters
from saebook.papers.wang2025.setting import CONTENT, Setting
from saebook.papers.wang2025.utility import graded_frame, steered_texts
from saebook.reconstruction import best_latent_f1_by_concept
from saebook.steering import diff_of_means, generate_ids
from saebook.steering.vectors import Operation

CHOSEN, CLAMPED = "SAE, chosen on data", "SAE, clamped"
DIFFMEAN, PROMPT, NOTHING = "difference of means", "prompting", "nothing"
MIN_TOKENS = 40
"""Tokens of the corpus that hold a concept, at least, in either half."""
SHOWN = 16
"""Words of natural text with which prompting shows a concept."""
NAMED_FROM = 0.5
KEY = 10**6
"""Keys of the noise of this comparison start here, beyond those of latents."""


def shared_concepts(setting: Setting, n: int, seed: int) -> list[str]:
    """Draw concepts of the inventory that both halves of the corpus hold often enough.

    Raises:
        ValueError: fewer such concepts than asked for.
    """
    corpus = setting.corpus
    half = len(corpus.ids) // 2
    counts = torch.stack([corpus.labels[:half].sum((0, 1)), corpus.labels[half:].sum((0, 1))])
    enough = (counts >= MIN_TOKENS // 2).all(0).tolist()
    found = [
        c for c, often in zip(corpus.concepts, enough, strict=True)
        if often and c.split("/")[0] in CONTENT
    ]  # fmt: skip
    if len(found) < n:
        raise ValueError(
            f"{len(found)} concepts are frequent enough, {n} are asked for; lower n_concepts or "
            "raise n_corpus_tokens"
        )
    return np.random.default_rng((seed, 89)).permutation(found)[:n].tolist()


def concept_latents(setting: Setting, codes: Tensor, concepts: list[str]) -> pd.DataFrame:
    """The best latent of each concept, chosen by F1 on the first half of the corpus.

    Index concept; columns latent, f1 (on the second half).
    """
    corpus = setting.corpus
    columns = [corpus.concepts.index(c) for c in concepts]
    first = torch.zeros_like(corpus.kept)
    first[: len(corpus.ids) // 2] = True
    table = best_latent_f1_by_concept(
        codes[corpus.kept],
        corpus.labels[corpus.kept][:, columns],
        concepts,
        first[corpus.kept],
        min_positives=1,
    )
    return table.set_index("concept")[["latent", "f1"]].reindex(concepts)


def concept_directions(setting: Setting, concepts: list[str]) -> tuple[Tensor, Tensor]:
    """Unit difference of means of each concept and the largest projection on it.

    Returns:
        Directions [n, d_model]; scales [n], the largest (x - mean).u over the first half's tokens.
    """
    corpus = setting.corpus
    half = len(corpus.ids) // 2
    kept = corpus.kept[:half]
    acts, labels = corpus.acts[:half][kept], corpus.labels[:half][kept]
    mean, rows, scales = acts.mean(0), [], []
    for concept in concepts:
        held = labels[:, corpus.concepts.index(concept)]
        row = torch.nn.functional.normalize(diff_of_means(acts[held], acts[~held]), dim=0)
        rows.append(row)
        scales.append(((acts - mean) @ row).max())
    return torch.stack(rows), torch.stack(scales)


def compare_steering(
    setting: Setting, sae: Any, codes: Tensor, concepts: list[str], config: Parameters
) -> pd.DataFrame:
    """Steer every concept by every method and grade the texts.

    Returns:
        Columns method, item (concept), factor, prompt and the three grades.
    """
    best = concept_latents(setting, codes, concepts)["latent"].to_numpy()
    rows = torch.nn.functional.normalize(sae.W_dec.detach()[best], dim=1)
    peaks = codes.flatten(0, 1).amax(0)[best]
    means, scales = concept_directions(setting, concepts)
    plans: dict[str, tuple[Tensor, Tensor, Operation]] = {
        CHOSEN: (rows, peaks, "add"),
        CLAMPED: (rows, peaks, "clamp"),
        DIFFMEAN: (means, scales, "add"),
    }
    keys = range(KEY, KEY + len(concepts))
    parts = []
    for name, (directions, size, operation) in plans.items():
        frame, texts = steered_texts(setting, directions, size, keys, config, operation)
        parts.append(graded_frame(setting, frame, texts, concepts).assign(method=name))
    parts += [_prompted(setting, concepts, config), _unsteered(setting, concepts)]
    whole = pd.concat(parts, ignore_index=True)
    return whole.assign(item=[concepts[i] for i in whole.pop("row")])


def _prompted(setting: Setting, concepts: list[str], config: Parameters) -> pd.DataFrame:
    """Openings with a stretch of natural text before them that shows the concept; no steering."""
    shown = [_example(setting, concept) for concept in concepts]
    grid = [(i, p) for i in range(len(concepts)) for p in range(len(setting.openings))]
    rows = generate_ids(
        setting.subject,
        [f"{shown[i]} . {setting.openings[p].text}" for i, p in grid],
        config.n_new_tokens,
        seed=config.seed,
        batch_size=setting.batch_size,
        row_ids=[2 * KEY + i * len(setting.openings) + p for i, p in grid],
    )
    frame = pd.DataFrame(grid, columns=["row", "prompt"]).assign(factor=np.float32(1))
    return graded_frame(setting, frame, rows, concepts).assign(method=PROMPT)


def _example(setting: Setting, concept: str) -> str:
    """The stretch of natural text that holds most of a concept."""
    column = [setting.annotator.column(concept)]
    starts = [row[:SHOWN] for row in setting.text_rows if len(row) >= SHOWN]
    counts = setting.annotator.expected(starts, column * len(starts))
    return setting.subject.decode(starts[int(np.argmax(counts))])


def _unsteered(setting: Setting, concepts: list[str]) -> pd.DataFrame:
    """Fresh unsteered continuations, graded for every concept in turn."""
    grid = [(i, p) for i in range(len(concepts)) for p in range(len(setting.openings))]
    rows = [setting.fresh[p][i] for i, p in grid]
    frame = pd.DataFrame(grid, columns=["row", "prompt"]).assign(factor=np.float32(0))
    return graded_frame(setting, frame, rows, concepts).assign(method=NOTHING)


def detection_by_concept(
    setting: Setting, codes: Tensor, named: dict[str, int], concepts: list[str], seed: int
) -> pd.DataFrame:
    """AUROC of telling sequences stretches with a concept from others, scores pooled by maximum.

    Stretches of 16 tokens of the corpus' second half. `named` is the latent whose explanation
    names the concept, `chosen` the latent with the best AUROC on the first half.

    Returns:
        Index concept; columns named (nan without one), chosen, diffmean, random.
    """
    corpus = setting.corpus
    cut = corpus.ids.shape[1] // SHOWN * SHOWN
    pooled = codes[:, :cut].unflatten(1, (-1, SHOWN)).amax(2)
    held = corpus.labels[:, :cut].unflatten(1, (-1, SHOWN)).any(2)
    half, rng = len(corpus.ids) // 2, np.random.default_rng((seed, 97))
    train, test = pooled[:half].flatten(0, 1), pooled[half:].flatten(0, 1)
    directions, _ = concept_directions(setting, concepts)
    mean = corpus.acts[:half][corpus.kept[:half]].mean(0)
    rows = {}
    for concept, direction in zip(concepts, directions, strict=True):
        column = corpus.concepts.index(concept)
        there, truth = held[:half, :, column].flatten(), held[half:, :, column].flatten()
        if there.all() or not there.any() or truth.all() or not truth.any():
            continue
        chosen = int(row_auroc(train.T, there.expand(train.shape[1], -1)).argmax())
        projected = ((corpus.acts - mean) @ direction).masked_fill(~corpus.kept, -torch.inf)
        mean_scores = projected[half:, :cut].unflatten(1, (-1, SHOWN)).amax(2).flatten()
        scores = {
            "chosen": test[:, chosen],
            "diffmean": mean_scores,
            "random": test[:, int(rng.integers(test.shape[1]))],
        }
        if concept in named:
            scores["named"] = test[:, named[concept]]
        rows[concept] = {k: float(row_auroc(v[None], truth[None])) for k, v in scores.items()}
    columns = ["named", "chosen", "diffmean", "random"]
    return pd.DataFrame.from_dict(rows, orient="index").reindex(columns=columns)


def words_concept(
    setting: Setting, words: list[tuple[int, float]], concepts: list[str]
) -> str | None:
    """The concept of the list that an explanation's words stand for.

    The one with the highest mean probability at them, weighted as the words are; None where that
    is below one half, or there are no words.
    """
    if not words:
        return None
    columns = [setting.annotator.column(c) for c in concepts]
    weights = np.array([p for _, p in words])
    held = np.concatenate([setting.annotator.probabilities([t], columns) for t, _ in words])
    means = weights @ held / weights.sum()
    return concepts[int(means.argmax())] if means.max() >= NAMED_FROM else None


def named_latents(
    setting: Setting, explainer: LexiconExplainer, ids: Tensor, concepts: list[str]
) -> dict[str, int]:
    """For each concept the latent whose explanation names it most surely, where there is one.

    Args:
        setting: The model.
        explainer: Explanations of latents `ids` [n].
        ids: Latent ids.
        concepts: The shared list.
    """
    sure: dict[str, tuple[float, int]] = {}
    for row, latent in enumerate(ids.tolist()):
        words = explainer.words(row)
        concept = words_concept(setting, words, concepts)
        if concept is not None:
            best = max(p for _, p in words)
            sure[concept] = max(sure.get(concept, (0.0, latent)), (best, latent))
    return {concept: latent for concept, (_, latent) in sure.items()}
