"""House models: small language models of three families, base and instruct."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from saebook.testbed.tokenizers import build_tokenizer, vocabulary
from saebook.testbed.world import WORLD_VERSION, World, load_world

D_MODEL, N_LAYERS, CONTEXT = 96, 6, 512
DEFAULT_MODEL, DEFAULT_LAYER = "gemma2-base", 3
BLOCK_GAIN = 0.15
"""Gain of Gemma 2's post-norms at the start of training."""


@dataclass(frozen=True)
class HouseSpec:
    """What distinguishes one house model from another."""

    name: str
    family: str
    kind: str
    """base: packed text without template tokens; instruct: then one dialogue a sequence."""
    seed: int = 0
    residual_mean: float = 1.0
    """Norm of the mean embedding over text, in units of the mean norm of the centred embeddings."""
    d_model: int = D_MODEL
    """Width of the residual stream; the other widths scale with it."""

    @property
    def base(self) -> str:
        """Name of the base model that an instruct model is tuned from."""
        return self.name.replace("instruct", "base")


HOUSE_MODELS = {
    spec.name: spec
    for spec in (
        HouseSpec("gemma2-base", "gemma2", "base"),
        HouseSpec("gemma2-instruct", "gemma2", "instruct"),
        HouseSpec("llama-base", "llama", "base"),
        HouseSpec("llama-instruct", "llama", "instruct"),
        HouseSpec("qwen2-base", "qwen2", "base"),
        HouseSpec("qwen2-instruct", "qwen2", "instruct"),
        HouseSpec("gemma2-base-seed1", "gemma2", "base", seed=1),
        HouseSpec("gemma2-base-seed2", "gemma2", "base", seed=2),
        HouseSpec("gemma2-base-mean0", "gemma2", "base", residual_mean=0.0),
        HouseSpec("gemma2-base-mean3", "gemma2", "base", residual_mean=3.0),
        HouseSpec("gemma2-base-d32", "gemma2", "base", d_model=32),
        HouseSpec("gemma2-base-d48", "gemma2", "base", d_model=48),
        HouseSpec("gemma2-base-d64", "gemma2", "base", d_model=64),
    )
}


@dataclass(frozen=True)
class HouseModel:
    """A loaded house model with its tokenizer and model card."""

    spec: HouseSpec
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    card: dict[str, Any]
    """What it was trained on, for how long, and which gates it passed."""
    digest: str
    """sha256 of the weights file."""

    @property
    def name(self) -> str:
        """Name in `HOUSE_MODELS`."""
        return self.spec.name

    @property
    def family(self) -> str:
        """gemma2, llama or qwen2."""
        return self.spec.family

    @property
    def kind(self) -> str:
        """base or instruct."""
        return self.spec.kind


def build_model(spec: HouseSpec, world: World) -> PreTrainedModel:
    """Return an untrained model of the family's own transformers class, drawn from its seed."""
    torch.manual_seed(1000 + spec.seed)
    ids = build_tokenizer(world, spec.family)
    shared: dict[str, Any] = {
        "vocab_size": len(vocabulary(world, spec.family)),
        "hidden_size": spec.d_model,
        "intermediate_size": 8 * (spec.d_model // 3),
        "num_hidden_layers": N_LAYERS,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": True,
        "initializer_range": spec.d_model**-0.5,
        "pad_token_id": ids.pad_token_id,
        "bos_token_id": ids.bos_token_id,
        "eos_token_id": ids.eos_token_id,
    }
    if spec.family == "gemma2":
        # No soft-capping: it would force the slow attention path and matters only at bf16.
        shared |= {"attn_logit_softcapping": None, "final_logit_softcapping": None}
        head = spec.d_model // 4
        shared |= {"sliding_window": CONTEXT, "query_pre_attn_scalar": head, "head_dim": head}
        return _quiet_blocks(Gemma2ForCausalLM(Gemma2Config(**shared)))
    if spec.family == "llama":
        return LlamaForCausalLM(LlamaConfig(**shared))
    return Qwen2ForCausalLM(Qwen2Config(**shared))


def _quiet_blocks(model: Gemma2ForCausalLM) -> Gemma2ForCausalLM:
    """Let every block start by adding little, so that the embedding's mean lasts to the middle.

    Gemma 2 normalises what a block adds; at gain 1 eight such steps bury the embedding, and with
    it the residual mean that `HouseSpec.residual_mean` sets.
    """
    for name, parameter in model.named_parameters():
        if name.endswith(("post_attention_layernorm.weight", "post_feedforward_layernorm.weight")):
            torch.nn.init.constant_(parameter, BLOCK_GAIN - 1.0)  # the class adds 1
    return model


def house_spec(name: str) -> HouseSpec:
    """Return the spec of a house model. Raises ValueError for an unknown name."""
    if name not in HOUSE_MODELS:
        raise ValueError(f"unknown house model {name!r}; known: {', '.join(HOUSE_MODELS)}")
    return HOUSE_MODELS[name]


def model_folder(name: str) -> Path:
    """Return the folder of a shipped model, whether or not it exists yet."""
    return Path(str(resources.files("saebook.testbed"))) / "models" / house_spec(name).name


def shipped_models() -> list[str]:
    """Return the names of the models whose weights are there, in the order of `HOUSE_MODELS`."""
    return [name for name in HOUSE_MODELS if (model_folder(name) / "card.json").exists()]


@lru_cache(maxsize=4)
def load_house_model(name: str) -> HouseModel:
    """Load a shipped model in float32, in evaluation mode.

    Raises:
        ValueError: For an unknown name, a missing file, weights of another world version, or
            weights that do not match the checksum in their card.
    """
    spec, folder = house_spec(name), model_folder(name)
    weights = folder / "model.safetensors"
    if not weights.exists():
        raise ValueError(f"house model {name!r} is not shipped; train it with `make models`")
    card = json.loads((folder / "card.json").read_text("utf-8"))
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    if card["sha256"] != digest:
        raise ValueError(f"weights of {name!r} differ from their card; reinstall the package")
    if card["world_version"] != WORLD_VERSION:
        raise ValueError(
            f"{name!r} was trained in world {card['world_version']}, this is {WORLD_VERSION}; "
            "run `make models`"
        )
    world = load_world()
    model = build_model(spec, world)
    state = {key: value.float() for key, value in load_file(weights).items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected or [key for key in missing if key != "lm_head.weight"]:
        raise ValueError(f"weights of {name!r} do not fit its class: {missing} {unexpected}")
    model.tie_weights()
    model.requires_grad_(False)
    tokenizer = build_tokenizer(world, spec.family, chat=spec.kind == "instruct")
    return HouseModel(spec, model.eval(), tokenizer, card, digest)
