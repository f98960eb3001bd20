"""Parameters, memory and disk of a model or SAE, counted from its sizes."""

from __future__ import annotations

from saebook.hub.schema import Dtype, SAEEntry, SubjectEntry

BYTES: dict[Dtype, int] = {"float32": 4, "bfloat16": 2, "float16": 2}
GIB = 2**30


def n_parameters(entry: SubjectEntry) -> int:
    """Weights of a model: embeddings, blocks, norms, and the output matrix where it is not tied."""
    d = entry.d_model
    heads = entry.n_heads + 2 * entry.n_kv_heads
    attention = d * entry.d_head * (heads + entry.n_heads)
    biases = heads * entry.d_head if entry.family == "qwen2" else 0
    norms = (4 if entry.family == "gemma2" else 2) * d
    block = attention + biases + 3 * d * entry.d_mlp + norms
    embeddings = entry.vocabulary * d * (1 if entry.tied else 2)
    return entry.n_layers * block + embeddings + d


def n_sae_parameters(d_in: int, d_sae: int, per_latent: int = 1) -> int:
    """Weights of an SAE: encoder, decoder, both biases and further vectors of latents.

    Args:
        d_in: Width of the residual stream.
        d_sae: Latents.
        per_latent: Vectors besides the encoder bias: 1 threshold (JumpReLU), 2 of a gated SAE.
    """
    return 2 * d_in * d_sae + d_in + (1 + per_latent) * d_sae


def weight_bytes(entry: SubjectEntry, dtype: Dtype | None = None) -> int:
    """Bytes of a model's weights, in the published type unless another is named."""
    return n_parameters(entry) * BYTES[dtype or entry.dtype]


def sae_bytes(entry: SAEEntry, dtype: Dtype = "float32") -> int:
    """Bytes of an SAE's weights once loaded."""
    return n_sae_parameters(entry.d_in, entry.d_sae) * BYTES[dtype]


def forward_bytes(
    entry: SubjectEntry,
    batch: int,
    tokens: int,
    dtype: Dtype = "bfloat16",
    *,
    logits: bool = False,
    n_layers_read: int = 1,
) -> int:
    """Bytes a forward pass without gradients holds at its peak, the weights not counted.

    The widest moment of one block (two residual copies, queries, keys and values, the gated MLP's
    three inner tensors, and attention scores in float32), the activations that are kept, and the
    logits in float32 where they are made.

    Args:
        entry: The model.
        batch: Sequences.
        tokens: Tokens a sequence.
        dtype: Type of the activations.
        logits: Whether the pass goes on to the output matrix.
        n_layers_read: Blocks whose output is kept, in float32.
    """
    heads = (entry.n_heads + 2 * entry.n_kv_heads) * entry.d_head
    inner = 2 * entry.d_model + heads + 3 * entry.d_mlp
    block = tokens * inner * BYTES[dtype] + 4 * entry.n_heads * tokens**2
    kept = 4 * n_layers_read * tokens * entry.d_model
    made = 4 * tokens * entry.vocabulary if logits else 0
    return batch * (block + kept + made)


def cache_bytes(entry: SubjectEntry, batch: int, tokens: int, dtype: Dtype = "bfloat16") -> int:
    """Bytes of the keys and values that generation keeps."""
    row = 2 * entry.n_layers * entry.n_kv_heads * entry.d_head * BYTES[dtype]
    return batch * tokens * row


def fitting_batch(
    entry: SubjectEntry,
    free_bytes: int,
    tokens: int,
    wanted: int,
    dtype: Dtype = "bfloat16",
    *,
    logits: bool = False,
    headroom: float = 0.8,
) -> int:
    """Largest batch, a halving of the one wanted, whose forward pass fits the memory left.

    Args:
        entry: The model; its weights are already in memory.
        free_bytes: Memory left.
        tokens: Tokens a sequence.
        wanted: Batch to start from.
        dtype: Type of the activations.
        logits: Whether logits are made.
        headroom: Share of the memory left that may be filled.

    Raises:
        ValueError: Not even one sequence fits.
    """
    batch = wanted
    while forward_bytes(entry, batch, tokens, dtype, logits=logits) > headroom * free_bytes:
        if batch == 1:
            need = forward_bytes(entry, 1, tokens, dtype, logits=logits) / GIB
            raise ValueError(
                f"one sequence of {tokens} tokens through {entry.name} takes {need:.1f} GiB and "
                f"{free_bytes / GIB:.1f} GiB are free; shorten the context or take a smaller model"
            )
        batch //= 2
    return batch
