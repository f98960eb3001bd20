"""What all SAEs of one model share: text, prompts, unsteered continuations and calibrated judges.

The "instruction" of a base model is the opening of a document: a title that names a domain and
one of its entities. Following it means to go on about that domain, in the register's sentences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saebook.features import Prefix, read_prefix
from saebook.interpretability import LabelledCorpus, TokenCorpus, read_corpus
from saebook.judges import (
    ConceptAnnotator,
    FluencyJudge,
    GeneratorLikelihood,
    InventoryJudge,
    TopicJudge,
)
from saebook.papers.wang2025.parameters import Parameters
from saebook.papers.wang2025.variants import OTHER_PREFIXES
from saebook.steering import generate_ids
from saebook.subjects import Subject
from saebook.testbed import World

REGISTERS = {"encyclopaedia": 3, "problems": 2}
"""Texts a round, as in the SAEs' default corpus."""
CONTENT = ("entity", "class", "attribute", "value", "topic", "category", "unit", "sentiment",
           "object", "number")  # fmt: skip
"""Kinds of concept that can be steered towards: what a text is about. Its structure (roles,
skills, letters, formats) is left out, because any push disturbs it: on the first version of the
house models permuted decoders reached structural concepts as often as the latents' own rows."""
TEXT_SEED = 81_000
"""Of the texts, away from those that models and SAEs are trained on."""
TOKENS_A_ROUND = 450
"""About what a round holds; more are drawn than needed."""
UNSTEERED_KEY = 10**9
"""Keys of the noise of unsteered texts start here, beyond those of steered ones."""
FRESH_KEY = 2 * UNSTEERED_KEY
"""The same for the unsteered texts that no cut has seen."""
BATCH = 1024
"""Texts a generation batch: the model is small, the overhead of a step is not."""

Rows = list[list[int]]


@dataclass(frozen=True)
class Opening:
    """A document's opening, given to the model as its instruction."""

    text: str
    topic: str
    """Concept id of the domain it names."""


class Steered(Protocol):
    """What steering and scoring latents needs to know of a model."""

    @property
    def subject(self) -> Subject:
        """The model."""
        ...

    @property
    def layer(self) -> int:
        """Block whose output is encoded and steered."""
        ...

    @property
    def corpus(self) -> TokenCorpus:
        """Text on which latents are explained and detected."""
        ...

    @property
    def openings(self) -> Sequence[Opening]:
        """What the model continues."""
        ...

    @property
    def unsteered(self) -> list[Rows]:
        """Unsteered continuations of each opening, on which cuts are set."""
        ...

    @property
    def prefixes(self) -> dict[str, Prefix]:
        """Neutral prefixes: "own", and those of `OTHER_PREFIXES`."""
        ...

    @property
    def batch_size(self) -> int:
        """Texts generated, or changes of a prefix read, at a time."""
        ...


