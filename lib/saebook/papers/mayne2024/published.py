"""The published SAE of the paper: loaded by its name, and its fingerprint (R1 to R3)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from saebook.hub import HubError, published_sae
from saebook.hub.entries import data_set
from saebook.hub.named import NamedEntries, named_entries
from saebook.hub.saes import PublishedSAE, load_sae
from saebook.papers.mayne2024 import tables
from saebook.papers.mayne2024.fingerprint import bias_reading, pair_cosines, zero_column
from saebook.papers.mayne2024.parameters import Parameters


def named(config: Parameters) -> NamedEntries:
    """What the parameters name: the paper's SAE first, and models with one text or neither.

    Raises:
        HubError: No SAE, models without a text or the reverse, another model before the one that
            the paper's SAE was trained on, models without a folder of pairs, or an unknown name.
    """
    held = named_entries(config.hub_names)
    if not held.saes:
        raise HubError(f"hub_names is {config.hub_names!r}; it has to name the paper's SAE first")
    if len(held.data) > 1 or bool(held.subjects) != bool(held.data):
        raise HubError(
            f"hub_names is {config.hub_names!r}; beside the SAEs it names models and one text, or "
            "neither"
        )
    if held.subjects:
        _check_model_run(held, config)
    return held


def _check_model_run(held: NamedEntries, config: Parameters) -> None:
    sae, model = held.saes[0][0], held.subjects[0][0]
    if published_sae(sae).subject != model:
        raise HubError(
            f"R4 to R15 are measured on {published_sae(sae).subject}, on which {sae} was trained; "
            f"name it before {model} in hub_names"
        )
    if not config.caa_folder:
        raise HubError(
            f"hub_names has a model, for R4 to R15, and caa_folder is empty. {data_set('caa').note}"
        )


def load(config: Parameters, device: str = "cpu") -> PublishedSAE:
    """Load the first SAE that the parameters name, which is the paper's.

    Raises:
        HubError: It cannot be had; the message says why and what to do.
    """
    name, commit = named(config).saes[0]
    return load_sae(name, commit, device)


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


def _zero_row(b_enc: Tensor, threshold: Tensor) -> dict[str, Any]:
    column = zero_column(b_enc, threshold)
    detail = {"latents": list(column.latents), "same_ids": column.same_ids}
    return {"estimate": column.largest_difference, "n": len(column.latents), "detail": detail}


def _bias_row(W_enc: Tensor, b_enc: Tensor, b_dec: Tensor) -> dict[str, Any]:
    found = bias_reading(W_enc, b_enc, b_dec)
    detail = {"plain": found.plain, "centred": found.centred, "at_zero": found.at_zero}
    return {"estimate": found.difference, "n": 1, "detail": detail}


def _cosine_row(W_enc: Tensor, W_dec: Tensor) -> dict[str, Any]:
    found = pair_cosines(W_enc, W_dec)
    nearer = min(found.values(), key=lambda cosine: abs(cosine - tables.PAIR_COSINE))
    return {"estimate": nearer, "n": 1, "detail": found}
