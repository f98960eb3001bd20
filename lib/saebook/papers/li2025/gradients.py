"""Signal against noise in the gradients of an SAE, arm by arm (F12)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from saebook.corpora import mixing_buffer
from saebook.papers.li2025.arms import Cell, default_cell, spec_of
from saebook.papers.li2025.bench import Bench
from saebook.zoo import HouseSAE
from saebook.zoo.train import build_training_sae

BATCH, BUFFER = 128, 40 * 128
"""Tokens of a minibatch (Appendix C), and rows of the mixing buffer."""
COMPARED = ("BT(F)", "FAST")
"""Arms on the same text, fed in two ways."""
NAMES = ("W_enc", "b_enc", "W_dec", "b_dec")


def gradient_signal(gradients: Iterable[Tensor]) -> float:
    """Mean over parameters of (mean over minibatches)^2 / variance over minibatches.

    Parameters whose gradient never varies (latents that never fire) are left out.

    Args:
        gradients: One gradient [n_parameters] a minibatch.

    Raises:
        ValueError: fewer than two minibatches, or gradients that do not vary at all.
    """
    stacked = torch.stack([g.double() for g in gradients])
    if len(stacked) < 2:
        raise ValueError("the spread of gradients needs at least two minibatches")
    variance = stacked.var(0)
    varies = variance > 0
    if not bool(varies.any()):
        raise ValueError("no parameter's gradient varies, so no ratio is defined")
    return float((stacked.mean(0)[varies].square() / variance[varies]).mean())


def loss_gradient(weights: dict[str, Tensor], x: Tensor, coefficient: float) -> Tensor:
    """Gradient of mean ||x - x_hat||^2 + coefficient * mean ||f||_1 of a ReLU SAE, flattened."""
    leaves = {name: weights[name].detach().clone().requires_grad_() for name in NAMES}
    acts = torch.relu(x @ leaves["W_enc"] + leaves["b_enc"])
    error = (x - acts @ leaves["W_dec"] - leaves["b_dec"]).square().sum(-1).mean()
    penalty = (acts * leaves["W_dec"].norm(dim=-1)).sum(-1).mean()
    (error + coefficient * penalty).backward()
    return torch.cat([leaf.grad.flatten() for leaf in leaves.values() if leaf.grad is not None])


def gradient_table(bench: Bench) -> pd.DataFrame:
    """Gradient signal of the default cell's ReLU SAEs on their own arm's minibatches.

    Minibatches come out of the paper's mixing buffer. The start is the same weights in every arm;
    the end is each arm's own trained SAE.

    Returns:
        A row an arm, seed, order of the data and state (start or end): arm, seed, order, state,
        signal. The model carries no planted sink.
    """
    config, rows = bench.config, []
    saes = bench.saes([c for arm in COMPARED for c in _cells(bench, arm)])
    for arm in COMPARED:
        cells = _cells(bench, arm)
        parts = _first_parts(bench, cells[0])
        for order in (0, 1):
            batches = _minibatches(parts, order, config.n_batches)
            for cell in cells:
                rows += _signals(bench, cell, saes[cell], batches, order)
    return pd.DataFrame(rows)


def _signals(
    bench: Bench, cell: Cell, entry: HouseSAE, batches: list[Tensor], order: int
) -> list[dict[str, Any]]:
    coefficient = float(entry.report["sparsity_coefficient"])
    place = {"arm": cell.arm, "seed": cell.seed, "order": order}
    return [
        {**place, "state": state,
         "signal": gradient_signal(loss_gradient(weights, x, coefficient) for x in batches)}
        for state, weights in _states(bench, cell, entry).items()
    ]  # fmt: skip


def _cells(bench: Bench, arm: str) -> list[Cell]:
    seeds = range(bench.config.n_more_seeds)
    return [
        default_cell(bench.config, "standard", arm, seed)._replace(planted=False) for seed in seeds
    ]


def _states(bench: Bench, cell: Cell, entry: HouseSAE) -> dict[str, dict[str, Tensor]]:
    """Weights at the start and at the end, both on the scale of training."""
    spec = spec_of(cell, bench.config)
    start = build_training_sae(spec, bench.source.d_in(spec.subject))
    factor = entry.report["input_scale"]
    end = {name: getattr(entry.sae, name).clone() for name in NAMES}
    end["b_enc"], end["b_dec"] = end["b_enc"] * factor, end["b_dec"] * factor
    return {"start": {name: getattr(start, name) for name in NAMES}, "end": end}


def _first_parts(bench: Bench, cell: Cell) -> list[Tensor]:
    """The beginning of the arm's stream, on the scale of training, enough for all minibatches."""
    spec = spec_of(cell, bench.config)
    factor = bench.source.input_scale(spec.subject, spec.hook_name) or 1.0
    parts: list[Tensor] = []
    for part in bench.source.stream(spec.stream, [spec.hook_name]):
        parts.append(part[spec.hook_name] * factor)
        if sum(map(len, parts)) >= BUFFER + BATCH * bench.config.n_batches:
            break
    return parts


def _minibatches(parts: list[Tensor], order: int, n: int) -> list[Tensor]:
    """The first n minibatches out of the mixing buffer."""
    found: list[Tensor] = []
    for mixed in mixing_buffer(parts, BUFFER, seed=order):
        found += [part for part in mixed.split(BATCH) if len(part) == BATCH]
    return found[:n]
