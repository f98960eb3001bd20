"""A latent as a reader meets it: where it fires, what it is called, what it does when steered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from saebook import features
from saebook.interpretability import LatentCodes
from saebook.papers.wang2025.latents import LENS_K, explain_by_world
from saebook.papers.wang2025.parameters import Parameters
from saebook.papers.wang2025.setting import Setting
from saebook.papers.wang2025.utility import graded_frame, steered_texts


@dataclass(frozen=True)
class Card:
    """One latent."""

    latent: int
    concept: str
    concept_f1: float
    words: list[tuple[str, float]]
    """The explanation: words and P(active | word)."""
    lens: list[str]
    """Likeliest tokens of the logit lens."""
    windows: list[tuple[list[str], list[float]]]
    """Strongest windows: words and activations."""
    samples: list[tuple[float, str, tuple[int, int, int]]]
    """(factor, text, grades of concept, instruction and fluency) of steered openings."""


def latent_card(
    setting: Setting, sae: Any, latent: int, config: Parameters, n_windows: int = 4
) -> Card:
    """Make the card of one latent.

    Raises:
        ValueError: a dead latent, or one that fires in too few windows; it is named.
    """
    codes = setting.corpus.codes(sae)
    explained = explain_by_world(setting, LatentCodes.whole(codes), [latent], config.seed)
    windows, subject, content = explained.windows, setting.subject, explained.content
    assert content is not None
    ids = windows.read(windows.generation, setting.corpus.ids)[0]
    acts = windows.acts(windows.generation, codes)[0]
    order = acts.amax(1).argsort(descending=True)[:n_windows]
    row = torch.nn.functional.normalize(sae.W_dec.detach()[[latent]], dim=1)
    name = setting.corpus.concepts[int(content.concept[0])]
    frame, rows = steered_texts(setting, row, windows.max_acts, [latent], config)
    graded = graded_frame(setting, frame, rows, [name])
    first = graded[graded["prompt"] == 0]
    opening = setting.openings[0].text
    return Card(
        latent,
        name,
        float(content.f1[0]),
        [(subject.decode([t]), p) for t, p in explained.lexicon.words(0)],
        [subject.decode([t]) for t in features.top_tokens(subject, row, LENS_K)[0].tolist()],
        [([subject.decode([t]) for t in ids[i].tolist()], acts[i].tolist()) for i in order],
        [
            (
                float(r.factor),
                f"{opening} {subject.decode(rows[int(str(i))])}",
                (int(r.concept), int(r.instruction), int(r.fluency)),
            )
            for i, r in first.iterrows()
        ],
    )