@dataclass(frozen=True, eq=False)
class Setting:
    """One house model with everything that does not depend on an SAE."""

    subject: Subject
    layer: int
    """Block whose output is encoded and steered."""
    world: World
    corpus: LabelledCorpus
    text_rows: Rows
    """Token ids of the annotated texts, no BOS."""
    openings: tuple[Opening, ...]
    opening_rows: Rows
    """Token ids of the openings, as context of what follows."""
    unsteered: list[Rows]
    """Unsteered continuations of each opening, on which cuts are set."""
    fresh: list[Rows]
    """Further unsteered continuations that no cut has seen, one a concept of the shared list."""
    annotator: ConceptAnnotator
    concept: InventoryJudge
    topic: TopicJudge
    fluency: FluencyJudge
    prefixes: dict[str, Prefix]
    """The chapter's own neutral prefix ("own") and the others that K7 compares."""
    batch_size: int = BATCH

    @property
    def content(self) -> Tensor:
        """Columns of the corpus's concepts that a latent may be named by, see `CONTENT`."""
        named = [i for i, c in enumerate(self.corpus.concepts) if c.split("/")[0] in CONTENT]
        return torch.tensor(named)

    def graded(
        self, rows: Rows, prompts: Sequence[int], concepts: Sequence[int]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Concept, instruction and fluency grades of continuations, each [n].

        Args:
            rows: Token ids of the continuations.
            prompts: Index of the opening each one continues.
            concepts: Column (of the annotator) of the concept each one is steered towards.
        """
        contexts = [self.opening_rows[prompt] for prompt in prompts]
        return (
            self.concept.grades(rows, prompts, concepts),
            self.topic.grades(rows, prompts),
            self.fluency.grades(rows, contexts),
        )


def openings(world: World, n: int, seed: int) -> tuple[Opening, ...]:
    """Draw document openings of one length, each from a domain of its own.

    Domains of two words, and health with its categories, would give openings of other lengths,
    which could not share a batch.

    Raises:
        ValueError: more openings than such domains.
    """
    names = [n for n, d in world.domains.items() if " " not in n and not d.categories]
    if n > len(names):
        raise ValueError(f"n_prompts {n} exceeds the {len(names)} domains with openings alike")
    rng = np.random.default_rng((seed, TEXT_SEED))
    drawn = []
    for name in rng.permutation(names)[:n]:
        entity = rng.choice(world.domains[name].entities)
        drawn.append(Opening(f"{name} : {entity} . the", f"topic/{name}"))
    return tuple(drawn)


def read_setting(subject: Subject, world: World, config: Parameters) -> Setting:
    """Draw texts, read the corpus, let the model go on unsteered, and set every judge's cuts.

    Raises:
        ValueError: as the parts do: a layer out of range, too many prompts, judges that cannot
            tell unsteered text from shuffled.
    """
    texts = _texts(world, config)
    rows = subject.encode([text.text for text in texts], bos=False)
    vocabulary = int(subject.model.config.vocab_size)
    corpus = read_corpus(subject, texts, config.layer, config.n_corpus_tokens)
    annotator = ConceptAnnotator.fit(rows, texts, vocabulary)
    drawn = openings(world, config.n_prompts, config.seed)
    contexts = subject.encode([opening.text for opening in drawn])
    unsteered = _unsteered(subject, drawn, config, UNSTEERED_KEY, config.n_unsteered)
    flat = [row for part in unsteered for row in part]
    owners = [context for context in contexts for _ in range(config.n_unsteered)]
    likelihood = GeneratorLikelihood.fit(rows, vocabulary)
    return Setting(
        subject,
        config.layer,
        world,
        corpus,
        rows,
        drawn,
        contexts,
        unsteered,
        _unsteered(subject, drawn, config, FRESH_KEY, config.n_concepts),
        annotator,
        InventoryJudge.calibrated(annotator, unsteered, _natural(rows, config)),
        TopicJudge.calibrated(annotator, [opening.topic for opening in drawn], unsteered),
        FluencyJudge.calibrated(likelihood, flat, owners, config.seed),
        {
            name: read_prefix(subject, text, config.layer)
            for name, text in {"own": config.prefix, **OTHER_PREFIXES}.items()
        },
    )


def _texts(world: World, config: Parameters) -> list:
    rounds = config.n_corpus_tokens // TOKENS_A_ROUND + 8
    drawn = {
        name: world.sample(name, share * rounds, TEXT_SEED + config.seed)
        for name, share in REGISTERS.items()
    }
    return [
        text
        for i in range(rounds)
        for name, share in REGISTERS.items()
        for text in drawn[name][i * share : (i + 1) * share]
    ]


def _unsteered(
    subject: Subject, drawn: Sequence[Opening], config: Parameters, first: int, n: int
) -> list[Rows]:
    """n unsteered continuations of each opening; the keys of their noise count from `first`."""
    prompts = [opening.text for opening in drawn for _ in range(n)]
    rows = generate_ids(
        subject,
        prompts,
        config.n_new_tokens,
        seed=config.seed,
        batch_size=BATCH,
        row_ids=range(first, first + len(prompts)),
    )
    return [rows[i * n : (i + 1) * n] for i in range(len(drawn))]


def _natural(rows: Rows, config: Parameters) -> Rows:
    """One stretch of each natural text, as long as a continuation, at a random place."""
    rng = np.random.default_rng((config.seed, TEXT_SEED, 1))
    length = config.n_new_tokens
    starts = [int(rng.integers(max(1, len(row) - length + 1))) for row in rows]
    return [row[start : start + length] for row, start in zip(rows, starts, strict=True)]
