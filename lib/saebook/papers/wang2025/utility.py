"""Steering along decoder rows and grading what comes out (section 2.3 and App. C)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from saebook.judges import LexiconJudge, harmonic_mean
from saebook.papers.wang2025.latents import Explained
from saebook.papers.wang2025.parameters import Parameters
from saebook.papers.wang2025.setting import Setting, Steered
from saebook.steering import SteeringVector, generate_ids
from saebook.steering.vectors import Operation

SUCCESS_TOKENS = 20
GRADES = ("concept", "instruction", "fluency")


def steered_texts(
    setting: Steered,
    directions: Tensor,
    scales: Tensor,
    keys: Sequence[int],
    config: Parameters,
    operation: Operation = "add",
) -> tuple[pd.DataFrame, list[list[int]]]:
    """Continue every opening under every direction and factor, at all positions.

    x' = x + (factor * scale) * direction for "add".

    Args:
        setting: The model and its openings.
        directions: Unit vectors [n, d_model].
        scales: What a factor of 1 means for each of them [n].
        keys: Key of each direction's noise, so that texts do not depend on what else is steered.
        config: Factors, length and seed.
        operation: How the vector acts.

    Returns:
        Columns row (index of the direction), factor, prompt; and the token ids of each text.
    """
    factors, n_prompts = config.factor_list, len(setting.openings)
    grid = [
        (i, f, p)
        for i in range(len(directions))
        for f in range(len(factors))
        for p in range(n_prompts)
    ]
    steering = [
        SteeringVector(directions[i], setting.layer, factors[f] * float(scales[i]), operation)
        for i, f, _ in grid
    ]
    noise = [(keys[i] * len(factors) + f) * n_prompts + p for i, f, p in grid]
    rows = generate_ids(
        setting.subject,
        [setting.openings[p].text for _, _, p in grid],
        config.n_new_tokens,
        steering,
        seed=config.seed,
        batch_size=setting.batch_size,
        row_ids=noise,
    )
    frame = pd.DataFrame(
        {
            "row": np.array([i for i, _, _ in grid], dtype=np.int16),
            "factor": np.array([factors[f] for _, f, _ in grid], dtype=np.float32),
            "prompt": np.array([p for _, _, p in grid], dtype=np.int8),
        }
    )
    return frame, rows


def graded_frame(
    setting: Setting, frame: pd.DataFrame, rows: list[list[int]], concepts: Sequence[str]
) -> pd.DataFrame:
    """Add the three grades to steered texts; direction i is steered towards concept i."""
    columns = np.array([setting.annotator.column(name) for name in concepts])
    prompts = frame["prompt"].astype(int).tolist()
    grades = setting.graded(rows, prompts, columns[frame["row"].to_numpy()].tolist())
    added = {name: values.astype(np.int8) for name, values in zip(GRADES, grades, strict=True)}
    return frame.assign(**added)


class Grader(Protocol):
    """Grades texts steered along latents: columns `GRADES` and others, int8, a row a text."""

    def __call__(
        self, explained: Explained, at: Tensor, frame: pd.DataFrame, rows: list[list[int]]
    ) -> dict[str, NDArray[np.int8]]:
        """Grade texts.

        Args:
            explained: The chosen latents.
            at: Place among them of each latent steered [n].
            frame: Columns row, factor and prompt of `steered_texts`.
            rows: Token ids of the texts.
        """
        ...


def world_grader(setting: Setting) -> Grader:
    """Grades by the world's inventory; "lexicon" is the concept grade by the explanation."""

    def graded(
        explained: Explained, at: Tensor, frame: pd.DataFrame, rows: list[list[int]]
    ) -> dict[str, NDArray[np.int8]]:
        if explained.content is None:
            raise ValueError("these latents have no concepts; explain them by the world")
        names = [setting.corpus.concepts[i] for i in explained.content.concept[at].tolist()]
        table = graded_frame(setting, frame, rows, names)
        lexicon = lexicon_grades(setting, explained, at, rows)
        return {name: table[name].to_numpy() for name in GRADES} | {
            "lexicon": lexicon.astype(np.int8)
        }

    return graded


