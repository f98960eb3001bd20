"""Published models with what they are shown, and tables of theirs that are kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pandas as pd
import torch
from torch import Tensor

from saebook.cache import Cache
from saebook.hub import subject_entry
from saebook.hub.data import check_folder, rows
from saebook.hub.fetch import commit_of
from saebook.hub.fitting import Place, chosen_batch
from saebook.hub.models import load_published
from saebook.hub.named import Named
from saebook.hub.rehearsing import rehearsing
from saebook.hub.saes import PublishedSAE, check_against
from saebook.hub.schema import Dtype
from saebook.papers.mayne2024.arms import Arm, measure_arm
from saebook.papers.mayne2024.parameters import Parameters
from saebook.papers.mayne2024.published_pairs import CONTEXT, PublishedSource
from saebook.subjects import Subject

VERSION = 1
"""Of the tables that are kept; raised when their columns or their meaning change."""
COEFF_MAX, N_COEFFS = 1.5, 7
"""Coefficients of steerability in Tan et al. (2407.12404), to which Appendix B points."""
N_DRAWS = 20
"""Control vectors a behaviour and kind."""
N_CHARACTERS = 8_000
"""Of a document: more than `CONTEXT` tokens of ordinary text."""
TOKENS_PER_DOCUMENT = 100
"""Fewer than documents of the Pile have on average, cut at `CONTEXT`."""
BATCH = 16
"""Texts a forward pass, where memory allows."""


class OnHost:
    """An SAE that encodes where it was loaded and gives weights and codes on the CPU, float32."""

    def __init__(self, sae: Any) -> None:
        """Wrap sae-lens's SAE, with W_enc [d_in, d_sae], W_dec [d_sae, d_in] and both biases."""
        self.W_enc, self.b_enc, self.W_dec, self.b_dec = (
            weights.detach().float().cpu()
            for weights in (sae.W_enc, sae.b_enc, sae.W_dec, sae.b_dec)
        )
        self._sae = sae

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Latent activations [..., d_sae] of activations [..., d_in]."""
        return self._sae.encode(x.to(self._sae.W_enc)).float().cpu()


@dataclass(frozen=True, eq=False)
class Bench:
    """One published model, and what it is shown."""

    name: str
    """In the catalogue."""
    commit: str
    subject: Subject
    source: PublishedSource
    config: Parameters
    """With the sizes of the published run."""

    def arm(self, loaded: PublishedSAE) -> Arm:
        """Text and pairs at an SAE's layer. Raises HubError where SAE and model do not fit."""
        check_against(loaded, self.subject)
        at = self.config.model_copy(update={"layer": loaded.entry.layer})
        return measure_arm(self.subject, self.source, OnHost(loaded.sae), at)


def documents(text: Named, n_tokens: int) -> list[str]:
    """Beginnings of documents of a text, of together more than `n_tokens`. Raises HubError."""
    name, commit = text
    wanted = n_tokens // TOKENS_PER_DOCUMENT + 64
    return [row["text"][:N_CHARACTERS] for row in rows(name, "validation", commit, wanted)]


def load_bench(model: Named, texts: Sequence[str], config: Parameters) -> Bench:
    """Load a model and lay out what it is shown.

    Raises:
        HubError: It cannot be had, has no chat template where the catalogue says so, or a file of
            pairs is not the published one.
    """
    name, commit = model
    entry, folder = subject_entry(name), Path(config.caa_folder)
    if not rehearsing():
        check_folder("caa", folder)
    subject = load_published(name, commit, chat=entry.chat)
    place = Place(str(subject.device), cast(Dtype, str(subject.model.dtype).split(".")[-1]))
    batch = chosen_batch(entry, place, CONTEXT, BATCH)
    source = PublishedSource(folder, subject, entry.chat, texts, batch)
    return Bench(name, commit_of(entry, commit), subject, source, sized(config))


def sized(config: Parameters) -> Parameters:
    """The parameters with the sizes of the published run in place of the testbed's."""
    sizes = {
        "n_pairs": config.hub_pairs,
        "n_text_tokens": config.hub_text_tokens,
        "n_prompts": config.hub_prompts,
        "n_resamples": config.hub_resamples,
        "n_draws": N_DRAWS,
        "measure": "letter",
        "coeff_max": COEFF_MAX,
        "n_coeffs": N_COEFFS,
    }
    return config.model_copy(update=sizes)


def kept_table(name: str, told: list[object], make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """A table from the cache, made and kept where it is not there.

    Args:
        name: What the table is.
        told: Everything that its numbers depend on.
        make: Measures it.
    """
    stated = json.dumps([VERSION, rehearsing(), *told])
    key = f"{name}-{hashlib.sha256(stated.encode()).hexdigest()[:32]}"
    folder, _ = Cache("mayne2024").get_or_make(
        key, lambda at: make().reset_index(drop=True).to_parquet(at / "table.parquet")
    )
    return pd.read_parquet(folder / "table.parquet")
