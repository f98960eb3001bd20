"""Parameters of the chapter on He et al. (2024)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from saebook.parameters import ChapterParameters


class Parameters(ChapterParameters):
    """What the notebook's parameters cell declares; each field is one scalar there."""

    tier: Literal["smoke", "testbed", "full", "colab", "paper"] = "testbed"
    """How large a run this is; stored with the results."""
    family: Literal["llama", "qwen2", "gemma2"] = "gemma2"
    """Family of the base and the instruct model."""
    other_family: Literal["llama", "qwen2", "gemma2"] = "qwen2"
    """Family whose SAE is the control that must not transfer."""
    layer: int = Field(3, ge=0, le=4)
    """Block where one SAE speaks for all; every block is measured."""
    k: int = Field(13, ge=1, le=24)
    """Latents a token; 50 of 4,096 in the paper."""
    d_sae: int = Field(768, ge=96)
    """Latents of an SAE, eight times the width."""
    wide_d_sae: int = Field(1536, ge=96)
    """Latents of the wide ones, sixteen times the width."""
    context: int = Field(128, ge=32, le=256)
    """Tokens in a training context."""
    long_context: int = Field(512, ge=128, le=512)
    """Tokens in a context that is longer than trained on."""
    sink: float = Field(8.0, ge=5)
    """Length of the planted sink in ordinary norms (L8)."""
    n_tokens: int = Field(100_000, ge=2_000)
    """Distinct tokens an SAE is trained on."""
    epochs: int = Field(3, ge=1)
    """Passes over them."""
    n_dialogues: int = Field(120, ge=8)
    """Held-out dialogues."""
    n_documents: int = Field(48, ge=8)
    """Held-out documents of each kind."""
    n_long_documents: int = Field(2_000, ge=8)
    """Held-out documents of each kind that fill the long contexts."""
    n_resamples: int = Field(2_000, ge=50)
    """Bootstrap resamples."""
    hub_names: str = ""
    """Published models, SAEs and texts that answer the paper's rows; none where empty."""
    hub_layer_step: int = Field(1, ge=1)
    """Of the layers named, every so-manieth is measured, from the last one down."""
    hub_blocks: int = Field(0, ge=0)
    """Blocks of a published model that are loaded; 0 for all."""
    hub_context: int = Field(1_024, ge=8)
    """Tokens of a published document or dialogue that are read, as in the SAEs' training."""
    hub_documents: int = Field(1_600, ge=2)
    """Published documents."""
    hub_chats: int = Field(4_000, ge=2)
    """Published dialogues."""
    hub_long_context: int = Field(8_192, ge=16)
    """Tokens in a long context of a published model."""
    hub_long_documents: int = Field(166, ge=2)
    """Published documents that fill it."""
    seed: int = Field(0, ge=0)
    """Sink's direction, texts, resamples."""
