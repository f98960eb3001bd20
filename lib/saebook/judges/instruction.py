"""Does a text still follow its instruction?

The testbed's instruction names a topic, so that following it can be counted. Cuts are thirds of
the way from shuffled pairs (a text against another prompt's topic) to unsteered pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from saebook.judges.annotator import ConceptAnnotator
from saebook.judges.grades import Cuts, Floats, grade
from saebook.steering import continuation_logprobs
from saebook.subjects import Subject

Rows = Sequence[Sequence[int]]


def thirds(shuffled: float, unsteered: float) -> Cuts:
    """Cuts at one and two thirds of the way. Raises ValueError if unsteered text scores lower."""
    if unsteered <= shuffled:
        raise ValueError(
            f"unsteered text scores {unsteered:.3g} on its own instruction and {shuffled:.3g} on "
            "others; this judge cannot tell them apart"
        )
    gap = (unsteered - shuffled) / 3
    return Cuts(shuffled + gap, shuffled + 2 * gap)


@dataclass(frozen=True, eq=False)
class TopicJudge:
    """Share of a text's words that belong to the topic its prompt names."""

    annotator: ConceptAnnotator
    topics: tuple[int, ...]
    """Column of each prompt's topic."""
    cuts: Cuts

    @classmethod
    def calibrated(
        cls, annotator: ConceptAnnotator, topics: Sequence[str], unsteered: Sequence[Rows]
    ) -> TopicJudge:
        """Set the cuts on unsteered continuations of each prompt.

        Raises:
            ValueError: topics that are all one, or a topic no text held.
        """
        columns = tuple(annotator.column(topic) for topic in topics)
        if len(set(columns)) < 2:
            raise ValueError("shuffled pairs need prompts of at least two topics")
        own, other = [], []
        for column, rows in zip(columns, unsteered, strict=True):
            own.append(_shares(annotator, rows, [column] * len(rows)))
            for different in sorted(set(columns) - {column}):
                other.append(_shares(annotator, rows, [different] * len(rows)))
        cuts = thirds(float(np.concatenate(other).mean()), float(np.concatenate(own).mean()))
        return cls(annotator, columns, cuts)

    def grades(self, rows: Rows, prompts: Sequence[int]) -> Floats:
        """Grade of row i as a continuation of prompt i, [n]."""
        topics = [self.topics[prompt] for prompt in prompts]
        return grade(_shares(self.annotator, rows, topics), *self.cuts)


def _shares(annotator: ConceptAnnotator, rows: Rows, concepts: Sequence[int]) -> np.ndarray:
    lengths = np.array([max(len(row), 1) for row in rows])
    return annotator.expected(rows, concepts) / lengths


def instruction_pmi(
    subject: Subject, instructions: Sequence[str], outputs: Sequence[str], neutral: str
) -> Tensor:
    """log p(output | instruction) - log p(output | neutral prompt), nats a token, [n].

    For texts without a ground truth; cuts by `thirds` on unsteered and shuffled pairs.

    Raises:
        ValueError: numbers of instructions and outputs differ, or an empty output.
    """
    given = mean_logprobs(subject, instructions, outputs)
    return given - mean_logprobs(subject, [neutral] * len(outputs), outputs)


def mean_logprobs(
    subject: Subject, prompts: Sequence[str], outputs: Sequence[str], batch_size: int = 32
) -> Tensor:
    """Mean log p a token of each output after its prompt, nats [n], by a model not steered.

    Raises:
        ValueError: numbers of prompts and outputs differ, or an empty output.
    """
    found = continuation_logprobs(subject, prompts, outputs, batch_size=batch_size)
    return found / torch.tensor([len(row) for row in subject.encode(outputs, bos=False)])
