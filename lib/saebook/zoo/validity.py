"""Is a house SAE good enough to rest a claim on?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from saebook.activations import stream_activations
from saebook.corpora import TokenBatch, token_batches
from saebook.reconstruction import (
    best_latent_f1_by_concept,
    dead_fraction,
    fvu_pooled,
    l0,
    loss_recovered_mean_ablation,
    loss_recovered_zero_ablation,
)
from saebook.subjects import Subject
from saebook.zoo.store import HouseSAE

NAMEABLE_F1 = 0.7
"""A latent is nameable when, on tokens it was not chosen on, it detects a concept this well."""


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


@torch.no_grad()
def validity_report(
    entry: HouseSAE, subject: Subject, texts: Sequence[Any], batch_size: int = 32
) -> dict[str, float]:
    """Measure an SAE on annotated texts it was not trained on.

    Texts are packed as the SAE's were. Odd documents choose the best latent of each concept, even
    ones score it.

    Args:
        entry: The SAE.
        subject: The model it belongs to.
        texts: Annotated texts (`.text`, `.concepts` a word), as `World.sample` returns them.
        batch_size: Sequences a forward pass.

    Returns:
        valid_l0, valid_fvu_pooled, valid_dead_fraction (window: all tokens), loss recovered by
        both ablations, best_latent_f1_median, n_concepts it is over, n_nameable_latents,
        n_valid_tokens.

    Raises:
        ValueError: the subject is not the spec's.
    """
    spec = entry.spec
    if subject.name != spec.subject:
        raise ValueError(f"the SAE belongs to {spec.subject!r}, the subject is {subject.name!r}")
    batches = token_batches(subject, texts, spec.context, spec.packing, batch_size)  # type: ignore[arg-type]
    acts, labels, selection, concepts = _measured_tokens(subject, texts, batches, spec.layer)
    codes = entry.sae.encode(acts)
    table = best_latent_f1_by_concept(codes, labels, concepts, selection)
    return {
        "valid_l0": l0(codes),
        "valid_fvu_pooled": fvu_pooled(acts, entry.sae.decode(codes)),
        "valid_dead_fraction": dead_fraction(codes, window_tokens=len(codes)),
        "loss_recovered_zero_ablation": loss_recovered_zero_ablation(
            subject, batches, spec.layer, entry.sae
        ),
        "loss_recovered_mean_ablation": loss_recovered_mean_ablation(
            subject, batches, spec.layer, entry.sae
        ),
        "best_latent_f1_median": float(table["f1"].median()),
        "n_concepts": len(table),
        "n_nameable_latents": int(table.loc[table["f1"] >= NAMEABLE_F1, "latent"].nunique()),
        "n_valid_tokens": len(codes),
    }


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
