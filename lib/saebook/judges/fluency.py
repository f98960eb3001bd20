"""Does a text read like the language it is in?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from saebook.judges.generator import GeneratorLikelihood
from saebook.judges.grades import Cuts, Floats, grade

FLUENT_QUANTILE = 0.1
"""Nine in ten unsteered texts are fluent by definition."""
LOOP_QUANTILE = 0.99
"""A text that repeats itself more than all but one in a hundred unsteered ones is a loop."""
GRAM = 4

Rows = Sequence[Sequence[int]]


def repeated_share(row: Sequence[int], n: int = GRAM) -> float:
    """Share of a row's n-grams that stood in it before; 0 for a row shorter than n."""
    grams = [tuple(row[i : i + n]) for i in range(len(row) - n + 1)]
    return sum(count - 1 for count in Counter(grams).values()) / len(grams) if grams else 0.0


def fluency_cuts(unsteered: Floats, shuffled: Floats) -> Cuts:
    """Cuts on mean log p: midway to shuffled words, and where nine in ten unsteered texts lie.

    Raises:
        ValueError: shuffled text is as likely as unsteered text.
    """
    if shuffled.mean() >= unsteered.mean():
        raise ValueError("shuffled words are as likely as the texts; likelihood says nothing here")
    high = float(np.quantile(unsteered, FLUENT_QUANTILE))
    return Cuts(min(float(unsteered.mean() + shuffled.mean()) / 2, high), high)


@dataclass(frozen=True, eq=False)
class FluencyJudge:
    """Likelihood under the generator; a text that loops gets 0."""

    likelihood: GeneratorLikelihood
    cuts: Cuts
    most_repeated: float
    """Repeated share above which a text is a loop."""

    @classmethod
    def calibrated(
        cls, likelihood: GeneratorLikelihood, rows: Rows, contexts: Rows, seed: int
    ) -> FluencyJudge:
        """Set the cuts on unsteered continuations and on the same with their words shuffled.

        Args:
            likelihood: Of the generator.
            rows: Unsteered continuations (token ids).
            contexts: The prompts they continue (token ids).
            seed: Of the shuffling.
        """
        rng = np.random.default_rng(seed)
        mixed = [rng.permutation(np.asarray(row)).tolist() for row in rows]
        cuts = fluency_cuts(
            likelihood.mean_logprobs(rows, contexts), likelihood.mean_logprobs(mixed, contexts)
        )
        loops = float(np.quantile([repeated_share(row) for row in rows], LOOP_QUANTILE))
        return cls(likelihood, cuts, loops)

    def grades(self, rows: Rows, contexts: Rows) -> Floats:
        """Grade of each continuation, [n]; an empty one gets 0."""
        found = grade(self.likelihood.mean_logprobs(rows, contexts), *self.cuts)
        loops = np.array([repeated_share(row) > self.most_repeated for row in rows])
        empty = np.array([not len(row) for row in rows])
        return np.where(loops | empty, 0.0, found)


def perplexity_grades(logprobs: Tensor, unsteered: Tensor, shuffled: Tensor) -> Floats:
    """Grade by mean log p under a language model that is not steered, [n].

    For texts whose generator is unknown. Cuts as in `fluency_cuts`, on the model's own figures.

    Args:
        logprobs: Mean log p a token of the texts to grade [n].
        unsteered: The same of unsteered texts.
        shuffled: The same of unsteered texts with their words shuffled.
    """
    cuts = fluency_cuts(unsteered.double().numpy(), shuffled.double().numpy())
    return grade(logprobs.double().numpy(), *cuts)
