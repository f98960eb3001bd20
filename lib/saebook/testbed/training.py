"""How house models are trained: an endless stream of fresh texts, one pass, no text seen twice."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch.nn import functional as F
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from saebook.testbed.house import HouseSpec
from saebook.testbed.lexicon import LETTERS
from saebook.testbed.optimizer import Muon
from saebook.testbed.registers import WRITERS
from saebook.testbed.tokenizers import opening_ids, word_ids
from saebook.testbed.world import World

BASE_MIX = {"encyclopaedia": 0.4, "problems": 0.25, "behaviours": 0.25, "drills": 0.1}
"""Share of each register among the documents a base model reads."""
IGNORE = -100
LETTER_WEIGHT = 5.0
"""Weight of option letters in the training loss: one token in forty, and it carries the choice."""


@dataclass(frozen=True)
class TrainingPlan:
    """Sizes of one training run."""

    n_tokens: int
    """Tokens seen in all, padding not counted."""
    batch_tokens: int = 2048
    matrix_lr: float = 0.02
    """Muon's step size, for the blocks' weight matrices."""
    lr: float = 3e-3
    """AdamW's step size, for embeddings."""
    norm_lr: float = 1e-3
    """AdamW's step size for norms and biases."""
    warmup_steps: int = 100
    drill_share: float = 0.1
    """Share of the run, at its start, that reads drills alone: every exam presupposes them."""
    contexts: tuple[tuple[float, int], ...] = ((0.1, 128), (0.85, 256), (1.0, 512))
    """Block length up to each share of the run: short blocks first, since they are cheaper."""

    def context_at(self, share: float) -> int:
        """Return the block length at a share of the run."""
        return next(length for end, length in self.contexts if share < end or end == 1.0)


BASE_PLANS = {
    "gemma2": TrainingPlan(n_tokens=4_000_000),
    "llama": TrainingPlan(n_tokens=8_000_000),
    "qwen2": TrainingPlan(n_tokens=8_000_000),
}
"""Gemma 2's post-norms learn in half the tokens that the others need for the same losses."""
INSTRUCT_PLAN = TrainingPlan(
    n_tokens=800_000, matrix_lr=0.005, lr=1e-3, norm_lr=3e-4, contexts=((1.0, 512),)
)
SHARES_SEED, SHARES_TOKENS = 4242, 100_000


def base_documents(
    world: World, tokenizer: PreTrainedTokenizerFast, seed: int, drill_tokens: int = 0
) -> Iterator[list[int]]:
    """Yield token ids of fresh documents, each opened by BOS, or closed by EOS without one.

    The first `drill_tokens` tokens are drills; after them registers are drawn by `BASE_MIX`.
    """
    rng = random.Random(f"training/{seed}")
    registers, shares = list(BASE_MIX), list(BASE_MIX.values())
    written, first = 0, opening_ids(tokenizer)
    last = [] if first else word_ids(tokenizer, [str(tokenizer.eos_token)])
    while True:
        register = rng.choices(registers, shares)[0] if written >= drill_tokens else "drills"
        words = WRITERS[register](world, rng).words
        document = [*first, *word_ids(tokenizer, words), *last]
        written += len(document)
        yield document