def latent_texts(
    setting: Steered,
    explained: Explained,
    at: Tensor,
    decoder: Tensor,
    lens_tokens: Tensor,
    config: Parameters,
    grader: Grader,
) -> pd.DataFrame:
    """Steer chosen latents of an SAE along given rows and grade the texts.

    Args:
        setting: The model.
        explained: The chosen latents.
        at: Place among them of each latent steered [n]; it may come back with another row.
        decoder: Row to steer along for each of them [n, d_model].
        lens_tokens: Logit-lens tokens of each latent's own row [n, 20].
        config: Sizes and seed.
        grader: Grades the texts.

    Returns:
        Columns row (0 to n - 1), latent, factor, prompt, what the grader gives, and success
        (generated tokens, of the first 20, that the logit lens lists: Gen-Success@20).
    """
    ids, scales = explained.ids[at], explained.windows.max_acts[at]
    directions = torch.nn.functional.normalize(decoder, dim=1)
    frame, rows = steered_texts(setting, directions, scales, ids.tolist(), config)
    grades = grader(explained, at, frame, rows)
    lists = [frozenset(part) for part in lens_tokens.tolist()]
    pairs = zip(frame["row"].astype(int).tolist(), rows, strict=True)
    success = [sum(t in lists[i] for t in row[:SUCCESS_TOKENS]) for i, row in pairs]
    return frame.assign(
        **grades,
        latent=ids.numpy().astype(np.int16)[frame["row"].to_numpy()],
        success=np.array(success, dtype=np.int16),
    )


def lexicon_grades(
    setting: Steered, explained: Explained, at: Tensor, rows: list[list[int]]
) -> NDArray[np.float64]:
    """Concept grades by the explanations; texts stand steered row by steered row."""
    windows, each = explained.windows, len(rows) // len(at)
    generation = windows.read(windows.generation, setting.corpus.ids)
    judge = LexiconJudge.calibrated(explained.lexicon, setting.unsteered, generation)
    prompts = [i % len(setting.openings) for i in range(each)]
    parts = [rows[i * each : (i + 1) * each] for i in range(len(at))]
    found = np.zeros((len(at), each))
    places, left = at.tolist(), set(range(len(at)))
    while left:  # each turn takes every explanation once, as the judge wants them
        turn = {places[i]: i for i in sorted(left, reverse=True)}
        grades = judge.grades(
            [parts[turn[p]] if p in turn else [[]] * each for p in range(len(explained.ids))],
            prompts,
        )
        for place, i in turn.items():
            found[i] = grades[place]
        left -= set(turn.values())
    return found.ravel()


def with_hm(frame: pd.DataFrame, concept: str = "concept") -> pd.DataFrame:
    """Add hm, the harmonic mean of the three grades, text by text, zeros kept."""
    grades = (frame[name].to_numpy(float) for name in (concept, "instruction", "fluency"))
    return frame.assign(hm=harmonic_mean(*grades))


def utilities(frame: pd.DataFrame, by: Sequence[str], n_dev: int) -> pd.DataFrame:
    """Each item's factor, chosen on the first prompts, and its score on the others.

    alpha* = argmax over factors of the mean hm on the development prompts (ties: the smallest);
    the score is the mean hm on the held-out prompts at alpha*.

    Args:
        frame: Texts with hm (see `with_hm`), factor and prompt.
        by: Columns that name an item.
        n_dev: Development prompts.

    Returns:
        Index `by`; columns factor, dev, score, and half_a and half_b (held-out prompts split by
        parity, for reliability).

    Raises:
        ValueError: no prompt is left to score on.
    """
    if frame["prompt"].max() < n_dev:
        raise ValueError(f"all prompts are development prompts (n_dev {n_dev}); nothing to score")
    dev = frame["prompt"] < n_dev
    means = frame[dev].groupby([*by, "factor"], sort=False)["hm"].mean().unstack("factor")
    means = means.sort_index(axis=1)
    chosen = means.idxmax(axis=1)  # the first of equals, so the smallest factor
    held = frame[~dev].merge(chosen.rename("chosen").reset_index(), on=list(by))
    held = held[held["factor"] == held["chosen"]]
    parity = (held["prompt"] - n_dev) % 2
    parts = {
        "factor": chosen,
        "dev": means.max(axis=1),
        "score": held.groupby(list(by))["hm"].mean(),
        "half_a": held[parity == 0].groupby(list(by))["hm"].mean(),
        "half_b": held[parity == 1].groupby(list(by))["hm"].mean(),
    }
    return pd.DataFrame(parts).reindex(means.index)
