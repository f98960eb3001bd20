"""Is a house SAE good enough to rest a claim on?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor

from saebook.activations import stream_activations
from saebook.corpora import TokenBatch, token_batches
from saebook.reconstruction import (
    best_direction_f1_by_concept,
    best_latent_f1_by_concept,
    dead_fraction,
    fvu_pooled,
    l0,
    next_token_nll,
    reconstruct,
    replace_by_mean,
    share_recovered,
)
from saebook.reconstruction.splice import Replace
from saebook.subjects import Subject
from saebook.testbed.house import D_MODEL
from saebook.zoo.spec import SAESpec
from saebook.zoo.store import HouseSAE

NAMEABLE_F1 = 0.7
"""A latent is nameable when, on tokens it was not chosen on, it detects a concept this well."""
CARRIED_F1 = 0.7
"""A layer carries a concept when one direction of it, whichever, detects the concept this well."""


class Bound(NamedTuple):
    """What one figure of a validity report must keep."""

    least: float
    most: float
    """Infinite where more is always better."""
    unit: str
    says: str
    """What the figure is."""


SAE_BOUNDS = {
    "valid_l0": Bound(1.0, D_MODEL / 4, "latents a token", "L0, at most a quarter of d_in"),
    "valid_fvu_pooled": Bound(0.0, 0.5, "fvu_pooled", "variance left unexplained"),
    "valid_dead_fraction": Bound(0.0, 0.5, "share", "latents that never fire"),
    "loss_recovered_mean_ablation": Bound(
        0.7, math.inf, "share", "loss recovered, against ablation to the mean"
    ),
    "best_latent_f1_median": Bound(
        0.7, 1.0, "F1",
        "median over carried concepts of the best latent's F1, chosen and scored on other texts",
    ),
    "n_nameable_latents": Bound(
        100, math.inf, "latents", f"live latents that detect a concept with F1 >= {NAMEABLE_F1}"
    ),
}  # fmt: skip
"""Bound of each figure of a validity report, set before any SAE was measured.

