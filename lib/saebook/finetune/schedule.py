"""A fine-tuning schedule: how often, how much at a time, and how fast."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

Decay = Literal["linear", "cosine", "constant"]


@dataclass(frozen=True)
class Schedule:
    """Sizes and step lengths of one fine-tuning.

    Raises:
        ValueError: A value out of range, named with what is allowed.
    """

    epochs: int = 10
    """Passes over the items."""
    batch_size: int = 256
    """Items an optimiser step; the last step of an epoch may hold fewer."""
    lr: float = 1e-3
    """Peak learning rate of AdamW."""
    warmup_share: float = 0.1
    """Share of all steps over which the rate rises from near 0 to its peak."""
    decay: Decay = "cosine"
    """How the rate falls to 0 after the warm-up; "constant" keeps the peak."""
    weight_decay: float = 0.01
    """AdamW's decoupled decay."""
    betas: tuple[float, float] = (0.9, 0.95)
    """AdamW's decay rates."""
    clip: float = 1.0
    """Largest norm of a step's gradient."""

    def __post_init__(self) -> None:
        limits = {
            "epochs": self.epochs >= 1,
            "batch_size": self.batch_size >= 1,
            "lr": math.isfinite(self.lr) and self.lr > 0,
            "warmup_share": 0 <= self.warmup_share <= 1,
            "decay": self.decay in get_args(Decay),
            "weight_decay": self.weight_decay >= 0,
            "clip": self.clip > 0,
        }
        for name, holds in limits.items():
            if not holds:
                raise ValueError(
                    f"schedule: {name} is {getattr(self, name)!r}; epochs and batch_size are at "
                    "least 1, lr and clip above 0, warmup_share 0 to 1, weight_decay at least 0, "
                    f"decay one of {', '.join(get_args(Decay))}"
                )

    def n_steps(self, n_items: int) -> int:
        """Optimiser steps for a number of items."""
        return self.epochs * math.ceil(n_items / self.batch_size)

    def lr_at(self, step: int, n_steps: int) -> float:
        """Learning rate of step `step` (from 0) of `n_steps`."""
        warmup = round(self.warmup_share * n_steps)
        if step < warmup:
            return self.lr * (step + 1) / warmup
        share = (step - warmup) / max(1, n_steps - warmup)
        falls = {
            "constant": 1.0,
            "linear": 1.0 - share,
            "cosine": 0.5 * (1.0 + math.cos(math.pi * share)),
        }
        return self.lr * falls[self.decay]
