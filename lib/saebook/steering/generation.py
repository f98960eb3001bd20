"""Generation through nnsight with every generated token steered.

Sampling noise is keyed by (seed, row, step): one uniform number decides each token by inversion
of the cumulative distribution. So neither batch size nor the other prompts change a text, short
of a number that falls within rounding (about 1e-6) of the border between two tokens.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from saebook.steering.forward import check_lengths, encoded_prompts
from saebook.steering.vectors import RowSteering, Steering, row_steering
from saebook.subjects import Subject, block_tensor, with_block_tensor


class KeyedSampler(LogitsProcessor):
    """Turns scores into a choice made by given uniform numbers [row, step], ready for argmax."""

    def __init__(self, uniforms: Tensor, temperature: float, prompt_length: int) -> None:
        self.uniforms = uniforms
        self.temperature = temperature
        self.prompt_length = prompt_length

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Leave only the token whose share of the cumulative distribution holds the number."""
        step = input_ids.shape[1] - self.prompt_length
        total = (scores.double() / self.temperature).softmax(-1).cumsum(-1)
        point = self.uniforms[:, step, None].to(total) * total[:, -1:]
        chosen = torch.searchsorted(total, point, right=True).clamp_max(scores.shape[-1] - 1)
        return torch.full_like(scores, -torch.inf).scatter_(-1, chosen, 0.0)


def generate(
    subject: Subject,
    prompts: Sequence[str],
    max_new_tokens: int,
    steering: Steering = None,
    seed: int | None = None,
    temperature: float = 1.0,
    batch_size: int = 32,
    row_ids: Sequence[int] | None = None,
) -> list[str]:
    """Continue each prompt and return the new text; see `generate_ids` for the arguments."""
    ids = generate_ids(
        subject, prompts, max_new_tokens, steering, seed, temperature, batch_size, row_ids
    )
    return [subject.decode(row) for row in ids]


def generate_ids(
    subject: Subject,
    prompts: Sequence[str],
    max_new_tokens: int,
    steering: Steering = None,
    seed: int | None = None,
    temperature: float = 1.0,
    batch_size: int = 32,
    row_ids: Sequence[int] | None = None,
) -> list[list[int]]:
    """Continue each prompt and return the new token ids, cut before the first EOS.

    Only prompts of equal length share a batch, so nothing is padded. The model's own generation
    settings (top-k, repetition penalty, ...) are set aside: tokens are drawn from the plain
    softmax of logits / temperature, or are the most likely ones at temperature 0.

    Args:
        subject: The model.
        prompts: Texts; a BOS is put in front where the family has one.
        max_new_tokens: Tokens generated for each prompt before the cut.
        steering: A vector for all prompts, one (or None) for each, or None. The last prompt token
            predicts the first new one, so positions "generated" leaves that one unsteered.
        seed: Needed unless the temperature is 0.
        temperature: 0 for greedy.
        batch_size: Most prompts in a batch.
        row_ids: Key of each prompt's noise, by default its index; give them when one experiment
            is split over several calls.

    Raises:
        ValueError: no prompts, no seed, sizes out of range, or steering that does not fit.
    """
    rows = encoded_prompts(subject, prompts)
    _check(max_new_tokens, seed, temperature, batch_size)
    check_lengths(subject, [len(row) + max_new_tokens for row in rows])
    keys = list(range(len(rows))) if row_ids is None else list(row_ids)
    if len(keys) != len(rows):
        raise ValueError(f"{len(keys)} row ids for {len(rows)} prompts")
    plan = row_steering(subject, steering, len(rows))
    result: list[list[int]] = [[] for _ in rows]
    for chosen in equal_lengths(rows, batch_size):
        ids = torch.tensor([rows[i] for i in chosen])
        sampler = _sampler([keys[i] for i in chosen], max_new_tokens, seed, temperature, ids)
        steer = None if plan is None else plan.rows(chosen)
        new = _generate_batch(subject, ids, max_new_tokens, steer, sampler)
        for i, row in zip(chosen, new.tolist(), strict=True):
            result[i] = row[: row.index(subject.eos_id)] if subject.eos_id in row else row
    return result


def _check(max_new_tokens: int, seed: int | None, temperature: float, batch_size: int) -> None:
    if max_new_tokens < 1 or batch_size < 1:
        raise ValueError(
            f"max_new_tokens {max_new_tokens} and batch_size {batch_size} must be >= 1"
        )
    if not (np.isfinite(temperature) and temperature >= 0):
        raise ValueError(f"temperature {temperature} is not a number >= 0")
    if temperature > 0 and seed is None:
        raise ValueError(f"sampling at temperature {temperature} needs a seed")


def equal_lengths(rows: Sequence[Sequence[int]], batch_size: int) -> Iterator[list[int]]:
    """Batches of indices of rows of one length, so that nothing is padded."""
    groups: dict[int, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        groups[len(row)].append(i)
    for _, group in sorted(groups.items()):
        for start in range(0, len(group), batch_size):
            yield group[start : start + batch_size]


def _sampler(
    keys: Sequence[int], steps: int, seed: int | None, temperature: float, ids: Tensor
) -> LogitsProcessorList:
    """The noise of each row comes from a generator of its own, one number a step in order."""
    if temperature == 0 or seed is None:  # a seed is there whenever one is needed
        return LogitsProcessorList()
    noise = np.stack([np.random.default_rng((seed, key)).random(steps) for key in keys])
    return LogitsProcessorList([KeyedSampler(torch.from_numpy(noise), temperature, ids.shape[1])])


@contextmanager
def _plain_generation(subject: Subject) -> Iterator[None]:
    """Set the model's generation defaults aside: `generate` would fill every gap from them."""
    own = subject.model.generation_config
    subject.model.generation_config = GenerationConfig(use_cache=True)
    try:
        yield
    finally:
        subject.model.generation_config = own


@torch.no_grad()
def _generate_batch(
    subject: Subject,
    ids: Tensor,
    steps: int,
    steer: RowSteering | None,
    processors: LogitsProcessorList,
) -> Tensor:
    """New ids [batch, steps] of prompts of one length.

    No EOS is set, so that every row takes every step and the bounded loop below always runs out;
    nnsight would silently skip what follows a loop cut short.
    """
    inputs = {
        "input_ids": ids.to(subject.device),
        "attention_mask": torch.ones_like(ids).to(subject.device),
        "max_new_tokens": steps,
        "do_sample": False,
        "logits_processor": processors,
    }
    with _plain_generation(subject):
        if steer is None:
            result = cast(Any, subject.model).generate(**inputs)
        else:
            result = _steered(subject, inputs, steps, steer)
    return result[:, ids.shape[1] :].cpu()


def _steered(subject: Subject, inputs: dict, steps: int, steer: RowSteering) -> Tensor:
    shape = inputs["input_ids"].shape
    start = steer.starts([shape[1]] * shape[0])[0]
    prompt = (torch.arange(shape[1]) >= start).expand(shape)
    later = torch.ones(shape[0], 1, dtype=torch.bool)
    block = subject.traced_block(steer.layer)
    with subject.traced.generate(**inputs) as tracer:
        for step in tracer.iter[:steps]:
            where = prompt if step == 0 else later
            output = block.output
            block.output = with_block_tensor(output, steer.apply(block_tensor(output), where))
        result = tracer.result.save()
    return result