Half of the variance, of the latents and nearly a third of the loss may be lost; the F1 and the
count of nameable latents are the testbed's own.
"""
SAE_VALID = tuple(name for name in SAE_BOUNDS if name != "n_nameable_latents")
"""Figures that the gate `sae_valid` of the ledgers names."""


def with_validity(figures: pd.DataFrame) -> pd.DataFrame:
    """Add `valid` to a row an SAE with the columns of `SAE_VALID`: all within their bounds."""
    within = [
        figures[name].between(SAE_BOUNDS[name].least, SAE_BOUNDS[name].most) for name in SAE_VALID
    ]
    return figures.assign(valid=pd.concat(within, axis=1).all(axis=1))


def concept_labels(
    texts: Sequence[Any], batch: TokenBatch, kept: Tensor, column: dict[str, int]
) -> Tensor:
    """Which concepts hold at the kept tokens of a batch, bool [n_kept, n_concepts].

    Args:
        texts: Annotated texts; a word is a token.
        batch: Made from those texts.
        kept: Tokens to label, bool [batch, context].
        column: Column of each concept's id.
    """
    documents, positions = batch.document[kept].tolist(), batch.position[kept].tolist()
    labels = torch.zeros(len(documents), len(column), dtype=torch.bool)
    for row, (document, position) in enumerate(zip(documents, positions, strict=True)):
        for concept in texts[document].concepts[position] if position >= 0 else ():
            labels[row, column[concept]] = True
    return labels


class ValidityBench:
    """Annotated texts as one model's layer sees them: made once, then any SAE of it is measured.

    The activations, what a direction of the layer can detect, and the losses of the model alone
    and ablated are the same for every SAE.
    """

    @torch.no_grad()
    def __init__(
        self, spec: SAESpec, subject: Subject, texts: Sequence[Any], batch_size: int = 32
    ) -> None:
        """Run the model over texts that no SAE was trained on.

        Args:
            spec: Names the layer, and how texts are packed; its other fields do not matter.
            subject: The model.
            texts: Annotated texts (`.text`, `.concepts` a word), as `World.sample` returns them.
                Odd ones choose the best latent of each concept, even ones score it.
            batch_size: Sequences a forward pass.

        Raises:
            ValueError: the subject is not the spec's.
        """
        if subject.name != spec.subject:
            raise ValueError(
                f"the SAE belongs to {spec.subject!r}, the subject is {subject.name!r}"
            )
        self._subject, self._layer = subject, spec.layer
        self._batches = token_batches(subject, texts, spec.context, spec.packing, batch_size)  # type: ignore[arg-type]
        self._acts, labels, selection, concepts = _measured_tokens(
            subject, texts, self._batches, spec.layer
        )
        self._truth = labels, concepts, selection
        self._ceiling = best_direction_f1_by_concept(self._acts, *self._truth)["f1"]
        self._whole = next_token_nll(subject, self._batches)
        self._ablated = {
            "zero": self._nll(torch.zeros_like),
            "mean": self._nll(replace_by_mean(self._acts)),
        }

    def _nll(self, replace: Replace) -> float:
        return next_token_nll(self._subject, self._batches, self._layer, replace)

    @torch.no_grad()
    def report(self, sae: Any) -> dict[str, float]:
        """Measure one SAE.

        Returns:
            valid_l0, valid_fvu_pooled, valid_dead_fraction (window: all tokens), loss recovered by
            both ablations, best_latent_f1_median over the n_carried_concepts that a direction of
            the layer detects with an F1 of `CARRIED_F1`, best_latent_f1_median_all over all
            n_concepts, n_nameable_latents, n_valid_tokens.
        """
        codes = sae.encode(self._acts)
        table = best_latent_f1_by_concept(codes, *self._truth)
        carried = table.loc[self._ceiling >= CARRIED_F1, "f1"]
        spliced = self._nll(reconstruct(sae))
        recovered = {
            f"loss_recovered_{name}_ablation": share_recovered(
                self._whole, spliced, ablated, self._layer
            )
            for name, ablated in self._ablated.items()
        }
        return {
            "valid_l0": l0(codes),
            "valid_fvu_pooled": fvu_pooled(self._acts, sae.decode(codes)),
            "valid_dead_fraction": dead_fraction(codes, window_tokens=len(codes)),
            **recovered,
            "best_latent_f1_median": float(carried.median()),
            "n_carried_concepts": len(carried),
            "best_latent_f1_median_all": float(table["f1"].median()),
            "n_concepts": len(table),
            "n_nameable_latents": int(table.loc[table["f1"] >= NAMEABLE_F1, "latent"].nunique()),
            "n_valid_tokens": len(codes),
        }


def validity_report(
    entry: HouseSAE, subject: Subject, texts: Sequence[Any], batch_size: int = 32
) -> dict[str, float]:
    """Measure one SAE on annotated texts it was not trained on; see `ValidityBench`."""
    return ValidityBench(entry.spec, subject, texts, batch_size).report(entry.sae)


def _measured_tokens(
    subject: Subject, texts: Sequence[Any], batches: Sequence[TokenBatch], layer: int
) -> tuple[Tensor, Tensor, Tensor, list[str]]:
    """Activations, concept labels and the selecting half of all tokens but BOS."""
    concepts = sorted({c for text in texts for held in text.concepts for c in held})
    column = {concept: i for i, concept in enumerate(concepts)}
    acts, labels, selection = [], [], []
    for batch, part in zip(
        batches, stream_activations(subject, batches, [layer], drop_bos=True), strict=True
    ):
        kept = batch.keep(drop_bos=True)
        acts += part.values()
        labels.append(concept_labels(texts, batch, kept, column))
        selection.append(batch.document[kept] % 2 == 1)
    return torch.cat(acts), torch.cat(labels), torch.cat(selection), concepts
