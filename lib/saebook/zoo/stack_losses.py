"""sae-lens's training losses, written for several SAEs of one architecture at once.

Every function takes the stacked parameters (name -> [n, ...], sae-lens's names), one batch that
all SAEs share, and returns each SAE's loss [n] and its codes [n, batch, d_sae]. sae-lens's own
classes are the reference: the tests hold losses and gradients against them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from saebook.zoo.selection import largest

Parameters = Mapping[str, Tensor]


@dataclass(frozen=True)
class StackInput:
    """What a step is taken on."""

    x: Tensor
    """Activations [batch, d_in]."""
    cfg: Any
    """sae-lens configuration of one of the SAEs; all that is read here is the same for each."""
    coefficients: Tensor
    """Weight of each SAE's sparsity penalty [n]."""
    k: Sequence[float]
    """Latents a token that each SAE keeps; read by TopK and BatchTopK."""
    dead: Tensor
    """Latents [n, d_sae] that have not fired for long."""


def standard(p: Parameters, step: StackInput) -> tuple[Tensor, Tensor]:
    """ReLU codes; L1 penalty, weighted by decoder norms or not."""
    codes = _pre_activations(p["W_enc"], p, step, p["b_enc"]).relu()
    weights = p["W_dec"].norm(dim=-1) if step.cfg.decoder_norm_in_l1 else 1.0
    penalty = (codes.sum(1, dtype=torch.float32) * weights).sum(-1) / len(step.x)
    return _squared_error(_decode(p, codes), step.x) + step.coefficients * penalty, codes


def gated(p: Parameters, step: StackInput) -> tuple[Tensor, Tensor]:
    """Gated codes; L1 penalty on the gates and reconstruction from them alone.

    The magnitudes' weights are the gates' times exp(r_mag), so one product serves both.
    """
    product = _pre_activations(p["W_enc"], p, step)
    gates = (product + p["b_gate"][:, None]).relu()
    magnitudes = torch.addcmul(p["b_mag"][:, None], product, p["r_mag"].exp()[:, None]).relu()
    codes = magnitudes * gates.detach().sign()
    penalty = (gates.sum(1, dtype=torch.float32) * p["W_dec"].norm(dim=-1)).sum(-1) / len(step.x)
    by_gates = _squared_error(_decode(p, gates), step.x)
    loss = _squared_error(_decode(p, codes), step.x) + step.coefficients * penalty + by_gates
    return loss, codes


def jumprelu(p: Parameters, step: StackInput) -> tuple[Tensor, Tensor]:
    """JumpReLU codes; step penalty, with sae-lens's straight-through kernel for both.

    Raises:
        ValueError: The kernel is to reach the pre-activations, or the penalty is not the step.
    """
    if step.cfg.jumprelu_ste_to_input or step.cfg.jumprelu_sparsity_loss_mode != "step":
        raise ValueError("stacked JumpReLU SAEs train their thresholds by the step penalty alone")
    pre = _pre_activations(p["W_enc"], p, step, p["b_enc"])
    codes, l0 = _JumpReLU.apply(pre, p["threshold"][:, None], step.cfg.jumprelu_bandwidth)  # type: ignore[misc]
    penalty = l0 / len(step.x)
    return _squared_error(_decode(p, codes), step.x) + step.coefficients * penalty, codes


class _JumpReLU(torch.autograd.Function):
    """Codes, and how many are active; backward is that of sae-lens's `JumpReLU` plus `Step`."""

    @staticmethod
    def forward(ctx: Any, pre: Tensor, threshold: Tensor, bandwidth: float) -> Any:
        active = _is_positive(pre - threshold)
        ctx.save_for_backward(pre, threshold, active)
        ctx.bandwidth = bandwidth
        return pre * active, active.sum((1, 2))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        by_code, by_l0 = gradients
        pre, threshold, active = ctx.saved_tensors
        near = _is_positive(ctx.bandwidth / 2 - (pre - threshold).abs_())
        by_step = torch.addcmul(by_l0[:, None, None], by_code, threshold)
        by_threshold = by_step.mul_(near).sum(1, keepdim=True) / -ctx.bandwidth
        return by_code * active, by_threshold, None


