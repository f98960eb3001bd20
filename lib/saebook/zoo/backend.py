"""The one door to sae-lens, and the training classes this book adds to its registry.

Importing sae-lens also imports wandb; its mode is set first so that no run folder is ever made.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from typing import Any

os.environ.setdefault("WANDB_MODE", "disabled")
os.environ.setdefault("WANDB_SILENT", "true")

import torch
from sae_lens import (
    SAE,
    BatchTopKTrainingSAE,
    BatchTopKTrainingSAEConfig,
    GatedTrainingSAE,
    GatedTrainingSAEConfig,
    JumpReLUTrainingSAE,
    JumpReLUTrainingSAEConfig,
    StandardTrainingSAE,
    StandardTrainingSAEConfig,
    TopKTrainingSAE,
    TopKTrainingSAEConfig,
    TrainingSAE,
    register_sae_training_class,
)
from sae_lens.config import LoggingConfig, SAETrainerConfig
from sae_lens.registry import SAE_TRAINING_CLASS_REGISTRY, get_sae_class
from sae_lens.saes.matching_pursuit_sae import MatchingPursuitSAE, MatchingPursuitSAEConfig
from sae_lens.saes.sae import TrainStepInput, TrainStepOutput
from sae_lens.saes.topk_sae import TopK
from sae_lens.training.optim import get_lr_scheduler
from sae_lens.training.sae_trainer import SAETrainer

__all__ = [
    "SAE",
    "BatchTopKTrainingSAE",
    "BatchTopKTrainingSAEConfig",
    "LoggingConfig",
    "MatchingPursuitSAE",
    "MatchingPursuitSAEConfig",
    "SAETrainer",
    "SAETrainerConfig",
    "TrainingSAE",
    "get_lr_scheduler",
]


class L0Controlled:
    """Mixin that steers the sparsity coefficient during training until the L0 meets its target.

    A proportional-integral controller on the coefficient's logarithm. After each step
    e = clip(log(L0 / wanted), -1, 1); the log-coefficient is integral + proportional * e, and the
    integral grows by gain * e. `wanted` falls geometrically from d_sae / 2 to `target_l0` over the
    first `l0_anneal_steps` steps. Nothing in it is random; what it reaches is measured
    afterwards, never assumed.
    """

    coefficient_name: str
    coefficient: float
    integral: float
    cfg: Any

    def start_control(self) -> None:
        """Set the coefficient to where the recipe starts it."""
        self.coefficient = self.cfg.initial_coefficient
        self.integral = math.log(self.coefficient)

    def wanted_l0(self, step: int) -> float:
        """The L0 asked for at a step."""
        done = min(1.0, step / max(1, self.cfg.l0_anneal_steps))
        start = self.cfg.d_sae / 2
        return start * (self.cfg.target_l0 / start) ** done

    def training_forward_pass(self, step_input: TrainStepInput) -> TrainStepOutput:
        """Run sae-lens's step under the controlled coefficient, then move the coefficient."""
        controlled = {**step_input.coefficients, self.coefficient_name: self.coefficient}
        output = super().training_forward_pass(  # type: ignore[misc]
            replace(step_input, coefficients=controlled)
        )
        measured = int(torch.count_nonzero(output.feature_acts)) / len(output.feature_acts)
        self.steer(measured, step_input.n_training_steps)
        return output

    def steer(self, measured_l0: float, step: int) -> None:
        """Move the coefficient after a step whose L0 was measured."""
        error = math.log(max(measured_l0, 1e-3) / self.wanted_l0(step))
        error = max(-1.0, min(1.0, error))
        self.integral += self.cfg.integral_gain * error
        self.coefficient = math.exp(self.integral + self.cfg.proportional_gain * error)


@dataclass
class L0ControlConfig:
    """Fields of the controller, added to sae-lens's own."""

    target_l0: float | None = None
    l0_anneal_steps: int = 0
    proportional_gain: float = 0.5
    integral_gain: float = 0.05
    initial_coefficient: float = 1.0