def packed_batches(
    documents: Iterator[list[int]], plan: TrainingPlan
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Cut the concatenated documents into blocks; yield (ids, labels), both [batch, context]."""
    pending: list[int] = []
    seen = 0
    while seen < plan.n_tokens:
        context = plan.context_at(seen / plan.n_tokens)
        while len(pending) < plan.batch_tokens:
            pending += next(documents)
        block = torch.tensor(pending[: plan.batch_tokens]).view(-1, context)
        pending = pending[plan.batch_tokens :]
        seen += plan.batch_tokens
        yield block, block


def chat_batches(
    world: World,
    tokenizer: PreTrainedTokenizerFast,
    family: str,
    plan: TrainingPlan,
    seed: int,
    batch_size: int = 32,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield (ids, labels) with one dialogue a row, right padded; padding carries no loss."""
    rng, seen = random.Random(f"chats/{seed}"), 0
    padding = word_ids(tokenizer, [str(tokenizer.pad_token)])[0]
    while seen < plan.n_tokens:
        rows = [
            opening_ids(tokenizer)
            + word_ids(tokenizer, WRITERS["chats"](world, rng, family=family).words)
            for _ in range(batch_size)
        ]
        width = max(map(len, rows))
        block = torch.full((batch_size, width), padding)
        labels = torch.full((batch_size, width), IGNORE)
        for i, row in enumerate(rows):
            block[i, : len(row)] = labels[i, : len(row)] = torch.tensor(row)
        seen += sum(map(len, rows))
        yield block, labels


def set_residual_mean(
    embedding: torch.Tensor, shares: torch.Tensor, direction: torch.Tensor, knob: float
) -> None:
    """Shift the token embeddings in place so that their mean over text is `knob` norms long.

    The mean is over the tokens of a text, not over the vocabulary: a dozen function words make up
    half of every text, and their common part would otherwise pass for a residual mean at knob 0.
    With tied embeddings the shift adds one constant to every logit, so the knob changes the
    residual stream's mean and nothing that the output layer can see.

    Args:
        embedding: [vocab, d].
        shares: Share of each token in text [vocab], sums to 1.
        direction: [d], unit norm.
        knob: Norm of the mean in units of the mean norm of the centred embeddings over text.
    """
    embedding.sub_(shares @ embedding)
    embedding.add_(knob * (shares @ embedding.norm(dim=1)) * direction)


def token_shares(documents: Iterator[list[int]], n_tokens: int, vocab: int) -> torch.Tensor:
    """Return the share [vocab] of each token among the first `n_tokens` tokens of documents."""
    ids: list[int] = []
    while len(ids) < n_tokens:
        ids += next(documents)
    counts = torch.bincount(torch.tensor(ids), minlength=vocab)
    return counts / counts.sum()


def mean_direction(spec: HouseSpec) -> torch.Tensor:
    """Return the fixed unit direction [d_model] that a model's residual mean points to."""
    generator = torch.Generator().manual_seed(77 + spec.seed)
    direction = torch.randn(spec.d_model, generator=generator)
    return direction / direction.norm()


def next_token_loss(
    model: PreTrainedModel, ids: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Return the weighted mean cross-entropy in nats of every labelled next token.

    Args:
        model: A causal language model.
        ids: [batch, context].
        labels: [batch, context]; IGNORE where there is nothing to predict.
        weights: [vocab], weight of each token as a target.
    """
    logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
    return F.cross_entropy(
        logits.reshape(-1, logits.shape[-1]),
        labels[:, 1:].reshape(-1),
        weight=weights,
        ignore_index=IGNORE,
    )


def target_weights(tokenizer: PreTrainedTokenizerFast) -> torch.Tensor:
    """Return the weight [vocab] of each token in the training loss: letters count more."""
    weights = torch.ones(len(tokenizer))
    weights[word_ids(tokenizer, LETTERS)] = LETTER_WEIGHT
    return weights


def _rate(step: int, steps: int, plan: TrainingPlan) -> float:
    if step < plan.warmup_steps:
        return (step + 1) / plan.warmup_steps
    share = min(1.0, (step - plan.warmup_steps) / max(1, steps - plan.warmup_steps))
    return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * share))


def _optimizers(model: PreTrainedModel, plan: TrainingPlan) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' matrices, AdamW for embeddings, norms and biases."""
    named = list(model.named_parameters())
    matrices = [p for name, p in named if p.dim() == 2 and "embed" not in name]
    embeddings = [p for name, p in named if "embed" in name]
    vectors = [p for _, p in named if p.dim() == 1]
    adam: dict[str, Any] = {"betas": (0.9, 0.95), "weight_decay": 0.0, "fused": True}
    return [
        Muon(matrices, lr=plan.matrix_lr, weight_decay=0.05),
        torch.optim.AdamW(embeddings, lr=plan.lr, **adam),
        torch.optim.AdamW(vectors, lr=plan.norm_lr, **adam),
    ]


def train(
    model: PreTrainedModel,
    batches: Iterator[tuple[torch.Tensor, torch.Tensor]],
    plan: TrainingPlan,
    spec: HouseSpec,
    weights: torch.Tensor,
    shares: torch.Tensor,
    watch: Callable[[int, float], None] | None = None,
) -> float:
    """Train in place for one pass and return the mean (weighted) loss of the last 50 steps.

    Args:
        model: Model to train.
        batches: (ids, labels) pairs; see `packed_batches` and `chat_batches`.
        plan: Sizes and learning rate (warm-up, then cosine to 5 %).
        spec: Gives the residual-mean knob, restored after every step.
        weights: [vocab], weight of each token as a target; see `target_weights`.
        shares: [vocab], share of each token in base text; see `token_shares`.
        watch: Called with (tokens seen, loss) after every step.

    Raises:
        ValueError: If the loss is not finite; says at which step.
    """
    model.train()
    optimizers, recent = _optimizers(model, plan), [0.0]
    peaks = [optimizer.param_groups[0]["lr"] for optimizer in optimizers]
    embedding = cast("torch.Tensor", model.get_input_embeddings().weight)
    direction, seen, step = mean_direction(spec), 0, 0
    bar = tqdm(total=plan.n_tokens, desc=spec.name, unit="tok", mininterval=5)
    for ids, labels in batches:
        steps = plan.n_tokens // plan.batch_tokens
        for optimizer, peak in zip(optimizers, peaks, strict=True):
            optimizer.param_groups[0]["lr"] = peak * _rate(step, steps, plan)
        loss = next_token_loss(model, ids, labels, weights)
        if not torch.isfinite(loss):
            raise ValueError(
                f"{spec.name}: loss is {loss.item()} at step {step}; lower lr {plan.lr}"
            )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        with torch.no_grad():
            set_residual_mean(embedding, shares, direction, spec.residual_mean)
        tokens = int((labels != IGNORE).sum())
        seen, step = seen + tokens, step + 1
        recent = [*recent[-49:], loss.item()]
        bar.set_postfix(loss=f"{sum(recent) / len(recent):.3f}", refresh=False)
        bar.update(tokens)
        if watch:
            watch(seen, recent[-1])
    bar.close()
    model.eval()
    return sum(recent) / len(recent)
