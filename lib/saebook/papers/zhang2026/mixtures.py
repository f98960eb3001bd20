"""Data mixtures: extra items of two domains in a given proportion, labelled by the model itself."""

from __future__ import annotations

from collections.abc import Mapping

from saebook.finetune import Item
from saebook.papers.zhang2026.exams import draw_exam, own_answers, training_item
from saebook.subjects import Subject
from saebook.testbed.world import World

EXTRA_SHARE = 220 / 817
"""Extra items over source items, section 5."""
TRAINING_SEED = 40_000
"""Of the extra items, away from the exam's."""


def proportions(scores: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Return the compared mixtures of two domains: by score, equal and inverse shares.

    Raises:
        ValueError: Not two domains, or a score that is not above 0.
    """
    if len(scores) != 2 or min(scores.values()) <= 0:
        raise ValueError(f"a mixture takes two domains with positive scores, found {dict(scores)}")
    (first, a), (second, b) = scores.items()
    share = a / (a + b)
    return {
        "mix-none": {first: 0.0, second: 0.0},
        "mix-score": {first: share, second: 1 - share},
        "mix-equal": {first: 0.5, second: 0.5},
        "mix-inverse": {first: 1 - share, second: share},
    }


def mixed_items(
    subject: Subject, world: World, shares: Mapping[str, float], n_source: int, seed: int
) -> list[Item]:
    """Return extra items of each domain by its share, with the model's own answers as labels."""
    total = EXTRA_SHARE * n_source
    items = []
    for domain, share in shares.items():
        n = round(total * share)
        if n:
            asked = draw_exam(world, "skill", domain, n, TRAINING_SEED + seed)
            problems = own_answers(subject, [problem for problem, _ in asked])
            items += [training_item(subject, problem) for problem in problems]
    return items
