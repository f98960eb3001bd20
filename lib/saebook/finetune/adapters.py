"""Low-rank adapters through peft, on copies of models."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import PreTrainedModel


@dataclass(frozen=True)
class LoRA:
    """A low-rank adapter (Hu et al. 2021): W + alpha / r * B A, B starting at zero."""

    r: int = 16
    """Rank."""
    alpha: float = 64.0
    """Scale of the update, over r."""
    dropout: float = 0.0
    """Dropout before A while training, at least 0 and below 1."""
    targets: tuple[str, ...] = ()
    """Last names of the linear layers that get an adapter; empty for all but the output layer."""

    def __post_init__(self) -> None:
        if self.r < 1 or self.alpha <= 0 or not 0 <= self.dropout < 1:
            raise ValueError(
                f"an adapter needs r >= 1, alpha > 0 and 0 <= dropout < 1, found r {self.r}, "
                f"alpha {self.alpha}, dropout {self.dropout}"
            )


def linear_names(model: PreTrainedModel) -> list[str]:
    """Full names of all linear layers but the output layer, in the order of the model."""
    head = model.get_output_embeddings()
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module is not head
    ]


def adapted(model: PreTrainedModel, lora: LoRA, seed: int) -> Any:
    """Return a copy of the model with an adapter; only the adapter requires gradients.

    Args:
        model: Left as it is.
        lora: Rank, scale, dropout and layers.
        seed: Draws A.

    Returns:
        A peft model; `merge_and_unload()` folds the adapter into the weights.

    Raises:
        ValueError: The adapter matches no layer of the model.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return on_model(copy.deepcopy(model), lora)


def on_model(model: PreTrainedModel, lora: LoRA) -> Any:
    """Put an adapter on the model itself, drawn from torch's own generator; see `adapted`."""
    known = linear_names(model)
    chosen = [n for n in known if not lora.targets or n.split(".")[-1] in lora.targets]
    if not chosen:
        last = sorted({name.split(".")[-1] for name in known})
        raise ValueError(
            f"the adapter's targets {', '.join(lora.targets)} match no linear layer; "
            f"the model has {', '.join(last) or 'none'}"
        )
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]
        lora_dropout=lora.dropout,
        target_modules=chosen,
        bias="none",
    )
    with warnings.catch_warnings():
        # peft asks for a property under the name that transformers is giving up.
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
        return get_peft_model(model, config)  # type: ignore[arg-type]
