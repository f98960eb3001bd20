"""Which skill or topic a latent stands for, on annotated text (in place of the paper's judge)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from saebook.activations import capture
from saebook.subjects import Subject
from saebook.testbed import AnnotatedText

KINDS = ("skill/", "topic/")


@torch.no_grad()
def best_concepts(
    subject: Subject, layer: int, sae: Any, texts: Sequence[AnnotatedText]
) -> dict[int, str]:
    """Return the skill or topic that each live latent detects best, by F1 of "it fires".

    Args:
        subject: The model.
        layer: Block to read.
        sae: SAE of that block.
        texts: Annotated texts; a word is a token.

    Raises:
        ValueError: No text holds a skill or a topic.
    """
    read = capture(subject, [text.text for text in texts], [layer], positions="all")
    fires = (sae.encode(read[layer]) > 0).float()
    names = sorted({c for t in texts for held in t.concepts for c in held if c.startswith(KINDS)})
    if not names:
        raise ValueError("none of the texts holds a skill or a topic")
    column = {name: i for i, name in enumerate(names)}
    truth = torch.zeros(len(fires), len(names))
    shift = int(subject.bos_id is not None)
    for row, (text, position) in enumerate(read.index[["text", "position"]].to_numpy().tolist()):
        word = position - shift
        for concept in texts[text].concepts[word] if word >= 0 else ():
            if concept in column:
                truth[row, column[concept]] = 1.0
    both = fires.T @ truth
    f1 = 2 * both / (fires.sum(0)[:, None] + truth.sum(0)[None] + 1e-9)
    live = fires.sum(0) > 0
    return {j: names[int(f1[j].argmax())] for j in live.nonzero().flatten().tolist()}
