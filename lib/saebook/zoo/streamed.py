"""Train SAEs on a stream that is read once and too long to be kept: several from one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from saebook.zoo import backend
from saebook.zoo.harvest import Harvest, holdout_size
from saebook.zoo.recipes import recipe_of
from saebook.zoo.source import ActivationSource
from saebook.zoo.spec import SAESpec
from saebook.zoo.train import Training

AT_ONCE = 6
"""SAEs trained side by side on one pass of the model: weights, gradients and Adam's two moments
of each are on the device together."""


def fit_streamed(
    specs: Sequence[SAESpec],
    source: ActivationSource,
    device: str = "cpu",
    on_step: Callable[[int], object] | None = None,
) -> tuple[list[backend.TrainingSAE[Any]], Harvest]:
    """Train SAEs that share their stream, hook point and recipe, step by step together.

    The first tokens are kept apart to measure on; the pool after them gives the factor to
    E||x||^2 = d_in. Training starts with that pool.

    Args:
        specs: What to train.
        source: Reads the model and the text.
        device: Where to train.
        on_step: Called with the number of tokens of each step, once an SAE.

    Returns:
        Training forms that take raw activations, in the order of the specs; and the held-out
        tokens with a sample of those trained on.

    Raises:
        ValueError: Specs of several streams, more than one epoch, or a stream that ends early.
    """
    first, pool_tokens = specs[0], recipe_of(specs[0]).pool_tokens
    _check(specs, pool_tokens)
    held = holdout_size(first.n_tokens)
    stream = source.stream(first.stream, [first.hook_name])
    size = min(pool_tokens, first.n_tokens)
    chunks = _chunks((part[first.hook_name] for part in stream), held, size)
    holdout = next(chunks, None)
    sample = None if holdout is None else next(chunks, None)
    if holdout is None or sample is None:
        raise ValueError(_too_short(0, first.n_tokens))
    given = source.input_scale(first.subject, first.hook_name)
    start = Harvest.from_raw(torch.cat([sample, holdout]), len(sample), given)
    trainings = [Training(spec, holdout.shape[1], device) for spec in specs]
    _train(trainings, _pools(start, chunks, first.data_seed), on_step)
    return [t.finished(start.train, start.scale) for t in trainings], start


def _check(specs: Sequence[SAESpec], pool_tokens: int) -> None:
    kinds = {(spec.stream, spec.hook_name, spec.recipe) for spec in specs}
    if len(kinds) > 1:
        raise ValueError("SAEs trained on one pass share stream, hook point and recipe")
    if specs[0].epochs != 1:
        raise ValueError(f"a stream is read once; epochs is {specs[0].epochs}, not 1")
    if not pool_tokens:
        raise ValueError(f"recipe {specs[0].recipe!r} mixes no pool; train it from a harvest")


def _train(
    trainings: Sequence[Training],
    pools: Iterator[Tensor],
    on_step: Callable[[int], object] | None,
) -> None:
    size, steps = trainings[0].batch_size, trainings[0].n_steps
    rest, done = next(pools), 0
    while done < steps:
        while len(rest) < size:
            more = next(pools, None)
            if more is None:
                raise ValueError(_too_short(done * size + len(rest), trainings[0].spec.n_tokens))
            rest = torch.cat([rest, more])
        batch, rest = rest[:size].to(trainings[0].device), rest[size:]
        for training in trainings:
            training.step(batch)
            if on_step is not None:
                on_step(size)
        done += 1


def _too_short(found: int, wanted: int) -> str:
    return (
        f"the activation stream ended after {found:,} tokens to train on; {wanted:,} are needed: "
        "give more text or lower n_tokens"
    )


def _chunks(stream: Iterator[Tensor], first: int, size: int) -> Iterator[Tensor]:
    """A stream [n, d_in] cut into one piece of `first` tokens, then pieces of `size`, the last
    shorter; float32 on the CPU."""
    wanted, parts, filled = first, [], 0
    for acts in stream:
        acts = acts.to("cpu", torch.float32)
        while filled + len(acts) >= wanted:
            cut = wanted - filled
            yield torch.cat([*parts, acts[:cut]])
            acts, parts, filled, wanted = acts[cut:], [], 0, size
        parts.append(acts)
        filled += len(acts)
    if filled:
        yield torch.cat(parts)


def _pools(start: Harvest, chunks: Iterator[Tensor], seed: int) -> Iterator[Tensor]:
    """Scaled tokens in the order in which they are dealt: half of a shuffled pool at a time."""
    generator, pool = torch.Generator().manual_seed(seed), start.train
    for chunk in chunks:
        pool = pool[torch.randperm(len(pool), generator=generator)]
        half = len(pool) // 2
        yield pool[:half]
        if not bool(torch.isfinite(chunk).all()):
            raise ValueError("the stream holds NaN or infinity; check the model's dtype")
        pool = torch.cat([pool[half:], chunk * start.scale])
    yield pool[torch.randperm(len(pool), generator=generator)]
