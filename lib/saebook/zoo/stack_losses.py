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
from sae_lens.saes.jumprelu_sae import JumpReLU, Step
from torch import Tensor

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
    codes = _pre_activations(p, step, p["b_enc"]).relu()
    weights = p["W_dec"].norm(dim=-1) if step.cfg.decoder_norm_in_l1 else 1.0
    penalty = (codes.mean(1) * weights).sum(-1)
    return _squared_error(_decode(p, codes), step.x) + step.coefficients * penalty, codes


def gated(p: Parameters, step: StackInput) -> tuple[Tensor, Tensor]:
    """Gated codes; L1 penalty on the gates and reconstruction from them alone.

    The magnitudes' weights are the gates' times exp(r_mag), so one product serves both.
    """
    product = _pre_activations(p, step)
    gates = (product + p["b_gate"][:, None]).relu()
    magnitudes = (product * p["r_mag"].exp()[:, None] + p["b_mag"][:, None]).relu()
    codes = (gates > 0) * magnitudes
    penalty = (gates.mean(1) * p["W_dec"].norm(dim=-1)).sum(-1)
    by_gates = _squared_error(_decode(p, gates), step.x)
    loss = _squared_error(_decode(p, codes), step.x) + step.coefficients * penalty + by_gates
    return loss, codes


def jumprelu(p: Parameters, step: StackInput) -> tuple[Tensor, Tensor]:
    """JumpReLU codes; step penalty with sae-lens's straight-through kernels."""
    # Their backward adds over the first axis, which has to be the batch.
    pre = _pre_activations(p, step, p["b_enc"]).transpose(0, 1)
    kernel = (p["threshold"], step.cfg.jumprelu_bandwidth, step.cfg.jumprelu_ste_to_input)
    codes = _applied(JumpReLU, pre, *kernel).transpose(0, 1)
    penalty = _applied(Step, pre, *kernel).sum(-1).mean(0)
    return _squared_error(_decode(p, codes), step.x) + step.coefficients * penalty, codes


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


def largest(values: Tensor, k: int) -> Tensor:
    """Places [rows, k] of the k largest of each row [rows, n], in any order.

    In two steps: the k largest lie in the k groups whose largest member is largest, so only those
    groups are searched. Exact, and on a processor two to ten times faster than `torch.topk`.
    """
    rows, n = values.shape
    size = _group_size(n, k)
    if size == 1:
        return values.topk(k, sorted=False).indices
    n_groups = n // size
    groups = values.view(rows, size, n_groups).amax(1).topk(k, sorted=False).indices
    first = torch.arange(0, n, n_groups, device=values.device)
    places = (groups[:, None] + first[:, None]).view(rows, size * k)
    return places.gather(1, values.gather(1, places).topk(k, sorted=False).indices)


def _group_size(n: int, k: int) -> int:
    """The divisor of n with the fewest values to search, n / size and then k * size."""
    sizes = [size for size in range(2, 33) if n % size == 0 and n // size >= k]
    size = min(sizes, key=lambda size: n // size + k * size, default=1)
    return size if n // size + k * size < n else 1


def _pre_activations(p: Parameters, step: StackInput, bias: Tensor | None = None) -> Tensor:
    """x W_enc + bias [n, batch, d_sae]; b_dec is subtracted from x where the SAEs do so."""
    w_enc = p["W_enc"]
    x = step.x.expand(len(w_enc), *step.x.shape)
    if step.cfg.apply_b_dec_to_input:
        x = x - p["b_dec"][:, None]
    return torch.bmm(x, w_enc) if bias is None else torch.baddbmm(bias[:, None], x, w_enc)


def _decode(p: Parameters, codes: Tensor) -> Tensor:
    return torch.baddbmm(p["b_dec"][:, None], codes, p["W_dec"])


def _squared_error(recon: Tensor, x: Tensor) -> Tensor:
    """Squared error a token, of each SAE [n]."""
    return (recon - x).square().sum((1, 2)) / len(x)


def _applied(function: Any, *arguments: Any) -> Tensor:
    return function.apply(*arguments)


def _by_rank(
    p: Parameters, step: StackInput, kept: Sequence[int], rows: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Loss and codes of SAEs that keep the largest pre-activations of every row."""
    norms = p["W_dec"].norm(dim=-1) if step.cfg.rescale_acts_by_decoder_norm else None
    pre = _pre_activations(p, step, p["b_enc"])
    if norms is not None:
        pre = pre * norms[:, None]
    keep = torch.zeros_like(pre)
    with torch.no_grad():
        for values, mask, k in zip(pre, keep, kept, strict=True):
            rows(mask).scatter_(1, largest(rows(values), k), 1.0)
    codes = pre.relu() * keep
    scaled = codes if norms is None else codes / norms[:, None]
    recon = _decode(p, scaled)
    loss = _squared_error(recon, step.x)
    if step.cfg.aux_loss_coefficient:
        residual = (step.x - recon).detach()
        loss = loss + _dead_losses(p["W_dec"], norms, pre, residual, step)
    return loss, codes


def _dead_losses(
    w_dec: Tensor, norms: Tensor | None, pre: Tensor, residual: Tensor, step: StackInput
) -> Tensor:
    """Error of the dead latents' reconstruction of what is left over, of each SAE [n]."""
    losses = []
    for i, dead in enumerate(step.dead):
        chosen = dead.nonzero().squeeze(1)
        if not len(chosen):
            losses.append(residual.new_zeros(()))
            continue
        k = step.x.shape[1] // 2
        acts = pre[i].index_select(1, chosen)
        if len(chosen) > k:
            keep = torch.zeros_like(acts)
            acts = acts * keep.scatter_(1, largest(acts.detach(), k), 1.0)
        if norms is not None:
            acts = acts / norms[i].index_select(0, chosen)
        error = (acts @ w_dec[i].index_select(0, chosen) - residual[i]).square().sum(-1).mean()
        losses.append(step.cfg.aux_loss_coefficient * min(len(chosen) / k, 1.0) * error)
    return torch.stack(losses)