@dataclass
class ControlledStandardConfig(L0ControlConfig, StandardTrainingSAEConfig):
    """sae-lens's standard SAE with a controlled L1 coefficient."""

    decoder_norm_in_l1: bool = True

    @classmethod
    def architecture(cls) -> str:
        return "saebook_standard"

    def get_inference_config_class(self) -> Any:
        return get_sae_class("standard")[1]


class ControlledStandard(L0Controlled, StandardTrainingSAE):
    """ReLU SAE; with `decoder_norm_in_l1` off the penalty is the plain sum of activations."""

    coefficient_name = "l1"

    def __init__(self, cfg: ControlledStandardConfig, use_error_term: bool = False) -> None:
        super().__init__(cfg, use_error_term)
        self.start_control()

    def calculate_aux_loss(
        self,
        step_input: TrainStepInput,
        feature_acts: torch.Tensor,
        hidden_pre: torch.Tensor,
        sae_out: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """L1 penalty, weighted by decoder norms or not."""
        if self.cfg.decoder_norm_in_l1:
            return super().calculate_aux_loss(step_input, feature_acts, hidden_pre, sae_out)
        return {"l1_loss": step_input.coefficients["l1"] * feature_acts.sum(-1).mean()}


@dataclass
class ControlledGatedConfig(L0ControlConfig, GatedTrainingSAEConfig):
    """sae-lens's gated SAE with a controlled L1 coefficient."""

    @classmethod
    def architecture(cls) -> str:
        return "saebook_gated"

    def get_inference_config_class(self) -> Any:
        return get_sae_class("gated")[1]


class ControlledGated(L0Controlled, GatedTrainingSAE):
    """Gated SAE whose L1 coefficient is controlled."""

    coefficient_name = "l1"

    def __init__(self, cfg: ControlledGatedConfig, use_error_term: bool = False) -> None:
        super().__init__(cfg, use_error_term)
        self.start_control()


@dataclass
class ControlledJumpReLUConfig(L0ControlConfig, JumpReLUTrainingSAEConfig):
    """sae-lens's JumpReLU SAE (step penalty) with a controlled L0 coefficient."""

    @classmethod
    def architecture(cls) -> str:
        return "saebook_jumprelu"

    def get_inference_config_class(self) -> Any:
        return get_sae_class("jumprelu")[1]


class ControlledJumpReLU(L0Controlled, JumpReLUTrainingSAE):
    """JumpReLU SAE whose L0 coefficient is controlled."""

    coefficient_name = "l0"

    def __init__(self, cfg: ControlledJumpReLUConfig, use_error_term: bool = False) -> None:
        super().__init__(cfg, use_error_term)
        self.start_control()


@dataclass
class AnnealedTopKConfig(TopKTrainingSAEConfig):
    """sae-lens's TopK SAE whose k falls linearly from d_in (He et al. 2024, section 3)."""

    k_anneal_steps: int = 0

    @classmethod
    def architecture(cls) -> str:
        return "saebook_topk_annealed"

    def get_inference_config_class(self) -> Any:
        return get_sae_class("topk")[1]


class AnnealedTopK(TopKTrainingSAE):
    """TopK SAE with an annealed k; after the annealing it is sae-lens's own."""

    cfg: AnnealedTopKConfig  # type: ignore[assignment]

    def training_forward_pass(self, step_input: TrainStepInput) -> TrainStepOutput:
        """Set this step's k, then run sae-lens's step."""
        self.activation_fn = TopK(self.k_at(step_input.n_training_steps))
        return super().training_forward_pass(step_input)

    def k_at(self, step: int) -> int:
        """Latents a token at a step."""
        left = 1 - min(1.0, step / max(1, self.cfg.k_anneal_steps))
        start = max(self.cfg.k, self.cfg.d_in)
        return round(self.cfg.k + left * (start - self.cfg.k))


for _class, _config in (
    (ControlledStandard, ControlledStandardConfig),
    (ControlledGated, ControlledGatedConfig),
    (ControlledJumpReLU, ControlledJumpReLUConfig),
    (AnnealedTopK, AnnealedTopKConfig),
):
    # A module that is reloaded finds its classes registered already.
    if _config.architecture() not in SAE_TRAINING_CLASS_REGISTRY:
        register_sae_training_class(_config.architecture(), _class, _config)
