"""Muon (Jordan et al. 2024): momentum whose matrix updates are made orthogonal.

On this world an induction circuit forms within 0.2M tokens under Muon and not within 0.8M under
AdamW. torch.optim.Muon runs its iteration in bfloat16, which CPUs without bfloat16 units emulate
some twenty times slower than float32; the iteration here stays in the parameters' own precision.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

_QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the Newton-Schulz iteration, as in torch.optim.Muon."""


def orthogonalise(matrix: Tensor, steps: int = 5) -> Tensor:
    """Return the nearest semi-orthogonal matrix, roughly: singular values end between 0.7 and 1.2.

    Args:
        matrix: [rows, columns].
        steps: Newton-Schulz iterations.
    """
    a, b, c = _QUINTIC
    wide = matrix / (matrix.norm() + 1e-7)
    if tall := matrix.shape[0] > matrix.shape[1]:
        wide = wide.T
    for _ in range(steps):
        gram = wide @ wide.T
        wide = a * wide + (b * gram + c * gram @ gram) @ wide
    return wide.T if tall else wide


class Muon(torch.optim.Optimizer):
    """Nesterov momentum with orthogonalised updates, for weight matrices only.

    Args:
        params: Matrices.
        lr: Step size; updates of an [r, c] matrix have singular values near
            lr * sqrt(max(1, r / c)).
        momentum: Decay of the momentum buffer.
        weight_decay: Decoupled decay, in units of lr.

    Raises:
        ValueError: If a parameter is not a matrix.
    """

    def __init__(
        self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        shapes = [tuple(p.shape) for g in self.param_groups for p in g["params"] if p.dim() != 2]
        if shapes:
            raise ValueError(f"Muon takes matrices only, got shapes {shapes}; give those to AdamW")

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Apply one update to every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)

    def _update(self, parameter: Tensor, group: dict) -> None:
        state = self.state[parameter]
        buffer = state.setdefault("momentum", torch.zeros_like(parameter))
        buffer.mul_(group["momentum"]).add_(parameter.grad)
        update = orthogonalise(parameter.grad + group["momentum"] * buffer)
        scale = max(1.0, parameter.shape[0] / parameter.shape[1]) ** 0.5
        parameter.mul_(1.0 - group["lr"] * group["weight_decay"])
        parameter.add_(update, alpha=-group["lr"] * scale)
