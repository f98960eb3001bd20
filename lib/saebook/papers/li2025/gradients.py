"""Signal against noise in the gradients of an SAE, arm by arm (F12)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from saebook.corpora import mixing_buffer
from saebook.papers.li2025.arms import Cell
from saebook.papers.li2025.bench import Reader
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
    n, mean, squares = 0, torch.zeros(()), torch.zeros(())
    for gradient in gradients:  # Welford's update: no two gradients are held at once
        n, new = n + 1, gradient.double()
        before = new - mean.to(new.device)
        mean = mean.to(new.device) + before / n
        squares = squares.to(new.device) + before * (new - mean)
    if n < 2:
        raise ValueError("the spread of gradients needs at least two minibatches")
    varies = squares > 0
    if not bool(varies.any()):
        raise ValueError("no parameter's gradient varies, so no ratio is defined")
    return float((mean[varies].square() / (squares[varies] / (n - 1))).mean())


def loss_gradient(weights: dict[str, Tensor], x: Tensor, coefficient: float) -> Tensor:
    """Gradient of mean ||x - x_hat||^2 + coefficient * mean ||f||_1 of a ReLU SAE, flattened."""
    leaves = {name: weights[name].detach().clone().requires_grad_() for name in NAMES}
    acts = torch.relu(x @ leaves["W_enc"] + leaves["b_enc"])
    error = (x - acts @ leaves["W_dec"] - leaves["b_dec"]).square().sum(-1).mean()
    penalty = (acts * leaves["W_dec"].norm(dim=-1)).sum(-1).mean()
    (error + coefficient * penalty).backward()
    return torch.cat([leaf.grad.flatten() for leaf in leaves.values() if leaf.grad is not None])


def gradient_table(bench: Reader, base: Cell, n_seeds: int, n_batches: int) -> pd.DataFrame:
    """Gradient signal of ReLU SAEs on their own arm's minibatches.

    Minibatches come out of the paper's mixing buffer. The start is the same weights in every arm;
    the end is each arm's own trained SAE.

    Args:
        bench: Models, SAEs and text.
        base: A cell of the SAEs compared; arm and seed are replaced.
        n_seeds: Seeds of the SAEs.
        n_batches: Minibatches whose gradients are compared.

    Returns:
        A row an arm, seed, order of the data and state (start or end): arm, seed, order, state,
        signal.
    """
    rows: list[dict[str, Any]] = []
    for arm in COMPARED:
        cells = [base._replace(arm=arm, seed=seed) for seed in range(n_seeds)]
        saes, parts = bench.saes(cells), _first_parts(bench, cells[0], n_batches)
        for order in (0, 1):
            batches = _minibatches(parts, order, n_batches)
            for cell in cells:
                place = {"arm": arm, "seed": cell.seed, "order": order}
                rows += [place | found for found in _signals(bench, cell, saes[cell], batches)]
    return pd.DataFrame(rows)


def _signals(
    bench: Reader, cell: Cell, entry: HouseSAE, batches: list[Tensor]
) -> Iterator[dict[str, Any]]:
    coefficient = float(entry.report["sparsity_coefficient"])
    for state, weights in _states(bench, cell, entry).items():
        near = {name: weight.to(batches[0].device) for name, weight in weights.items()}
        gradients = (loss_gradient(near, x, coefficient) for x in batches)
        yield {"state": state, "signal": gradient_signal(gradients)}


def _states(bench: Reader, cell: Cell, entry: HouseSAE) -> dict[str, dict[str, Tensor]]:
    """Weights at the start and at the end, both on the scale of training."""
    spec = bench.spec(cell)
    start = build_training_sae(spec, bench.source.d_in(spec.subject))
    factor = entry.report["input_scale"]
    end = {name: getattr(entry.sae, name).clone() for name in NAMES}
    end["b_enc"], end["b_dec"] = end["b_enc"] * factor, end["b_dec"] * factor
    return {"start": {name: getattr(start, name) for name in NAMES}, "end": end}


def _first_parts(bench: Reader, cell: Cell, n_batches: int) -> list[Tensor]:
    """The beginning of the arm's stream, on the scale of training, enough for all minibatches."""
    spec = bench.spec(cell)
    factor = bench.source.input_scale(spec.subject, spec.hook_name) or 1.0
    parts: list[Tensor] = []
    for part in bench.source.stream(spec.stream, [spec.hook_name]):
        parts.append(part[spec.hook_name] * factor)
        if sum(map(len, parts)) >= BUFFER + BATCH * n_batches:
            break
    return parts


def _minibatches(parts: list[Tensor], order: int, n: int) -> list[Tensor]:
    """The first n minibatches out of the mixing buffer."""
    found: list[Tensor] = []
    for mixed in mixing_buffer(parts, BUFFER, seed=order):
        found += [part for part in mixed.split(BATCH) if len(part) == BATCH]
    return found[:n]
