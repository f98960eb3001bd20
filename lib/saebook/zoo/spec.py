"""What names a sparse autoencoder: one spec, one artifact."""

from __future__ import annotations

import hashlib
import json
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

from saebook.subjects import parse_hook

Architecture = Literal["standard", "gated", "topk", "batchtopk", "jumprelu"]
ARCHITECTURES: tuple[Architecture, ...] = ("standard", "gated", "topk", "batchtopk", "jumprelu")


class StreamSpec(NamedTuple):
    """Everything that decides which activations an SAE sees, except the hook point."""

    subject: str
    corpus: str
    packing: str
    context: int
    n_tokens: int
    data_seed: int
    tokens: str


class SAESpec(BaseModel):
    """One spec names one artifact; equal specs are the same SAE."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    subject: str = Field(default="gemma2-base", min_length=1)
    """Name of the language model."""
    hook_name: str = "blocks.3.hook_resid_post"
    """Where the activations are read: the output of one block."""
    corpus: str = Field(default="default", min_length=1)
    """Name of the text the activations come from."""
    packing: Literal["packed", "single", "masked"] = "packed"
    """Whether several texts share a context, each has its own, or they share one unseen."""
    context: int = Field(default=128, ge=2)
    """Tokens in a context."""
    architecture: Architecture = "topk"
    """The activation function and its loss."""
    sparsity: float = Field(default=13.0, gt=0)
    """Target L0 (latents active per token) for every architecture; the measured L0 is reported."""
    d_sae: int = Field(default=768, ge=2)
    """Number of latents."""
    n_tokens: int = Field(default=200_000, ge=64)
    """Distinct tokens harvested for training."""
    epochs: int = Field(default=3, ge=1)
    """Passes over the harvested tokens, reshuffled each time."""
    seed: int = Field(default=0, ge=0)
    """Seed of the SAE's initial weights."""
    data_seed: int = Field(default=0, ge=0)
    """Seed of the text and of the order of batches."""
    tokens: Literal["all", "no-bos", "no-special"] = "no-bos"
    """Which tokens are trained on; padding never is."""
    apply_b_dec_to_input: bool = False
    """Whether b_dec is subtracted from the input before encoding (Gemma Scope does not)."""
    recipe: str = Field(default="2", min_length=1)
    """Name and version of the training recipe, see `saebook.zoo.recipes`."""

    @model_validator(mode="after")
    def _coherent(self) -> SAESpec:
        parse_hook(self.hook_name)
        if self.sparsity > self.d_sae:
            raise ValueError(
                f"sparsity {self.sparsity:g} is above d_sae {self.d_sae}: no more latents than "
                "there are can be active; lower sparsity or widen the SAE"
            )
        if self.architecture == "topk" and self.sparsity != int(self.sparsity):
            raise ValueError(f"topk needs a whole number of latents, found {self.sparsity:g}")
        return self

    @property
    def layer(self) -> int:
        """Block index read from the hook's name."""
        return parse_hook(self.hook_name)

    @property
    def stream(self) -> StreamSpec:
        """The part of the spec that decides the activation stream."""
        return StreamSpec(*(getattr(self, name) for name in StreamSpec._fields))

    @property
    def label(self) -> str:
        """Short name for tables and progress bars, such as ``topk-13``."""
        return f"{self.architecture}-{self.sparsity:g}"

    def check_width(self, d_in: int) -> None:
        """Check that d_sae suits activations of width ``d_in``.

        Raises:
            ValueError: d_sae is no whole multiple of d_in, nor a power of two of at least four
                times its size, as published widths are.
        """
        published = self.d_sae >= 4 * d_in and self.d_sae.bit_count() == 1
        if not published and (self.d_sae < d_in or self.d_sae % d_in):
            raise ValueError(
                f"d_sae {self.d_sae} must be a whole multiple of d_in {d_in} "
                f"(for example {4 * d_in}), or a power of two from {4 * d_in} on"
            )

    def key(self, subject_digest: str, corpus_version: str) -> str:
        """Name the artifact: sha256 over the canonical spec, the model's digest and the text's."""
        canonical = json.dumps(
            {
                "spec": self.model_dump(mode="json"),
                "subject_digest": subject_digest,
                "corpus_version": corpus_version,
            },
            sort_keys=True,
            separators=(",", ":"),
        )
        return hashlib.sha256(canonical.encode()).hexdigest()[:32]
