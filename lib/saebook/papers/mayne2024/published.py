"""The published SAE of the paper: its fingerprint (R1 to R3), and whether it fits its model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from saebook.activations import capture
from saebook.hub import subject_entry
from saebook.hub.data import rows
from saebook.hub.fitting import Place, chosen_batch, in_batches
from saebook.hub.models import load_published
from saebook.hub.saes import PublishedSAE, check_against, check_l0, load_sae
from saebook.hub.schema import Dtype
from saebook.papers.mayne2024 import tables
from saebook.papers.mayne2024.fingerprint import (
    bias_reading,
    jumprelu,
    pair_cosines,
    zero_column,
)
from saebook.papers.mayne2024.parameters import Parameters
from saebook.subjects import Subject

N_DOCUMENTS, N_CHARACTERS, BATCH = 32, 1_000, 8
"""Calibration text: the beginnings of documents of the Pile."""


def load(config: Parameters) -> PublishedSAE:
    """Load the SAE that the parameters name.

    Raises:
        HubError: It cannot be had; the message says why and what to do.
    """
    return load_sae(*config.published_names[0])


def fingerprint_rows(loaded: PublishedSAE) -> dict[str, dict[str, Any]]:
    """Rows R1 to R3 of the ledger's paper block, as `Results.record` takes them.

    Raises:
        ValueError: The SAE is too narrow to have the printed latents.
    """
    sae = loaded.sae
    return {
        "R1": _zero_row(sae.b_enc, loaded.threshold),
        "R2": _bias_row(sae.W_enc, sae.b_enc, sae.b_dec),
        "R3": _cosine_row(sae.W_enc, sae.W_dec),
    }


def l0_on_its_model(loaded: PublishedSAE, config: Parameters) -> float:
    """Load the SAE's model and a little of the Pile, and hold the L0 against the published one.

    Raises:
        HubError: Model or text cannot be had, do not fit the SAE, or the L0 is far off.
    """
    _, model, text = config.published_names
    subject = load_published(*model)
    check_against(loaded, subject)
    held = rows(text[0], "validation", text[1], limit=N_DOCUMENTS)
    texts = [row["text"][:N_CHARACTERS] for row in held]
    return check_l0(loaded, _ordinary(subject, texts, loaded.entry.layer))


def _ordinary(subject: Subject, texts: Sequence[str], layer: int) -> Tensor:
    """Activations [n, d_model] at all tokens but BOS."""

    def read(some: Sequence[str]) -> Tensor:
        found = capture(subject, some, [layer], positions="all", batch_size=len(some))
        kept = (found.index["token_id"] != subject.bos_id).to_numpy()
        return found[layer][torch.tensor(kept)]

    place = Place(str(subject.device), cast(Dtype, str(subject.model.dtype).split(".")[-1]))
    batch = chosen_batch(subject_entry(subject.name), place, N_CHARACTERS, BATCH)
    return torch.cat(list(in_batches(read, texts, batch)))


def _zero_row(b_enc: Tensor, threshold: Tensor) -> dict[str, Any]:
    """With other latents in the lead, the distance of the leading values counts as well."""
    column = zero_column(b_enc, threshold)
    printed = [value for _, value in tables.TABLE_1[tables.ZERO]]
    leading = jumprelu(b_enc, threshold).topk(len(printed)).values.tolist()
    gaps = [abs(found - value) for found, value in zip(leading, printed, strict=True)]
    detail = {"latents": list(column.latents), "same_ids": column.same_ids}
    worst = max(column.largest_difference, *gaps)
    return {"estimate": worst, "n": len(printed), "detail": detail}


def _bias_row(W_enc: Tensor, b_enc: Tensor, b_dec: Tensor) -> dict[str, Any]:
    found = bias_reading(W_enc, b_enc, b_dec)
    detail = {"plain": found.plain, "centred": found.centred, "at_zero": found.at_zero}
    return {"estimate": found.difference, "n": 1, "detail": detail}


def _cosine_row(W_enc: Tensor, W_dec: Tensor) -> dict[str, Any]:
    found = pair_cosines(W_enc, W_dec)
    nearer = min(found.values(), key=lambda cosine: abs(cosine - tables.PAIR_COSINE))
    return {"estimate": nearer, "n": 1, "detail": found}
