"""SAEs in sae-lens's file format: safetensors and cfg.json, never a pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file

WEIGHTS = "sae_weights.safetensors"
"""File of an SAE's weights; the name is sae-lens's."""


def load_sae(folder: Path) -> Any:
    """Load an SAE from sae-lens's files, as float32 whatever the files hold."""
    from saebook.zoo.backend import SAE

    sae = SAE.load_from_disk(folder, device="cpu", dtype="float32")
    return sae.eval().requires_grad_(False)


def save_sae(sae: Any, folder: Path, dtype: Literal["float32", "float16"] = "float32") -> None:
    """Write an SAE in sae-lens's format (safetensors and cfg.json); the SAE is left as it was.

    Raises:
        ValueError: a weight is too large for float16.
    """
    kind = getattr(torch, dtype)
    weights = {
        name: value.detach().to(kind).contiguous() for name, value in sae.state_dict().items()
    }
    for name, value in weights.items():
        if not bool(torch.isfinite(value).all()):
            raise ValueError(f"{name} does not fit into {dtype}; save it as float32")
    save_file(weights, folder / WEIGHTS)
    config = {**sae.cfg.to_dict(), "dtype": dtype, "device": "cpu"}
    write_json(folder / "cfg.json", config)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON with sorted keys, so that equal content is equal bytes."""
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
