"""What a steering vector is, how it is made from activations, and what each operation does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from saebook.subjects import Subject

Operation = Literal["add", "ablate", "clamp"]
SteeredPositions = Literal["all", "generated", "last"]


def unit(vector: Tensor) -> Tensor:
    """Return v / ||v||, the direction of a vector [d_model]. Raises ValueError for zero."""
    norm = float(vector.norm())
    if not math.isfinite(norm) or norm == 0:
        raise ValueError(f"a vector of norm {norm} has no direction")
    return vector / norm


def contrastive_vector(positive: Tensor, negative: Tensor) -> Tensor:
    """Mean over pairs of a+ - a-, [n, d_model] each, to [d_model] (CAA, Rimsky et al. 2312.06681).

    Raises:
        ValueError: the two do not pair up row by row, or there is no row.
    """
    if positive.shape != negative.shape:
        raise ValueError(
            f"pairs need equal shapes, got {tuple(positive.shape)} and {tuple(negative.shape)}; "
            "for groups without pairs use diff_of_means"
        )
    return diff_of_means(positive, negative)


def diff_of_means(positive: Tensor, negative: Tensor) -> Tensor:
    """Mean of one group of activations [n, d_model] less the mean of another [m, d_model].

    Raises:
        ValueError: a group is empty, not two-dimensional, not finite, or of another width.
    """
    for name, group in (("positive", positive), ("negative", negative)):
        if group.ndim != 2 or not len(group):
            raise ValueError(f"the {name} group has shape {tuple(group.shape)}, not [n >= 1, d]")
        if not torch.isfinite(group).all():
            raise ValueError(f"the {name} group holds values that are not finite")
    if positive.shape[1] != negative.shape[1]:
        raise ValueError(f"widths differ: {positive.shape[1]} and {negative.shape[1]}")
    return positive.mean(0) - negative.mean(0)


@dataclass(frozen=True, eq=False)
class SteeringVector:
    """A vector, where it acts and how.

    With v the vector and u = v / ||v||, the output h of the block becomes
    "add": h + coeff v;  "ablate": h - coeff (h.u) u;  "clamp": h + (coeff - h.u) u.
    """

    vector: Tensor
    """Not normalised, [d_model]."""
    layer: int
    """The block whose output is changed."""
    coeff: float = 1.0
    """Multiple of v ("add"), share removed ("ablate"), or projection on u to set ("clamp")."""
    operation: Operation = "add"
    positions: SteeredPositions = "all"
    """"all": the prompt, BOS included, and what follows; "last": from the prompt's last token on;
    "generated": only tokens after the prompt."""

    def __post_init__(self) -> None:
        if self.vector.ndim != 1 or not torch.isfinite(self.vector).all():
            raise ValueError(f"a finite vector [d_model] is needed, got {tuple(self.vector.shape)}")
        if self.operation not in get_args(Operation):
            known = ", ".join(get_args(Operation))
            raise ValueError(f"unknown operation {self.operation!r}; known: {known}")
        if self.positions not in get_args(SteeredPositions):
            known = ", ".join(get_args(SteeredPositions))
            raise ValueError(f"unknown positions {self.positions!r}; known: {known}")
        if not math.isfinite(self.coeff):
            raise ValueError(f"coeff {self.coeff} is not finite")
        if self.operation != "add":
            unit(self.vector)

    @property
    def direction(self) -> Tensor:
        """The unit vector u [d_model]. Raises ValueError if the vector is zero."""
        return unit(self.vector)

    def with_coeff(self, coeff: float) -> SteeringVector:
        """The same vector with another coefficient."""
        return replace(self, coeff=coeff)

    def apply(self, resid: Tensor) -> Tensor:
        """Return the changed residual stream [..., d_model]; the argument stays as it is."""
        return _operate(self.operation, resid, self.vector.to(resid), float(self.coeff))


Steering = SteeringVector | Sequence[SteeringVector | None] | None
"""One vector for all prompts, one (or None) for each prompt, or no steering."""


def _operate(operation: str, resid: Tensor, vector: Tensor, coeff: Tensor | float) -> Tensor:
    if operation == "add":
        return resid + coeff * vector
    tiny = torch.finfo(vector.dtype).tiny
    direction = vector / vector.norm(dim=-1, keepdim=True).clamp_min(tiny)
    along = (resid * direction).sum(-1, keepdim=True)
    change = -coeff * along if operation == "ablate" else coeff - along
    return resid + change * direction


@dataclass(frozen=True, eq=False)
class RowSteering:
    """The steering of a set of prompts that share layer, operation and positions."""

    layer: int
    operation: str
    positions: str
    vector: Tensor
    """[n, d_model]; zero where a prompt is not steered."""
    coeff: Tensor
    """[n]"""
    active: Tensor
    """[n] bool"""

    def rows(self, chosen: Sequence[int]) -> RowSteering:
        """The steering of some of the prompts."""
        at = torch.tensor(chosen, dtype=torch.long)
        return replace(self, vector=self.vector[at], coeff=self.coeff[at], active=self.active[at])

    def starts(self, prompt_lengths: Sequence[int]) -> list[int]:
        """First steered column of each row, given the lengths of its prompt."""
        shift = {"all": None, "last": -1, "generated": 0}[self.positions]
        return [0 if shift is None else n + shift for n in prompt_lengths]

    def apply(self, resid: Tensor, where: Tensor) -> Tensor:
        """Change resid [n, t, d_model] at the columns `where` [n, t] of steered rows."""
        vector = self.vector.to(resid)[:, None]
        changed = _operate(self.operation, resid, vector, self.coeff.to(resid)[:, None, None])
        at = where.to(resid.device) & self.active.to(resid.device)[:, None]
        return torch.where(at[..., None], changed, resid)


def row_steering(subject: Subject, steering: Steering, n: int) -> RowSteering | None:
    """Spread steering over n prompts, after checking it against the subject.

    Raises:
        ValueError: another number of vectors than prompts; vectors that differ in layer,
            operation or positions; a layer out of range; a width other than d_model.
    """
    each = [steering] * n if isinstance(steering, SteeringVector) else list(steering or [None] * n)
    if len(each) != n:
        raise ValueError(f"{len(each)} steering vectors for {n} prompts")
    vectors = [v for v in each if v is not None]
    if not vectors:
        return None
    kinds = {(v.layer, v.operation, v.positions) for v in vectors}
    if len(kinds) > 1:
        raise ValueError(
            f"steering vectors of one call share layer, operation and positions; got {kinds}"
        )
    _check_fit(subject, vectors)
    zero = torch.zeros(subject.d_model)
    return RowSteering(
        *kinds.pop(),
        vector=torch.stack([zero if v is None else v.vector.float().cpu() for v in each]),
        coeff=torch.tensor([0.0 if v is None else float(v.coeff) for v in each]),
        active=torch.tensor([v is not None for v in each]),
    )


def _check_fit(subject: Subject, vectors: Sequence[SteeringVector]) -> None:
    for v in vectors:
        subject.check_layer(v.layer)
        if len(v.vector) != subject.d_model:
            raise ValueError(
                f"the steering vector has width {len(v.vector)}, "
                f"{subject.name} has d_model {subject.d_model}"
            )
