"""The kinds of work that chapters are made of, each with its time, memory and disk from sizes.

Operations are counted as multiplications and additions of matrix products: two for every weight a
token passes on the way forward, twice as many again on the way back, and the products of queries
with keys and of attention with values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from saebook.hub.costs.machines import Machine
from saebook.hub.schema import Dtype, SubjectEntry
from saebook.hub.sizes import (
    BYTES,
    cache_bytes,
    forward_bytes,
    n_parameters,
    n_sae_parameters,
    weight_bytes,
)

ADAM_BYTES = 16
"""Bytes a trained weight takes in float32: itself, its gradient, two moments."""


@dataclass(frozen=True)
class Cost:
    """What a piece of work needs on one device."""

    seconds: float
    memory: float
    """Bytes on the device at the peak."""
    files: Mapping[str, float]
    """Bytes of what is downloaded or written, by what it is."""

    @property
    def disk(self) -> float:
        """Bytes downloaded or written."""
        return sum(self.files.values())

    @property
    def hours(self) -> float:
        """Device hours."""
        return self.seconds / 3600


def forward_operations(
    entry: SubjectEntry, tokens: float, context: int, depth: float = 1.0
) -> float:
    """Operations of a forward pass over so many tokens in sequences of `context`.

    Args:
        entry: The model.
        tokens: Tokens in all.
        context: Tokens a sequence; a token attends to half of them on average.
        depth: Share of the blocks that are run; the output matrix counts only at 1.
    """
    embedding = entry.vocabulary * entry.d_model
    blocks = n_parameters(entry) - embedding * (1 if entry.tied else 2)
    head = embedding if depth == 1 else 0
    attention = 2 * entry.n_layers * entry.n_heads * entry.d_head * context
    return tokens * (2 * (depth * blocks + head) + depth * attention)


def sae_step_operations(d_in: int, d_sae: int, tokens: float) -> float:
    """Operations of training an SAE: six products of d_in by d_sae a token."""
    return 12.0 * d_in * d_sae * tokens


@dataclass(frozen=True)
class Reading:
    """Forward passes without gradients."""

    subject: SubjectEntry
    tokens: float
    context: int = 1024
    batch: int = 8
    depth: float = 1.0
    d_sae: int = 0
    """Latents of an SAE that encodes and decodes every token; 0 for none."""
    n_saes: int = 0
    """SAEs to download, as float32."""
    dtype: Dtype = "bfloat16"
    blocks: int = 0
    """Blocks of the model that are loaded, the first ones, without the output; 0 for all."""

    def cost(self, machine: Machine) -> Cost:
        """Time, memory and disk."""
        loaded = self.subject
        if self.blocks:
            loaded = loaded.model_copy(update={"n_layers": self.blocks, "tied": True})
        operations = forward_operations(loaded, self.tokens, self.context, self.depth)
        operations += 4.0 * self.subject.d_model * self.d_sae * self.tokens
        sae = 4 * n_sae_parameters(self.subject.d_model, self.d_sae) if self.d_sae else 0
        with_logits = self.depth == 1 and not self.blocks
        activations = forward_bytes(
            loaded, self.batch, self.context, self.dtype, logits=with_logits
        )
        memory = weight_bytes(loaded, self.dtype) + sae + activations
        files = {self.subject.repo: weight_bytes(self.subject)}
        files |= {f"{self.n_saes} published SAEs of {self.d_sae}": self.n_saes * sae}
        seconds = machine.seconds(operations, single_precision=self.dtype == "float32")
        return Cost(seconds, memory, files)


@dataclass(frozen=True)
class Generation:
    """Sampling token by token, where reading the weights from memory may be what takes time."""

    subject: SubjectEntry
    n_texts: float
    prompt: int
    new: int
    batch: int = 64
    dtype: Dtype = "bfloat16"

    def cost(self, machine: Machine) -> Cost:
        """Time, memory and disk."""
        length = self.prompt + self.new
        operations = forward_operations(self.subject, self.n_texts * length, length)
        weights = weight_bytes(self.subject, self.dtype)
        cache = cache_bytes(self.subject, self.batch, length, self.dtype)
        moved = self.n_texts / self.batch * self.new * (weights + cache)
        computed = machine.seconds(operations, single_precision=self.dtype == "float32")
        seconds = max(computed, moved / machine.bandwidth)
        return Cost(seconds, weights + cache, {self.subject.repo: weight_bytes(self.subject)})


@dataclass(frozen=True)
class SAETraining:
    """SAEs trained on one stream of a model's activations."""

    subject: SubjectEntry
    n_saes: int
    d_sae: int
    tokens: float
    batch: int
    depth: float
    context: int = 2048
    at_once: int = 1
    """SAEs in memory together."""
    single_precision: bool = False
    overhead: float = 1.0
    """Measured time over the time that operations alone would take."""

    def cost(self, machine: Machine) -> Cost:
        """Time, memory and disk."""
        d_in = self.subject.d_model
        reading = forward_operations(self.subject, self.tokens, self.context, self.depth)
        training = self.n_saes * sae_step_operations(d_in, self.d_sae, self.tokens)
        steps = self.n_saes * self.tokens / self.batch * machine.step_seconds
        train_seconds = max(machine.seconds(training, self.single_precision), steps)
        weights = n_sae_parameters(d_in, self.d_sae)
        memory = weight_bytes(self.subject, "bfloat16") + self.at_once * ADAM_BYTES * weights
        memory += forward_bytes(self.subject, 4, self.context)
        files = {self.subject.repo: weight_bytes(self.subject)}
        files |= {f"{self.n_saes} SAEs of {self.subject.name}": 4 * self.n_saes * weights}
        return Cost(self.overhead * (machine.seconds(reading) + train_seconds), memory, files)


@dataclass(frozen=True)
class Finetuning:
    """Training a model, whole or by adapters."""

    subject: SubjectEntry
    tokens: float
    context: int
    runs: int = 1
    adapters: bool = False
    """Low-rank adapters on frozen weights instead of all weights in float32."""
    frozen_bytes: float = 0.5
    """Bytes a frozen weight takes: half a byte at four bits."""
    kept: int = 1
    """Checkpoints kept, in bfloat16; those of adapters are small and not counted."""

    def cost(self, machine: Machine) -> Cost:
        """Time, memory and disk."""
        forward = forward_operations(self.subject, self.tokens * self.runs, self.context)
        n = n_parameters(self.subject)
        # Frozen weights need no gradient of their own: one backward product instead of two.
        operations = forward * (2 if self.adapters else 3)
        state = self.frozen_bytes * n if self.adapters else ADAM_BYTES * n
        saved = self.subject.n_layers * self.context * self.subject.d_model * BYTES["bfloat16"]
        memory = state + saved + forward_bytes(self.subject, 1, self.context, logits=True)
        files: dict[str, float] = {self.subject.repo: weight_bytes(self.subject)}
        if not self.adapters:
            files |= {f"checkpoints of {self.subject.name}": self.kept * 2 * n}
        return Cost(machine.seconds(operations), memory, files)


Step = Reading | Generation | SAETraining | Finetuning
