"""Is the concept of a latent in the text? Three judges, none of which reads the logit lens.

Cuts come from unsteered continuations of the same prompt and from natural text, before any
steered text is seen. Grade 1: more of the concept than all but 1 % of unsteered continuations
hold, and at least half a word. Grade 2: as much as natural text that is about it.

The 1 % is the judge's own floor: what passes the cut without steering scores as if it had been
steered. Give some two hundred continuations a prompt, or the quantile is a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saebook.interpretability import LexiconExplainer
from saebook.judges.annotator import ConceptAnnotator
from saebook.judges.grades import Floats, grade

UNSTEERED_QUANTILE = 0.99
"""Share of unsteered continuations that do not hold a concept, by definition of the low cut."""
LEAST = 0.5
"""Expected words below which a text does not hold a concept, however rare it is."""
REENCODED_CUTS = (0.01, 0.25)
"""Shares of a latent's natural maximum that earn grades 1 and 2."""

Rows = Sequence[Sequence[int]]


@dataclass(frozen=True, eq=False)
class InventoryJudge:
    """Counts the words that hold a concept of the world's inventory."""

    annotator: ConceptAnnotator
    low: NDArray[np.float64]
    """Low cut of each prompt and concept [n_prompts, n_concepts]."""
    high: NDArray[np.float64]
    """High cut of each concept [n_concepts]."""

    @classmethod
    def calibrated(
        cls, annotator: ConceptAnnotator, unsteered: Sequence[Rows], natural: Rows
    ) -> InventoryJudge:
        """Set the cuts.

        Args:
            annotator: Tells concepts of words.
            unsteered: For each prompt, unsteered continuations (token ids).
            natural: Natural texts of the same length as the continuations.

        Raises:
            ValueError: a prompt without continuations, or no natural text.
        """
        if not natural or not unsteered or not all(unsteered):
            raise ValueError("cuts need unsteered continuations of every prompt and natural text")
        counts = [annotator.totals(rows) for rows in unsteered]
        low = np.stack([np.quantile(c, UNSTEERED_QUANTILE, axis=0) for c in counts])
        there = annotator.totals(natural)
        about = np.where(there >= LEAST, there, np.nan)
        lacking = np.isnan(about).all(0)
        about[0, lacking] = LEAST  # a concept in no natural text: any whole mention is enough
        high = np.nanmedian(about, axis=0)
        return cls(annotator, np.maximum(low, LEAST), high)

    def grades(self, rows: Rows, prompts: Sequence[int], concepts: Sequence[int]) -> Floats:
        """Grade of concept i in row i, a continuation of prompt i, [n]."""
        at, column = np.asarray(prompts), np.asarray(concepts)
        low = self.low[at, column]
        found = self.annotator.expected(rows, column.tolist())
        return grade(found, low, np.maximum(low, self.high[column]))


@dataclass(frozen=True, eq=False)
class LexiconJudge:
    """Counts the words on which a latent's explanation expects it to fire."""

    explainer: LexiconExplainer
    low: NDArray[np.float64]
    """Low cut of each latent and prompt [n, n_prompts]."""
    high: NDArray[np.float64]
    """High cut of each latent [n]: the median of its own active windows."""

    @classmethod
    def calibrated(
        cls, explainer: LexiconExplainer, unsteered: Sequence[Rows], windows: Tensor
    ) -> LexiconJudge:
        """Set the cuts.

        Args:
            explainer: Explanations of n latents.
            unsteered: For each prompt, unsteered continuations (token ids).
            windows: Token ids of windows in which each latent fires [n, windows, width].
        """
        n = len(explainer.density)
        low = [
            np.quantile(_expected(explainer, [rows] * n), UNSTEERED_QUANTILE, axis=1)
            for rows in unsteered
        ]
        natural = explainer.probabilities(windows).sum(-1).numpy()
        return cls(explainer, np.maximum(np.stack(low, 1), LEAST), np.median(natural, axis=1))

    def grades(self, rows: Sequence[Rows], prompts: Sequence[int]) -> Floats:
        """Grades [n, texts] of texts that continue prompts [texts], for each latent its own."""
        low = self.low[:, np.asarray(prompts)]
        return grade(_expected(self.explainer, rows), low, np.maximum(low, self.high[:, None]))


def _expected(explainer: LexiconExplainer, rows: Sequence[Rows]) -> NDArray[np.float64]:
    """Expected active words [n, texts]; rows of unequal length are padded and not counted."""
    longest = max((len(row) for part in rows for row in part), default=0) or 1
    ids = torch.zeros(len(rows), len(rows[0]), longest, dtype=torch.long)
    counted = torch.zeros_like(ids, dtype=torch.bool)
    for i, part in enumerate(rows):
        for j, row in enumerate(part):
            ids[i, j, : len(row)] = torch.tensor(list(row), dtype=torch.long)
            counted[i, j, : len(row)] = True
    return (explainer.probabilities(ids) * counted).sum(-1).numpy()


def reencoded_grades(codes: Tensor, max_acts: Tensor) -> Floats:
    """Grade texts by what the unsteered model and the SAE read in them.

    Grade 1 above 1 % of the latent's natural maximum, 2 from 25 % on. It depends on the encoder
    that chose the latent, so it is reported beside the others and never alone.

    Args:
        codes: Largest activation of the latent in each text, read without steering [n].
        max_acts: The latent's largest activation in natural text [n].
    """
    share = (codes / max_acts).double().numpy()
    return grade(share, *REENCODED_CUTS)