def _is_positive(values: Tensor) -> Tensor:
    """1.0 where positive, else 0.0, in place: faster than comparing and converting."""
    return values.sign_().clamp_(min=0.0)


def topk(p: Parameters, step: StackInput) -> tuple[Tensor, Tensor]:
    """The k largest of each token; dead latents are asked for what is left over."""
    return _by_rank(p, step, [int(k) for k in step.k], lambda pre: pre)


def batchtopk(p: Parameters, step: StackInput) -> tuple[Tensor, Tensor]:
    """The k * batch largest of the whole batch; the rest as for `topk`."""
    return _by_rank(p, step, [int(k * len(step.x)) for k in step.k], lambda pre: pre.view(1, -1))


LOSSES: dict[str, Callable[[Parameters, StackInput], tuple[Tensor, Tensor]]] = {
    "standard": standard,
    "gated": gated,
    "topk": topk,
    "batchtopk": batchtopk,
    "jumprelu": jumprelu,
}


def _pre_activations(
    w_enc: Tensor, p: Parameters, step: StackInput, bias: Tensor | None = None
) -> Tensor:
    """x W_enc + bias [n, batch, d_sae]; b_dec is subtracted from x where the SAEs do so."""
    x = step.x.expand(len(w_enc), *step.x.shape)
    if step.cfg.apply_b_dec_to_input:
        x = x - p["b_dec"][:, None]
    return torch.bmm(x, w_enc) if bias is None else torch.baddbmm(bias[:, None], x, w_enc)


def _decode(p: Parameters, codes: Tensor, w_dec: Tensor | None = None) -> Tensor:
    return torch.baddbmm(p["b_dec"][:, None], codes, p["W_dec"] if w_dec is None else w_dec)


def _squared_error(recon: Tensor, x: Tensor) -> Tensor:
    """Squared error a token, of each SAE [n]."""
    return (recon - x).square().sum((1, 2)) / len(x)


def _by_rank(
    p: Parameters, step: StackInput, kept: Sequence[int], rows: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Loss and codes of SAEs that keep the largest pre-activations of every row.

    sae-lens multiplies pre-activations and divides codes by the decoder's norms; here the weights
    are, which are fewer.
    """
    w_enc, b_enc, w_dec = p["W_enc"], p["b_enc"], p["W_dec"]
    if step.cfg.rescale_acts_by_decoder_norm:
        norms = w_dec.norm(dim=-1)
        w_enc, b_enc, w_dec = w_enc * norms[:, None], b_enc * norms, w_dec / norms[..., None]
    pre = _pre_activations(w_enc, p, step, b_enc)
    keep = torch.zeros_like(pre)
    with torch.no_grad():
        for values, mask, k in zip(pre, keep, kept, strict=True):
            rows(mask).scatter_(1, largest(rows(values), k), 1.0)
    codes = pre.relu() * keep
    recon = _decode(p, codes, w_dec)
    loss = _squared_error(recon, step.x)
    if step.cfg.aux_loss_coefficient:
        loss = loss + _dead_losses(w_dec, pre, (step.x - recon).detach(), step)
    return loss, codes


def _dead_losses(w_dec: Tensor, pre: Tensor, residual: Tensor, step: StackInput) -> Tensor:
    """Error of the dead latents' reconstruction of what is left over, of each SAE [n]."""
    each = zip(w_dec.unbind(), pre.unbind(), residual, step.dead, strict=True)
    losses = [_dead_loss(*parts) for parts in each]
    return step.cfg.aux_loss_coefficient * torch.stack(losses)


def _dead_loss(w_dec: Tensor, pre: Tensor, residual: Tensor, dead: Tensor) -> Tensor:
    """The same of one SAE: at most d_in / 2 dead latents a token take part."""
    chosen = dead.nonzero().squeeze(1)
    if not len(chosen):
        return residual.new_zeros(())
    most = residual.shape[1] // 2
    acts = pre.index_select(1, chosen)
    if len(chosen) > most:
        keep = torch.zeros_like(acts)
        acts = acts * keep.scatter_(1, largest(acts.detach(), most), 1.0)
    error = (acts @ w_dec.index_select(0, chosen) - residual).square().sum(-1).mean()
    return min(len(chosen) / most, 1.0) * error
