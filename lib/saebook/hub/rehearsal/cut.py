"""Which sizes a stand-in cuts: all others, and all names, keys and formats, are as published."""

from __future__ import annotations

from typing import TypeVar

from saebook.hub.schema import SAEEntry, SubjectEntry

E = TypeVar("E", SubjectEntry, SAEEntry)

D_HEAD, D_MLP = 4, 64
GEMMA_D_MODEL = 64
"""Gemma 2 states its heads' width apart from the model's, so both can be small."""
MOST_LATENTS = 16_384
"""Widths up to this are kept: the chapter on steering vectors asks for latents by their ids."""
LLAMA_SCOPE_SHARE = 32
"""Llama Scope's widths are divided by this: one of the two stays four times the other."""
N_ROWS = 40
"""Rows of a data set's split."""


def cut_subject(entry: SubjectEntry, vocabulary: int) -> SubjectEntry:
    """A model's sizes as its stand-in has them: layers and heads are kept.

    Args:
        entry: As published.
        vocabulary: Words of the stand-in's tokenizer.
    """
    d_model = GEMMA_D_MODEL if entry.family == "gemma2" else entry.n_heads * D_HEAD
    sizes = {"d_model": d_model, "d_head": D_HEAD, "d_mlp": D_MLP, "vocabulary": vocabulary}
    return entry.model_copy(update=sizes)


def cut_sae(entry: SAEEntry, d_in: int) -> SAEEntry:
    """An SAE's sizes as its stand-in has them.

    Args:
        entry: As published.
        d_in: Width of the stand-in of its model.
    """
    divided = entry.d_sae // (LLAMA_SCOPE_SHARE if entry.format == "llama_scope" else 1)
    return entry.model_copy(update={"d_in": d_in, "d_sae": min(divided, MOST_LATENTS)})


def differences(entry: E, stand_in: E) -> dict[str, tuple[int, int]]:
    """Fields in which a stand-in differs from what is published: published size, its size."""
    before, after = entry.model_dump(), stand_in.model_dump()
    return {name: (before[name], after[name]) for name in before if before[name] != after[name]}
