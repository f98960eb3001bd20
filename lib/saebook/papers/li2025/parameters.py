"""Parameters of the chapter on Li et al. (2025)."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from saebook.parameters import ChapterParameters

KNOWN_FAMILIES = ("qwen2", "llama", "gemma2")


class Parameters(ChapterParameters):
    """What the notebook's parameters cell declares; each field is one scalar there."""

    tier: Literal["smoke", "testbed", "full", "colab", "paper"] = "testbed"
    """How large a run this is; stored with the results."""
    family: Literal["qwen2", "llama", "gemma2"] = "gemma2"
    """Family of the default cell: F1, F2 and F8 to F12."""
    families: str = Field("qwen2,llama,gemma2", pattern=r"^[a-z0-9]+(,[a-z0-9]+)*$")
    """Families of the grid, separated by commas; qwen2 and llama among them."""
    layer: int = Field(3, ge=0, le=4)
    """Block of the default cell, a depth of .58 to .67 as layer 18 of 28."""
    other_layer: int = Field(3, ge=0, le=4)
    """The grid's second block; the first again for a grid of one."""
    d_sae: int = Field(768, ge=96)
    """Latents of the default cell, an expansion of eight."""
    grid_d_sae: int = Field(384, ge=96)
    """Latents of the grid's SAEs, an expansion of four."""
    wide_d_sae: int = Field(384, ge=96)
    """The grid's second width; the first again for a grid of one."""
    n_seeds: int = Field(2, ge=2)
    """Seeds of every cell of the grid."""
    n_more_seeds: int = Field(2, ge=2)
    """Seeds of the default cell (F1, F2, F11, F12)."""
    block: int = Field(512, ge=32, le=512)
    """Tokens in a block of block training; a dialogue has some sixty."""
    cut: int = Field(48, ge=16, le=512)
    """Tokens at which the shortened FAST arm cuts dialogues."""
    sink: float = Field(8.0, ge=5)
    """Length of the planted sink in ordinary norms."""
    k: int = Field(13, ge=1, le=24)
    """Latents a token of the TopK SAEs, and the L0 at which arms of the sweep are compared."""
    sweep: str = Field("3,7,15", pattern=r"^[1-9][0-9]*(,[1-9][0-9]*)+$")
    """Target L0s of the sweep, rising, separated by commas."""
    n_tokens: int = Field(200_000, ge=2_000)
    """Distinct tokens the default cell's SAEs are trained on."""
    epochs: int = Field(3, ge=1)
    """Passes over them."""
    grid_n_tokens: int = Field(24_000, ge=2_000)
    """Tokens the grid's SAEs are trained on, once."""
    n_dialogues: int = Field(200, ge=8)
    """Held-out dialogues on which SAEs are measured."""
    n_batches: int = Field(40, ge=4)
    """Minibatches whose gradients are compared (F12)."""
    n_prompts: int = Field(40, ge=8)
    """Prompts that are steered; half choose the amount, half score it."""
    n_resamples: int = Field(2_000, ge=50)
    """Bootstrap resamples."""
    hub_names: str = ""
    """What answers the paper block, spaces between, each as `name`, or `name@commit` where the
    catalogue pins none: instruct models of the paper, `pile`, and sets of dialogues."""
    hub_grid: Literal["whole", "anchors", "cell"] = "whole"
    """Cells of the named models: the paper's forty, those that F1 to F3 and F7 name, or one."""
    hub_cell: str = Field("Qwen2.5-7B 18 8", pattern=r"^\S+ \d+ \d+$")
    """Model, layer and expansion of F10 to F12, as the paper's tables call them."""
    hub_n_tokens: int = Field(40_960_000, ge=1_024)
    """Tokens each SAE of a published model is trained on, once (Appendix C)."""
    hub_block: int = Field(2_048, ge=32)
    """Tokens in a block of block training (section 4.1)."""
    hub_longest: int = Field(8_192, ge=32)
    """Tokens at which single dialogues are cut (section 4.1)."""
    hub_dialogues: int = Field(5_000, ge=8)
    """Dialogues held out to measure on (section 4.1)."""
    hub_k: int = Field(50, ge=1)
    """Latents a token of the TopK SAEs (F11)."""
    hub_seeds: int = Field(3, ge=2)
    """Seeds of the SAEs behind F1 to F3, F7, F11 and F12; the other cells have one."""
    hub_batches: int = Field(40, ge=2)
    """Minibatches whose gradients are compared on the published model (F12)."""
    hub_resamples: int = Field(9_999, ge=50)
    """Bootstrap resamples of what was measured on published models."""
    seed: int = Field(0, ge=0)
    """Sink's direction, dialogues, prompts, resamples."""

    @model_validator(mode="after")
    def _both_of_the_papers_families(self) -> Self:
        chosen = self.families.split(",")
        unknown = sorted(set(chosen) - set(KNOWN_FAMILIES))
        if unknown or not {"qwen2", "llama", self.family} <= set(chosen):
            raise ValueError(
                f"families {self.families!r} must hold qwen2, llama and {self.family}, and only "
                f"names among {', '.join(KNOWN_FAMILIES)}"
            )
        return self
