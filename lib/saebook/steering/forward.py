"""Log-probabilities under steering, by single forward passes through nnsight."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from saebook.corpora import padded
from saebook.steering.vectors import RowSteering, Steering, row_steering
from saebook.subjects import Subject, block_tensor, with_block_tensor


def next_token_logprobs(
    subject: Subject, prompts: Sequence[str], steering: Steering = None, batch_size: int = 32
) -> Tensor:
    """Return log p(next token | prompt) for every prompt, float32 [n, vocabulary] on the CPU.

    Prompts are right-padded, so a number depends on the rest of its batch by rounding only
    (about 1e-5).

    Args:
        subject: The model.
        prompts: Texts; a BOS is put in front where the family has one.
        steering: A vector for all prompts, one (or None) for each, or None.
        batch_size: Prompts a forward pass.

    Raises:
        ValueError: no prompts, too long ones, steering that does not fit the subject, or
            positions "generated", which leaves a single forward pass unsteered.
    """
    rows = encoded_prompts(subject, prompts)
    plan = row_steering(subject, steering, len(rows))
    if plan is not None and plan.positions == "generated":
        raise ValueError(
            "positions 'generated' steers nothing here, since no token is generated before the "
            "next one is predicted; use 'all' or 'last'"
        )
    lengths = [len(row) for row in rows]
    result = torch.empty(len(rows), subject.model.config.vocab_size)
    for chosen in _by_length(lengths, batch_size):
        last = torch.tensor([lengths[i] - 1 for i in chosen])
        columns = last.unique()
        part = _logits(subject, rows, lengths, chosen, plan, columns)
        picked = part[torch.arange(len(chosen)), torch.searchsorted(columns, last)]
        result[chosen] = picked.log_softmax(-1)
    return result


def continuation_logprobs(
    subject: Subject,
    prompts: Sequence[str],
    continuations: Sequence[str],
    steering: Steering = None,
    batch_size: int = 32,
) -> Tensor:
    """Return log p(continuation | prompt), summed over its tokens, float32 [n] on the CPU.

    Prompt and continuation are tokenized apart and joined. Positions "generated" steers the
    continuation's own tokens, so that its first token is always predicted unsteered.

    Raises:
        ValueError: as `next_token_logprobs`, or numbers of prompts and continuations differ.
    """
    if len(prompts) != len(continuations):
        raise ValueError(f"{len(prompts)} prompts for {len(continuations)} continuations")
    heads = encoded_prompts(subject, prompts)
    tails = subject.encode(continuations, bos=False)
    rows = [head + tail for head, tail in zip(heads, tails, strict=True)]
    starts = [len(head) for head in heads]
    check_lengths(subject, [len(row) for row in rows])
    plan = row_steering(subject, steering, len(rows))
    result = torch.empty(len(rows))
    for chosen in _by_length([len(row) for row in rows], batch_size):
        first = min(starts[i] for i in chosen) - 1
        columns = torch.arange(first, max(len(rows[i]) for i in chosen))
        logprobs = _logits(subject, rows, starts, chosen, plan, columns).log_softmax(-1)
        for j, i in enumerate(chosen):
            own = logprobs[j, starts[i] - 1 - first : len(rows[i]) - 1 - first]
            result[i] = own.gather(-1, torch.tensor(tails[i])[:, None]).sum()
    return result


def encoded_prompts(subject: Subject, prompts: Sequence[str]) -> list[list[int]]:
    """Encode prompts. Raises ValueError if there are none or one exceeds the context."""
    if isinstance(prompts, str) or not prompts:
        raise ValueError("a non-empty sequence of prompts is needed")
    rows = subject.encode(prompts)
    check_lengths(subject, [len(row) for row in rows])
    return rows


def check_lengths(subject: Subject, lengths: Sequence[int]) -> None:
    """Raise ValueError for a sequence longer than the model's context."""
    longest = subject.model.config.max_position_embeddings
    for i, length in enumerate(lengths):
        if length > longest:
            raise ValueError(f"text {i} needs {length} tokens; {subject.name} takes {longest}")


def _by_length(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """Batches of indices of similar length, so that little is padding."""
    if batch_size < 1:
        raise ValueError(f"batch size {batch_size} is below 1")
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


@torch.no_grad()
def _logits(
    subject: Subject,
    rows: Sequence[Sequence[int]],
    prompt_lengths: Sequence[int],
    chosen: Sequence[int],
    plan: RowSteering | None,
    columns: Tensor,
) -> Tensor:
    """Logits float32 [batch, columns, vocabulary] of the chosen rows, steered as planned.

    Only the asked-for columns go through the unembedding: all of them would take gigabytes with
    a vocabulary of 256,000.
    """
    ids, mask = padded(subject, [rows[i] for i in chosen])
    if plan is not None:
        steer = plan.rows(chosen)
        starts = torch.tensor(steer.starts([prompt_lengths[i] for i in chosen]))
        where = (torch.arange(ids.shape[1]) >= starts[:, None]) & mask
        block = subject.traced_block(plan.layer)
    inputs = {
        "input_ids": ids.to(subject.device),
        "attention_mask": mask.to(subject.device).long(),
        "logits_to_keep": columns.to(subject.device),
        "use_cache": False,
    }
    with subject.traced.trace(**inputs):
        if plan is not None:
            output = block.output
            block.output = with_block_tensor(output, steer.apply(block_tensor(output), where))
        logits = subject.traced.output.logits.save()
    return logits.float().cpu()
