"""Train one SAE on harvested activations through sae-lens, and bring it into inference form."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from saebook.zoo import backend
from saebook.zoo.calibrate import calibrate_batchtopk
from saebook.zoo.harvest import Harvest, resident, shuffled_batches
from saebook.zoo.recipes import Recipe, recipe_of
from saebook.zoo.spec import SAESpec


def batch_size_for(spec: SAESpec, recipe: Recipe) -> int:
    """The recipe's batch; on little data smaller, so that training still has enough steps."""
    fitting = spec.n_tokens * spec.epochs // recipe.min_steps
    return min(recipe.batch_size, spec.n_tokens, max(recipe.min_batch_size, fitting))


def n_steps(spec: SAESpec, recipe: Recipe) -> int:
    """Optimiser steps of a training run: whole batches, every epoch."""
    return spec.epochs * (spec.n_tokens // batch_size_for(spec, recipe))


def input_norm(spec: SAESpec, recipe: Recipe, d_in: int) -> float:
    """Factor on activations with E||x||^2 = d_in before they enter training; 1 but for JumpReLU."""
    asked = recipe.jumprelu_input_norm if spec.architecture == "jumprelu" else 0.0
    return asked / d_in**0.5 if asked else 1.0


def build_training_sae(spec: SAESpec, d_in: int, device: str = "cpu") -> backend.TrainingSAE[Any]:
    """Build the training form with weights drawn from `spec.seed` (the global state is untouched).

    Raises:
        ValueError: width or recipe does not suit.
    """
    spec.check_width(d_in)
    recipe = recipe_of(spec)
    build = _BUILDERS[spec.architecture]
    common: dict[str, Any] = {
        "d_in": d_in,
        "d_sae": spec.d_sae,
        "apply_b_dec_to_input": spec.apply_b_dec_to_input,
        "decoder_init_norm": recipe.decoder_init_norm,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        sae = build(spec, recipe, common)
    return sae.to(device)


def _control(spec: SAESpec, recipe: Recipe) -> dict[str, Any]:
    jumprelu = spec.architecture == "jumprelu"
    start = recipe.jumprelu_initial_coefficient if jumprelu else recipe.initial_coefficient
    return {
        "target_l0": spec.sparsity,
        "l0_anneal_steps": round(recipe.l0_anneal_share * n_steps(spec, recipe)),
        "proportional_gain": recipe.proportional_gain,
        "integral_gain": recipe.integral_gain,
        "initial_coefficient": start,
    }


def _standard(spec: SAESpec, recipe: Recipe, common: dict[str, Any]) -> Any:
    return backend.ControlledStandard(
        backend.ControlledStandardConfig(
            **common, **_control(spec, recipe), decoder_norm_in_l1=recipe.decoder_norm_in_l1
        )
    )


def _gated(spec: SAESpec, recipe: Recipe, common: dict[str, Any]) -> Any:
    return backend.ControlledGated(
        backend.ControlledGatedConfig(**common, **_control(spec, recipe))
    )


def _jumprelu(spec: SAESpec, recipe: Recipe, common: dict[str, Any]) -> Any:
    config = backend.ControlledJumpReLUConfig(
        **common,
        **_control(spec, recipe),
        jumprelu_bandwidth=recipe.jumprelu_bandwidth,
        jumprelu_init_threshold=recipe.jumprelu_init_threshold,
    )
    return backend.ControlledJumpReLU(config)


def _topk_fields(recipe: Recipe, common: dict[str, Any]) -> dict[str, Any]:
    return {
        **common,
        "aux_loss_coefficient": recipe.aux_loss_coefficient,
        "rescale_acts_by_decoder_norm": recipe.decoder_norm_in_topk,
    }


def _topk(spec: SAESpec, recipe: Recipe, common: dict[str, Any]) -> Any:
    fields = {**_topk_fields(recipe, common), "k": int(spec.sparsity)}
    if recipe.k_anneal_share:
        steps = round(recipe.k_anneal_share * n_steps(spec, recipe))
        return backend.AnnealedTopK(backend.AnnealedTopKConfig(**fields, k_anneal_steps=steps))
    return backend.TopKTrainingSAE(backend.TopKTrainingSAEConfig(**fields))


def _batchtopk(spec: SAESpec, recipe: Recipe, common: dict[str, Any]) -> Any:
    fields = {**_topk_fields(recipe, common), "k": spec.sparsity}
    return backend.BatchTopKTrainingSAE(backend.BatchTopKTrainingSAEConfig(**fields))


_BUILDERS: dict[str, Callable[[SAESpec, Recipe, dict[str, Any]], Any]] = {
    "standard": _standard,
    "gated": _gated,
    "jumprelu": _jumprelu,
    "topk": _topk,
    "batchtopk": _batchtopk,
}


def _trainer(
    spec: SAESpec, recipe: Recipe, sae: Any, batches: Iterator[Tensor], device: str
) -> backend.SAETrainer[Any, Any]:
    batch, steps = batch_size_for(spec, recipe), n_steps(spec, recipe)
    config = backend.SAETrainerConfig(
        total_training_samples=batch * steps,
        train_batch_size_samples=batch,
        lr=recipe.lr,
        lr_end=recipe.lr,
        lr_warm_up_steps=round(recipe.warmup_share * steps),
        lr_decay_steps=round(recipe.decay_share * steps),
        dead_feature_window=recipe.dead_window_steps,
        # One window over the whole run: sae-lens otherwise builds wandb histograms on the way.
        feature_sampling_window=steps + 1,
        device=device,
        autocast=recipe.autocast,
        logger=backend.LoggingConfig(log_to_wandb=False),
    )
    return backend.SAETrainer(config, sae, batches)


class Training:
    """One SAE while it is trained.

    The steps are sae-lens's own (`SAETrainer.step`); only the loop is ours, so that many SAEs can
    share one harvest or one stream. Depends on nothing but the spec and the batches.
    """

    def __init__(self, spec: SAESpec, d_in: int, device: str = "cpu") -> None:
        """Draw the initial weights.

        Args:
            spec: What to train.
            d_in: Width of the activations.
            device: Where to train.
        """
        recipe = recipe_of(spec)
        self.spec, self.device = spec, device
        self.batch_size, self.n_steps = batch_size_for(spec, recipe), n_steps(spec, recipe)
        self.sae = build_training_sae(spec, d_in, device)
        self.norm = input_norm(spec, recipe, d_in)
        self.trainer = _trainer(spec, recipe, self.sae, iter(()), device)

    def step(self, batch: Tensor) -> None:
        """Take one step on activations [batch_size, d_in] with E||x||^2 = d_in."""
        self.trainer.step(batch.to(self.device) * self.norm)
        self.trainer.n_training_steps += 1

    def finished(self, sample: Tensor, scale: float) -> backend.TrainingSAE[Any]:
        """The training form that takes raw activations.

        Args:
            sample: Scaled training activations [n, d_in] on which BatchTopK's threshold is set.
            scale: Factor from raw activations to those of the steps.
        """
        if self.spec.architecture == "batchtopk":
            calibrate_batchtopk(self.sae, sample)
        self.sae.fold_activation_norm_scaling_factor(scale * self.norm)
        return self.sae.eval()


def fit(
    spec: SAESpec,
    harvest: Harvest,
    device: str = "cpu",
    on_step: Callable[[int], object] | None = None,
) -> backend.TrainingSAE[Any]:
    """Train one SAE; return sae-lens's training form, which takes raw (unscaled) activations.

    Args:
        spec: what to train.
        harvest: the activations of its hook point.
        device: where to train.
        on_step: called with the number of tokens of each step.
    """
    training = Training(spec, harvest.train.shape[1], device)
    batches = shuffled_batches(resident(harvest.train, device), training.batch_size, spec.data_seed)
    for _ in range(training.n_steps):
        training.step(next(batches))
        if on_step is not None:
            on_step(training.batch_size)
    return training.finished(harvest.train, harvest.scale)


def to_inference(sae: backend.TrainingSAE[Any]) -> backend.SAE[Any]:
    """Bring a trained SAE into sae-lens's inference form with unit decoder rows, on the CPU.

    Unit rows make an activation the length, in raw units, that a latent adds to the
    reconstruction, so that activations compare across architectures. A TopK SAE that ranks
    without decoder norms keeps its rows: folding would change which latents it picks.
    """
    with tempfile.TemporaryDirectory(prefix="saebook-") as folder:
        sae.save_inference_model(folder)
        inference = backend.SAE.load_from_disk(folder, device="cpu")
    if getattr(sae.cfg, "rescale_acts_by_decoder_norm", True):
        if inference.cfg.architecture() == "topk":
            inference.cfg.rescale_acts_by_decoder_norm = True
        inference.fold_W_dec_norm()
    return inference.eval().requires_grad_(False)


def training_tokens(spec: SAESpec) -> int:
    """Tokens, repeats included, that training this spec goes through."""
    recipe = recipe_of(spec)
    return n_steps(spec, recipe) * batch_size_for(spec, recipe)
