"""Parameters of the chapter on the testbed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from saebook.parameters import ChapterParameters


class Parameters(ChapterParameters):
    """What the notebook's parameters cell declares; each field is one scalar there."""

    tier: Literal["smoke", "testbed", "full"] = "testbed"
    """How large a run this is; stored with the results."""
    model_name: str = Field("gemma2-base", min_length=1)
    """House model that the examples and the SAEs belong to."""
    models: Literal["one", "family", "all"] = "family"
    """House models whose gates are evaluated: that one, its family, or all."""
    layer: int = Field(3, ge=0, le=5)
    """Block whose output the SAEs encode."""
    architecture: Literal["standard", "gated", "topk", "batchtopk", "jumprelu"] = "topk"
    """Architecture of the SAEs trained here."""
    sparsity: float = Field(13.0, gt=0, le=24)
    """Their target L0, at most a quarter of the model's width."""
    n_tokens: int = Field(60_000, ge=2_000)
    """Tokens they are trained on."""
    n_texts: int = Field(400, ge=20)
    """Texts a register over which concepts are counted."""
    n_items: int = Field(24, ge=2)
    """Items a gate; domains take as many each, behaviours half."""
    n_sae_texts: int = Field(150, ge=10)
    """Held-out texts on which SAEs are checked."""
    seed: int = Field(0, ge=0)
    """Texts shown and counted, the gates' items, the SAEs."""
