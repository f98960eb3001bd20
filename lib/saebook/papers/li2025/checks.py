"""Is the bench what it says it is? Numbers that can be redone by hand."""

from __future__ import annotations

import torch

from saebook.activations import stream_activations
from saebook.corpora import token_batches
from saebook.papers.li2025.arms import CONTEXT
from saebook.papers.li2025.bench import Bench
from saebook.subjects import hook_name


def packing_differences(bench: Bench, n: int = 8) -> dict[str, float]:
    """How far packed activations are from those of single dialogues, over the latter's norm.

    Args:
        bench: The chapter's models.
        n: Dialogues to compare on.

    Returns:
        Relative distance of "masked" and "packed" blocks, first tokens included; packed blocks
        are compared on the dialogues' own tokens.
    """
    config = bench.config
    subject = bench.instruct(config.family, with_sink=True)
    texts = bench.dialogues(config.family)[:n]

    def read(packing: str) -> torch.Tensor:
        batches = token_batches(subject, texts, CONTEXT, packing)  # type: ignore[arg-type]
        stream = stream_activations(subject, batches, [config.layer])
        acts = torch.cat([part[hook_name(config.layer)] for part in stream])
        own = torch.cat([batch.position[batch.mask] for batch in batches]) >= 0
        return acts[own]

    alone = read("single")
    return {
        name: float((read(name) - alone).norm() / alone.norm()) for name in ("masked", "packed")
    }


def equation_7_by_hand(x: torch.Tensor, recon: torch.Tensor, dialogue: torch.Tensor) -> float:
    """Equation 7 as two nested loops."""
    total = 0.0
    names = dialogue.unique().tolist()
    for name in names:
        inner = 0.0
        own = [j for j in range(len(x)) if int(dialogue[j]) == name]
        for j in own:
            inner += float((x[j].double() - recon[j].double()).square().sum())
        total += inner / len(own)
    return total / (len(names) * x.shape[1])
