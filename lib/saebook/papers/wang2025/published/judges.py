"""Grades of texts whose generator nobody knows: by explanation, likelihood and re-encoding."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saebook.activations import capture
from saebook.hub.rehearsing import rehearsing
from saebook.judges import (
    LOOP_QUANTILE,
    Cuts,
    grade,
    mean_logprobs,
    perplexity_grades,
    reencoded_grades,
    repeated_share,
    thirds,
)
from saebook.subjects import Subject

NEUTRAL = "Response:"
"""What stands before a text when its own likelihood is asked for."""
SOME = 512
"""Texts re-encoded at a time."""

Floats = NDArray[np.float64]
Rows = Sequence[Sequence[int]]
log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class TextJudges:
    """Instruction and fluency by the unsteered model's own likelihoods (design: no LLM decides)."""

    subject: Subject
    prompts: tuple[str, ...]
    """The instructions as they are shown to the model."""
    batch_size: int
    instruction: Cuts
    """Cuts on log p(text | instruction) - log p(text | neutral), nats a token."""
    unsteered: Tensor
    """log p a token of unsteered texts after the neutral prompt [n]."""
    shuffled: Tensor
    """The same of those texts with their tokens shuffled [n]."""
    most_repeated: float
    """Repeated share above which a text is a loop."""

    @classmethod
    def calibrated(
        cls,
        subject: Subject,
        prompts: Sequence[str],
        unsteered: Sequence[Rows],
        batch_size: int,
        seed: int,
    ) -> TextJudges:
        """Set the cuts on unsteered texts of every prompt, before any steered text is seen.

        Args:
            subject: The model.
            prompts: The instructions as shown.
            unsteered: Token ids of the texts that continue each.
            batch_size: Texts a forward pass.
            seed: Of the shuffling.

        Raises:
            ValueError: no text has a token, or the likelihoods cannot tell unsteered texts from
                those of other instructions, or from shuffled ones.
        """
        rows = [list(row) for part in unsteered for row in part if len(row)]
        owners = [p for p, part in enumerate(unsteered) for row in part if len(row)]
        if not rows:
            raise ValueError("every unsteered text is empty; nothing can be calibrated on them")
        rng = np.random.default_rng(seed)
        texts = [subject.decode(row) for row in rows]
        mixed = [subject.decode(rng.permutation(row).tolist()) for row in rows]
        alone = mean_logprobs(subject, [NEUTRAL] * len(texts), texts, batch_size)
        apart = mean_logprobs(subject, [NEUTRAL] * len(texts), mixed, batch_size)
        others = [prompts[(p + 1) % len(prompts)] for p in owners]
        own = mean_logprobs(subject, [prompts[p] for p in owners], texts, batch_size) - alone
        other = mean_logprobs(subject, others, texts, batch_size) - alone
        cuts = _told_apart(lambda: thirds(float(other.mean()), float(own.mean())))
        if rehearsing() and apart.mean() >= alone.mean():
            apart = alone - 1  # a stand-in's random weights know no order of words
        loops = float(np.quantile([repeated_share(row) for row in rows], LOOP_QUANTILE))
        return cls(subject, tuple(prompts), batch_size, cuts, alone, apart, loops)

    def grades(self, rows: Rows, prompts: Sequence[int]) -> tuple[Floats, Floats]:
        """Instruction and fluency grade of row i as a text after prompt i, [n] each.

        A text without a token gets 0 twice, one that loops 0 for fluency.
        """
        texts = [self.subject.decode(row) for row in rows]
        there = np.array([bool(text) for text in texts])
        instruction, fluency = np.zeros(len(rows)), np.zeros(len(rows))
        if not there.any():
            return instruction, fluency
        held = [text for text in texts if text]
        asked = [self.prompts[p] for p, text in zip(prompts, texts, strict=True) if text]
        alone = mean_logprobs(self.subject, [NEUTRAL] * len(held), held, self.batch_size)
        given = mean_logprobs(self.subject, asked, held, self.batch_size)
        loops = np.array([repeated_share(row) > self.most_repeated for row in rows])
        instruction[there] = grade((given - alone).double().numpy(), *self.instruction)
        fluency[there] = perplexity_grades(alone, self.unsteered, self.shuffled)
        return instruction, np.where(loops, 0.0, fluency)


def _told_apart(cuts: Callable[[], Cuts]) -> Cuts:
    """Cuts, or none on a stand-in whose random weights know no instruction from another."""
    try:
        return cuts()
    except ValueError as error:
        if not rehearsing():
            raise
        log.warning("stand-in: %s; every text passes", error)
        return Cuts(-np.inf, -np.inf)


def reencoded(
    subject: Subject, sae: Any, layer: int, texts: Sequence[str], latents: Tensor, peaks: Tensor,
    batch_size: int,
) -> Floats:  # fmt: skip
    """Grade text i by what the unsteered model and the SAE read of latent i in it, [n].

    Args:
        subject: The model.
        sae: The SAE, on the CPU; put beside the model meanwhile.
        layer: Block whose output it reads.
        texts: Texts; an empty one gets 0.
        latents: The latent that each is graded for [n].
        peaks: Its largest activation in natural text [n].
        batch_size: Texts a forward pass.
    """
    found, home = torch.zeros(len(texts)), sae.W_dec.device
    there = [i for i, text in enumerate(texts) if text]
    sae.to(subject.device)
    for start in range(0, len(there), SOME):
        at = there[start : start + SOME]
        read = capture(subject, [texts[i] for i in at], [layer], "all", batch_size)
        owner = torch.tensor(read.index["text"].to_numpy())
        codes = sae.encode(read[layer].to(subject.device))
        own = codes[torch.arange(len(codes)), latents[at][owner].to(codes.device)].float().cpu()
        kept = torch.tensor((read.index["token_id"] != subject.bos_id).to_numpy())
        largest = torch.zeros(len(at)).scatter_reduce(0, owner[kept], own[kept], "amax")
        found[at] = largest
    sae.to(home)
    return reencoded_grades(found, peaks)
