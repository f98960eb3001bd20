"""Reinforcement learning with an exact-match reward: group-normalised policy gradient (GRPO)."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from saebook.finetune import FineTuned, Question, Schedule, Shuffle, ordered
from saebook.finetune.forward import logits_at
from saebook.finetune.items import steps
from saebook.papers.zhang2026.exams import question
from saebook.papers.zhang2026.worlds import Problem
from saebook.subjects import Subject

GROUP = 8
"""Answers drawn for each question of a step."""


def advantages(rewards: Tensor) -> Tensor:
    """Return (reward - mean of its group) / (standard deviation + 1e-4), [n, GROUP]."""
    centred = rewards - rewards.mean(1, keepdim=True)
    return centred / (rewards.std(1, keepdim=True) + 1e-4)


def reinforce(
    subject: Subject, problems: Sequence[Problem], schedule: Schedule, seed: int
) -> FineTuned:
    """Train a copy of the model to choose the option that the problems give as right.

    One action a question: the option named at the end of the begun reasoning line, drawn among
    the options by the model. Draws are keyed by (seed, step).

    Args:
        subject: The model before.
        problems: Solved problems; only the right option's identity is used, as a reward of 1.
        schedule: As for fine-tuning.
        seed: Of order and draws.

    Returns:
        The trained model; `losses` holds one minus each step's mean reward.

    Raises:
        ValueError: A loss that is not finite; says the step.
    """
    model = copy.deepcopy(subject.model).requires_grad_(True)
    asked = [question(subject, p, p.opened) for p in problems]
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=schedule.lr,
        betas=schedule.betas,
        weight_decay=schedule.weight_decay,
        foreach=True,
    )
    n_steps, missed = schedule.n_steps(len(asked)), []
    orders = ordered(len(asked), schedule.epochs, Shuffle(seed))
    for step, chosen in enumerate(steps(orders, schedule.batch_size)):
        optimizer.param_groups[0]["lr"] = schedule.lr_at(step, n_steps)
        batch = [asked[i] for i in chosen]
        loss, reward = _policy_loss(model, batch, 1_000_003 * seed + step)
        if not math.isfinite(loss.item()):
            raise ValueError(f"the loss is {loss.item()} at step {step}; lower lr {schedule.lr:g}")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), schedule.clip)
        optimizer.step()
        optimizer.zero_grad()
        missed.append(1.0 - reward)
    model.eval().requires_grad_(False)
    return FineTuned(model, tuple(missed), sum(p.numel() for p in model.parameters()))


def _policy_loss(model: torch.nn.Module, batch: list[Question], key: int) -> tuple[Tensor, float]:
    """Minus the mean of advantage times log-probability, and the mean reward."""
    ends = torch.tensor([len(q.ids) - 1 for q in batch])
    ids = torch.zeros(len(batch), int(ends.max()) + 1, dtype=torch.long)
    for row, q in enumerate(batch):
        ids[row, : len(q.ids)] = torch.tensor(q.ids)
    logits = logits_at(model, ids, torch.arange(ids.shape[1]) == ends[:, None])
    options = torch.tensor([q.options for q in batch])
    logprobs = logits.gather(1, options).log_softmax(-1)
    generator = torch.Generator().manual_seed(key)
    drawn = torch.multinomial(logprobs.detach().exp(), GROUP, True, generator=generator)
    rewards = (drawn == torch.tensor([q.right for q in batch])[:, None]).float()
    loss = -(advantages(rewards) * logprobs.gather(1, drawn)).mean()
    return loss, float(rewards.mean())
