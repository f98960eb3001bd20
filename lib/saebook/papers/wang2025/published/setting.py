"""What all SAEs of one published model share: texts, instructions, unsteered texts and judges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from saebook.corpora import TokenBatch, token_batches
from saebook.features import Prefix, read_prefix
from saebook.hub.named import Named
from saebook.hub.rehearsing import rehearsing
from saebook.interpretability import TokenCorpus, read_tokens
from saebook.papers.wang2025.latents import Explained
from saebook.papers.wang2025.parameters import Parameters
from saebook.papers.wang2025.published.judges import TextJudges, reencoded
from saebook.papers.wang2025.published.texts import instructions, read_documents
from saebook.papers.wang2025.setting import FRESH_KEY, UNSTEERED_KEY, Opening, Rows
from saebook.papers.wang2025.utility import Grader, lexicon_grades
from saebook.reconstruction import (
    dead_fraction,
    fvu_pooled,
    l0,
    next_token_nll,
    reconstruct,
    replace_by_mean,
    share_recovered,
)
from saebook.steering import generate_ids
from saebook.subjects import Subject
from saebook.zoo.hub_source import sequences_a_pass

PROMPT = "Instruction: {}\nResponse:"
"""How a base model is asked; the paper names neither model variant nor template."""
OTHER_PREFIXES = {"prefix 2": "In my opinion,", "prefix 3": "Yesterday I read that"}
"""Further neutral prefixes of K7, in the place of the house language's."""
CONTEXT = 128
"""Tokens a sequence of the text that latents are explained on (SAEBench)."""
LOSS_SEQUENCES = 256
"""Sequences on which recovered loss is measured (SAEBench: 3,200)."""
FIGURE_TOKENS = 16_384
"""Tokens on which variance and dead latents are measured."""
TEXTS = 256
"""Texts generated at a time where the memory allows as many."""


@dataclass(frozen=True, eq=False)
class PublishedSetting:
    """One published model with everything that does not depend on an SAE."""

    subject: Subject
    layer: int
    """Block whose output is encoded and steered."""
    corpus: TokenCorpus
    openings: tuple[Opening, ...]
    """The instructions as they are shown to the model."""
    unsteered: list[Rows]
    prefixes: dict[str, Prefix]
    batch_size: int
    judges: TextJudges
    batches: list[TokenBatch]
    """Text on which recovered loss is measured."""

    @cached_property
    def nll(self) -> dict[str, float]:
        """Loss of the model as it is, and with the block's output set to its mean, nats."""
        mean = replace_by_mean(self.corpus.acts[self.corpus.kept][:FIGURE_TOKENS])
        return {
            "whole": next_token_nll(self.subject, self.batches),
            "mean": next_token_nll(self.subject, self.batches, self.layer, mean),
        }

    @torch.no_grad()
    def figures(self, sae: Any) -> dict[str, float]:
        """L0, variance left, dead share and loss recovered of an SAE on text it has not seen.

        Raises:
            ValueError: ablation does not raise the model's loss.
        """
        acts = self.corpus.acts[self.corpus.kept][:FIGURE_TOKENS].to(self.subject.device)
        home = sae.W_dec.device
        sae.to(self.subject.device)
        codes = sae.encode(acts)
        spliced = next_token_nll(self.subject, self.batches, self.layer, reconstruct(sae))
        figures = {
            "valid_l0": l0(codes),
            "valid_fvu_pooled": fvu_pooled(acts, sae.decode(codes)),
            "valid_dead_fraction": dead_fraction(codes, window_tokens=len(codes)),
            "loss_recovered_mean_ablation": self._recovered(spliced),
        }
        sae.to(home)
        return figures

    def _recovered(self, spliced: float) -> float:
        whole, mean = self.nll["whole"], self.nll["mean"]
        if rehearsing() and mean <= whole:
            return 0.0  # a stand-in's random weights lose nothing by an ablation
        return share_recovered(whole, spliced, mean, self.layer)

    def grader(self, sae: Any) -> Grader:
        """Concept by the explanation, instruction and fluency by likelihood, "reencoded" beside."""

        def graded(
            explained: Explained, at: Tensor, frame: pd.DataFrame, rows: list[list[int]]
        ) -> dict[str, NDArray[np.int8]]:
            steered = torch.tensor(frame["row"].to_numpy().astype(int))
            own = reencoded(
                self.subject,
                sae,
                self.layer,
                [self.subject.decode(row) for row in rows],
                explained.ids[at][steered],
                explained.windows.max_acts[at][steered],
                self.batch_size,
            )
            instruction, fluency = self.judges.grades(rows, frame["prompt"].astype(int).tolist())
            found = {
                "concept": lexicon_grades(self, explained, at, rows),
                "instruction": instruction,
                "fluency": fluency,
                "reencoded": own,
            }
            return {name: values.astype(np.int8) for name, values in found.items()}

        return graded


def read_published(
    subject: Subject, layer: int, text: Named, asked: Named, config: Parameters
) -> PublishedSetting:
    """Read the text, let the model answer unsteered, and set every judge's cuts.

    Args:
        subject: The model.
        layer: Block to read and steer.
        text: Data set with a split "validation" of documents.
        asked: Data set with a split "eval" of instructions.
        config: Sizes (`Parameters.published`) and seed.

    Raises:
        HubError: A data set cannot be had.
        ValueError: Too little text or too few instructions, or judges that cannot be calibrated.
    """
    subject.check_layer(layer)
    size = sequences_a_pass(subject, CONTEXT, TEXTS)
    documents = read_documents(subject, text, config.n_corpus_tokens, CONTEXT)
    shown = tuple(PROMPT.format(a) for a in instructions(asked, config.n_prompts, config.seed))
    unsteered = unsteered_texts(subject, shown, config, size)
    own = {"own": config.prefix, **OTHER_PREFIXES}
    batches = token_batches(subject, documents, CONTEXT, "packed", min(size, 8))
    return PublishedSetting(
        subject,
        layer,
        read_tokens(subject, documents, layer, config.n_corpus_tokens, CONTEXT, size),
        tuple(Opening(asked, "") for asked in shown),
        unsteered,
        {name: read_prefix(subject, prefix, layer) for name, prefix in own.items()},
        size,
        TextJudges.calibrated(subject, shown, unsteered, size, config.seed),
        batches[: max(1, LOSS_SEQUENCES // min(size, 8))],
    )


def unsteered_texts(
    subject: Subject, prompts: Sequence[str], config: Parameters, batch_size: int
) -> list[Rows]:
    """Unsteered texts of each prompt, their noise keyed apart from that of steered ones."""
    n = config.n_unsteered
    wanted = [prompt for prompt in prompts for _ in range(n)]
    keys = range(UNSTEERED_KEY, UNSTEERED_KEY + len(wanted))
    assert keys.stop <= FRESH_KEY
    found = generate_ids(
        subject, wanted, config.n_new_tokens, seed=config.seed, batch_size=batch_size, row_ids=keys
    )
    return [found[i * n : (i + 1) * n] for i in range(len(prompts))]
