"""Which latents a behaviour truly moves: read from annotated documents, not from the pairs."""

from __future__ import annotations

import torch
from torch import Tensor

from saebook.activations import capture
from saebook.papers.mayne2024.arms import Arm
from saebook.papers.mayne2024.remedies import Case
from saebook.subjects import Subject
from saebook.testbed import World

LETTER = "role/letter"
"""Concept of the word that is an answer's option letter."""
TRUTH_SEED = 83_000
"""Of the documents, away from training texts, pairs and prompts."""
RELIABLE = 3.0
"""Standard errors from which a difference between the personas counts as true."""


def letter_activations(
    subject: Subject, world: World, layer: int, n_texts: int, seed: int
) -> dict[str, tuple[Tensor, Tensor]]:
    """Activations at the answer letters of behaviour documents, by behaviour and persona.

    A document's speaker answers consistently, so that the world knows for every letter whether
    the matching content follows.

    Returns:
        For each behaviour the activations [n, d_model] where the matching side is chosen and
        where the opposite one is.
    """
    texts = world.sample("behaviours", n_texts, seed + TRUTH_SEED)
    captured = capture(subject, [t.text for t in texts], [layer], positions="all")
    rows = captured.index
    first = int(subject.bos_id is not None)  # a word is a token, after the BOS
    words = rows["position"] - first
    held = [
        texts[text].concepts[at] if at >= 0 else frozenset()
        for text, at in zip(rows["text"], words, strict=True)
    ]
    sides = {}
    for name in world.behaviours:
        at = [
            torch.tensor([LETTER in c and f"behaviour/{name}{sign}" in c for c in held])
            for sign in "+-"
        ]
        sides[name] = (captured[layer][at[0]], captured[layer][at[1]])
    return sides


def true_differences(arm: Arm, sides: tuple[Tensor, Tensor]) -> Tensor:
    """Mean activation where the matching side is chosen minus elsewhere, [d_sae].

    Zero where the difference is below three standard errors (Welch), so that it has no sign.

    Raises:
        ValueError: Fewer than two letters on one of the sides.
    """
    codes = [arm.sae.encode(side) for side in sides]
    if min(map(len, codes)) < 2:
        raise ValueError(f"{[len(c) for c in codes]} letters; at least two a side are needed")
    difference = codes[0].mean(0) - codes[1].mean(0)
    error = sum(c.var(0) / len(c) for c in codes) ** 0.5
    return torch.where(difference.abs() >= RELIABLE * error, difference, 0.0)


def house_cases(arm: Arm, subject: Subject, world: World, n_texts: int, seed: int) -> list[Case]:
    """The behaviours' vectors as cases whose truth comes from annotated documents.

    Behaviours of which no latent truly differs are left out.
    """
    layer_sides = letter_activations(subject, world, arm.layer, n_texts, seed)
    mean, typical = arm.text.mean(0), float(arm.norms.median())
    cases = [
        Case(name, arm.sae, contrast, mean, typical, true_differences(arm, layer_sides[name]))
        for name, contrast in arm.contrasts.items()
    ]
    return [case for case in cases if bool(case.truth.any())]
