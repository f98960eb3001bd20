"""Train several SAEs of one architecture and width as one batched step.

Each SAE has its own weights, sparsity coefficient, dead latents, gradient norm and moments, so the
results are those of single training but for the order in which numbers are added.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from saebook.zoo import backend
from saebook.zoo.harvest import Harvest, resident, shuffled_batches
from saebook.zoo.recipes import recipe_of
from saebook.zoo.spec import SAESpec
from saebook.zoo.stack_losses import LOSSES, StackInput
from saebook.zoo.train import Training

MAX_NORM = 1.0
"""Norm to which sae-lens's trainer clips an SAE's gradient."""


AT_MOST = {"cpu": 3, "cuda": 8}
"""SAEs in a stack: on a processor no more than its caches hold, on a card as many as fill it."""


def stacks(specs: Sequence[SAESpec], device: str = "cpu") -> list[list[SAESpec]]:
    """Specs that differ in sparsity and seed alone together, `AT_MOST` of them in a stack."""
    at_most = AT_MOST[torch.device(device).type]
    alike: dict[SAESpec, list[SAESpec]] = {}
    for spec in specs:
        alike.setdefault(_shared(spec), []).append(spec)
    return [
        found[i : i + at_most] for found in alike.values() for i in range(0, len(found), at_most)
    ]


def _shared(spec: SAESpec) -> SAESpec:
    return spec.model_copy(update={"sparsity": 1.0, "seed": 0})


class StackedTraining:
    """A stack of SAEs while it is trained; steps as `saebook.zoo.train.Training` takes them."""

    def __init__(self, specs: Sequence[SAESpec], d_in: int, device: str = "cpu") -> None:
        """Draw the initial weights: those of single training.

        Args:
            specs: What to train.
            d_in: Width of the activations.
            device: Where to train.

        Raises:
            ValueError: The specs differ in more than sparsity and seed.
        """
        if len(dict.fromkeys(map(_shared, specs))) != 1:
            raise ValueError("a stack's SAEs differ in sparsity and seed alone")
        self._members = [Training(spec, d_in, device) for spec in specs]
        first = self._members[0]
        self.device, self.batch_size, self.n_steps = device, first.batch_size, first.n_steps
        self._loss = LOSSES[specs[0].architecture]
        own = [dict(member.sae.named_parameters()) for member in self._members]
        self._parameters = {
            name: torch.stack([held[name].detach() for held in own]).requires_grad_()
            for name in own[0]
        }
        self._since_fired = torch.zeros(len(specs), specs[0].d_sae, device=device)
        self._optimizer, self._schedule = _optimizer(self._parameters, first.trainer.cfg)
        self._autocast = recipe_of(specs[0]).autocast
        self._step = 0

    def step(self, batch: Tensor) -> None:
        """Take one step of every SAE on activations [batch_size, d_in] with E||x||^2 = d_in."""
        codes = self._descend(batch.to(self.device) * self._members[0].norm)
        with torch.no_grad():
            self._since_fired = torch.where(codes.amax(1) > 0, 0.0, self._since_fired + 1)
            if isinstance(self._members[0].sae, backend.L0Controlled):
                active = codes.sign().sum((1, 2), dtype=torch.float32) / len(batch)
                for member, l0 in zip(self._members, active.tolist(), strict=True):
                    cast(backend.L0Controlled, member.sae).steer(l0, self._step)
        self._step += 1

    def finished(self, sample: Tensor, scale: float) -> list[backend.TrainingSAE[Any]]:
        """The training forms that take raw activations; see `Training.finished`."""
        with torch.no_grad():
            for i, member in enumerate(self._members):
                for name, value in member.sae.named_parameters():
                    value.copy_(self._parameters[name][i])
        return [member.finished(sample, scale) for member in self._members]

    def _descend(self, x: Tensor) -> Tensor:
        """One optimiser step on prepared activations; returns the codes, detached."""
        if "threshold" in self._parameters:  # as sae-lens projects it
            self._parameters["threshold"].data.clamp_(min=0.0)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self._autocast):
            loss, codes = self._loss(self._parameters, self._input(x))
        loss.sum().backward()
        _clip(list(self._parameters.values()))
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._schedule.step()
        return codes.detach()

    def _input(self, x: Tensor) -> StackInput:
        saes = [member.sae for member in self._members]
        coefficients = [getattr(sae, "coefficient", 0.0) for sae in saes]
        return StackInput(
            x,
            saes[0].cfg,
            torch.tensor(coefficients, dtype=x.dtype, device=x.device),
            [_k(sae, self._step) for sae in saes],
            self._since_fired > self._members[0].trainer.cfg.dead_feature_window,
        )


def fit_stack(
    specs: Sequence[SAESpec],
    harvest: Harvest,
    device: str = "cpu",
    on_step: Callable[[int], object] | None = None,
) -> list[backend.TrainingSAE[Any]]:
    """Train a stack; see `saebook.zoo.train.fit`.

    Args:
        specs: What to train; they differ in sparsity and seed alone.
        harvest: The activations of their hook point.
        device: Where to train.
        on_step: Called with the number of tokens of each step, all SAEs counted.
    """
    training = StackedTraining(specs, harvest.train.shape[1], device)
    train = resident(harvest.train, device)
    batches = shuffled_batches(train, training.batch_size, specs[0].data_seed)
    for _ in range(training.n_steps):
        training.step(next(batches))
        if on_step is not None:
            on_step(training.batch_size * len(specs))
    return training.finished(harvest.train, harvest.scale)


def _k(sae: Any, step: int) -> float:
    """Latents a token that an SAE keeps at a step; 0 for architectures that do not rank."""
    if isinstance(sae, backend.AnnealedTopK):
        return sae.k_at(step)
    return getattr(sae.cfg, "k", 0)


def _optimizer(parameters: dict[str, Tensor], cfg: Any) -> tuple[Any, Any]:
    """Adam and its schedule with the numbers of sae-lens's trainer."""
    betas = (cfg.adam_beta1, cfg.adam_beta2)
    adam = torch.optim.Adam(list(parameters.values()), lr=cfg.lr, betas=betas, fused=True)
    schedule = backend.get_lr_scheduler(
        cfg.lr_scheduler_name, optimizer=adam, training_steps=cfg.total_training_steps, lr=cfg.lr,
        warm_up_steps=cfg.lr_warm_up_steps, decay_steps=cfg.lr_decay_steps, lr_end=cfg.lr_end,
        num_cycles=cfg.n_restart_cycles,
    )  # fmt: skip
    return adam, schedule


@torch.no_grad()
def _clip(parameters: list[Tensor]) -> None:
    """Scale each SAE's gradient to a norm of at most `MAX_NORM`, over all its parameters."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    norms = torch.stack([g.flatten(1).norm(dim=1) for g in gradients]).norm(dim=0)
    scale = (MAX_NORM / (norms + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(scale.view(-1, *[1] * (gradient.dim() - 1)))
