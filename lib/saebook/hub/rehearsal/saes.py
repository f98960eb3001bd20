"""Stand-ins of SAEs, byte layouts as published: Gemma Scope, Llama Scope, SAELens."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from saebook.hub.rehearsal.cut import cut_sae
from saebook.hub.schema import SAEEntry

QUIET = -2.0
"""Encoder bias of latents that no plan speaks of: below zero, as in the published files."""
THRESHOLD = 1.0
REST_L0 = 50.0
"""L0 of a stand-in whose published twin states none."""


class Plan(NamedTuple):
    """What a stand-in's weights are made to say, so that a rehearsal has a known answer."""

    biases: Mapping[int, float] = {}
    """Latent to encoder bias."""
    opposed: tuple[int, int, float] | None = None
    """Two latents, and the cosine of their encoder columns and of their decoder rows."""


class Weights(NamedTuple):
    """An SAE in sae-lens's shapes, for raw activations."""

    W_enc: Tensor
    b_enc: Tensor
    W_dec: Tensor
    b_dec: Tensor


def write_sae(
    entry: SAEEntry, folder: Path, acts: Tensor, plan: Plan | None = None, seed: int = 0
) -> None:
    """Write one SAE into its repository's folder.

    The encoder's length is set so that the L0 on `acts` is the published one.

    Args:
        entry: As published.
        folder: The repository.
        acts: Activations [n, d_in] of its model's stand-in at its layer.
        plan: What the weights are made to say.
        seed: Of the weights.
    """
    sizes = cut_sae(entry, acts.shape[1])
    weights = _draw(sizes, acts, plan or Plan(), seed)
    home = folder / entry.folder
    home.mkdir(parents=True, exist_ok=True)
    _WRITERS[entry.format](sizes, weights, home)


def _draw(entry: SAEEntry, acts: Tensor, plan: Plan, seed: int) -> Weights:
    generator = torch.Generator().manual_seed(seed)
    W_dec = torch.randn(entry.d_sae, entry.d_in, generator=generator)
    W_dec /= W_dec.norm(dim=1, keepdim=True)
    if plan.opposed is not None:
        first, second, cosine = plan.opposed
        other = W_dec[second] - (W_dec[second] @ W_dec[first]) * W_dec[first]
        W_dec[second] = cosine * W_dec[first] + (1 - cosine**2) ** 0.5 * other / other.norm()
    projections = (acts @ W_dec.T).flatten()
    active = round((entry.l0 or REST_L0) * len(acts))
    edge = float(projections.topk(active + 1).values[-2:].mean())
    W_enc = W_dec.T * (THRESHOLD - QUIET) / edge
    b_enc = torch.full((entry.d_sae,), QUIET)
    for latent, bias in plan.biases.items():
        b_enc[latent] = bias
    return Weights(W_enc, b_enc, W_dec, acts.mean(0))


def _gemma_scope(entry: SAEEntry, weights: Weights, home: Path) -> None:
    arrays = {
        "W_enc": weights.W_enc.numpy(),
        "W_dec": weights.W_dec.numpy(),
        "b_enc": weights.b_enc.numpy(),
        "b_dec": weights.b_dec.numpy(),
        "threshold": np.full(entry.d_sae, THRESHOLD, dtype=np.float32),
    }
    np.savez(home / "params.npz", **arrays)


def _llama_scope(entry: SAEEntry, weights: Weights, home: Path) -> None:
    """Weights for activations scaled to norm sqrt(d_in), threshold for raw ones."""
    from sae_lens.loading.pretrained_saes_directory import get_norm_scaling_factor

    scale = get_norm_scaling_factor(entry.release, entry.sae_id) or 1.0
    hyperparams = {
        "d_model": entry.d_in,
        "d_sae": entry.d_sae,
        "hook_point_in": entry.hook_name,
        "hook_point_out": entry.hook_name,
        "act_fn": "jumprelu",
        "jump_relu_threshold": THRESHOLD,
        "top_k": 50,
        "dataset_average_activation_norm": {
            "in": entry.d_in**0.5 / scale,
            "out": entry.d_in**0.5 / scale,
        },
    }
    (home / "hyperparams.json").write_text(json.dumps(hyperparams, indent=4))
    tensors = {
        "encoder.weight": weights.W_enc.T,
        "encoder.bias": weights.b_enc * scale,
        "decoder.weight": weights.W_dec.T,
        "decoder.bias": weights.b_dec * scale,
    }
    (home / "checkpoints").mkdir(exist_ok=True)
    _save(tensors, home / "checkpoints" / "final.safetensors", torch.bfloat16)


def _sae_lens(entry: SAEEntry, weights: Weights, home: Path) -> None:
    """A gated SAE as sae-lens 3 wrote it."""
    config = {
        "architecture": "gated",
        "d_in": entry.d_in,
        "d_sae": entry.d_sae,
        "activation_fn_str": "relu",
        "apply_b_dec_to_input": False,
        "finetuning_scaling_factor": False,
        "context_size": 1024,
        "model_name": "meta-llama/Meta-Llama-3-8B-Instruct",
        "hook_name": entry.hook_name,
        "hook_layer": entry.layer,
        "hook_head_index": None,
        "prepend_bos": True,
        "dataset_path": "Skylion007/openwebtext",
        "dataset_trust_remote_code": True,
        "normalize_activations": "none",
        "dtype": "float32",
        "device": "cpu",
        "sae_lens_training_version": "3.22.2",
    }
    (home / "cfg.json").write_text(json.dumps(config))
    gate = weights.b_enc - THRESHOLD
    tensors = {
        "W_enc": weights.W_enc,
        "W_dec": weights.W_dec,
        "b_dec": weights.b_dec,
        "b_gate": gate,
        "b_mag": weights.b_enc,
        "r_mag": torch.zeros(entry.d_sae),
    }
    _save(tensors, home / "sae_weights.safetensors", torch.float32)


def _save(tensors: Mapping[str, Tensor], path: Path, dtype: torch.dtype) -> None:
    save_file({name: t.to(dtype).contiguous() for name, t in tensors.items()}, path)


_WRITERS: dict[str, Callable[[SAEEntry, Weights, Path], Any]] = {
    "gemma_2": _gemma_scope,
    "llama_scope": _llama_scope,
    "sae_lens": _sae_lens,
}
