"""Multiple choice: which option a model holds likeliest, item by item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, cast

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from saebook.finetune.forward import logits_at
from saebook.finetune.items import by_length

ANSWER_ROLE, LETTER_ROLE = "role/option", "role/letter"
CHUNK_TOKENS = 16_384


class Question(NamedTuple):
    """A prompt and the tokens that could come next."""

    ids: tuple[int, ...]
    """The prompt, up to the token before the answer."""
    options: tuple[int, ...]
    """Token id of each option, all different."""
    right: int
    """Index of the right option."""


class Scores(NamedTuple):
    """What a model chose, a row a question."""

    bits: np.ndarray
    """Whether the likeliest option is the right one, bool [n]."""
    probs: np.ndarray
    """Probability of each option among the options, float32 [n, n_options]; NaN where a question
    has fewer options than another."""
    mass: np.ndarray
    """Probability of all options together among all tokens, float32 [n]."""

    @property
    def chosen(self) -> np.ndarray:
        """Index of the likeliest option, int [n]."""
        return np.nanargmax(self.probs, axis=1)

    @property
    def accuracy(self) -> float:
        """Share of questions answered rightly."""
        return float(self.bits.mean())


class Annotated(Protocol):
    """A text that knows the concepts at each of its words."""

    @property
    def words(self) -> tuple[str, ...]:
        """The words."""
        ...

    @property
    def concepts(self) -> tuple[frozenset[str], ...]:
        """Concepts at each word."""
        ...


def word_question(tokenizer: PreTrainedTokenizerBase, text: Annotated) -> Question:
    """Ask for the option's word: the prompt ends in `answer :` of the text's last question.

    Raises:
        ValueError: The text has no answer, or two of its options are one word.
    """
    at = _last(text, ANSWER_ROLE)
    options = _listed(text, at)
    words = [word for _, word in options]
    return _question(tokenizer, text, at, words, words.index(text.words[at]))


def letter_question(tokenizer: PreTrainedTokenizerBase, text: Annotated) -> Question:
    """Ask for the option's letter, at the place where the text says it.

    Where the text names the content before its letter, this measures matching alone.

    Raises:
        ValueError: As `word_question`.
    """
    at = _last(text, LETTER_ROLE)
    letters = [letter for letter, _ in _listed(text, at)]
    return _question(tokenizer, text, at, letters, letters.index(text.words[at]))


def _last(text: Annotated, role: str) -> int:
    places = [i for i, held in enumerate(text.concepts) if role in held]
    if not places:
        raise ValueError(f"the text has no word with {role}: {' '.join(text.words[:12])} ...")
    return places[-1]


def _listed(text: Annotated, at: int) -> list[tuple[str, str]]:
    """(letter, content) of the options listed last before word `at`."""
    marks = ("letter/", "role/choices")
    places = [
        i
        for i in range(at)
        if marks[1] in text.concepts[i] and any(c.startswith(marks[0]) for c in text.concepts[i])
    ]
    letters = [text.words[i] for i in places]
    start = max((i for i, letter in enumerate(letters) if letter == "A"), default=0)
    return [(text.words[i], text.words[i + 1]) for i in places[start:]]


def _question(
    tokenizer: PreTrainedTokenizerBase, text: Annotated, at: int, options: list[str], right: int
) -> Question:
    if len(set(options)) < len(options):
        raise ValueError(f"two options are the same word: {', '.join(options)}")
    bos = [] if tokenizer.bos_token is None else [str(tokenizer.bos_token)]
    ids = cast("list[int]", tokenizer.convert_tokens_to_ids([*bos, *text.words[:at]]))
    chosen = cast("list[int]", tokenizer.convert_tokens_to_ids(options))
    return Question(tuple(ids), tuple(chosen), right)


@torch.no_grad()
def score(
    model: PreTrainedModel, questions: Sequence[Question], chunk_tokens: int = CHUNK_TOKENS
) -> Scores:
    """Return each question's likeliest option; ties go to the first.

    Questions are read in groups of like length, which changes no number beyond rounding.

    Raises:
        ValueError: No questions, one longer than the context, or one whose right option is none
            of its options.
    """
    _check(questions, model.config.max_position_embeddings)
    most = max(len(q.options) for q in questions)
    probs = np.full((len(questions), most), np.nan, dtype=np.float32)
    mass = np.zeros(len(questions), dtype=np.float32)
    for group in by_length([len(q.ids) for q in questions], chunk_tokens):
        logprobs = _next_token([questions[i] for i in group], model)
        for row, i in zip(logprobs, group, strict=True):
            held = row[list(questions[i].options)]
            probs[i, : len(held)] = held.softmax(-1).numpy()
            mass[i] = held.exp().sum().item()
    right = np.array([q.right for q in questions])
    return Scores(np.nanargmax(probs, axis=1) == right, probs, mass)


def _next_token(questions: list[Question], model: PreTrainedModel) -> torch.Tensor:
    """Log-probabilities of the token after each prompt, [n, vocab], on the CPU."""
    ends = torch.tensor([len(q.ids) - 1 for q in questions])
    ids = torch.zeros(len(questions), int(ends.max()) + 1, dtype=torch.long)
    for row, question in enumerate(questions):
        ids[row, : len(question.ids)] = torch.tensor(question.ids)
    where = torch.arange(ids.shape[1]) == ends[:, None]
    return logits_at(model, ids, where).log_softmax(-1).cpu()


def _check(questions: Sequence[Question], longest: int) -> None:
    if not questions:
        raise ValueError("there are no questions to score")
    for i, q in enumerate(questions):
        if not 1 <= len(q.ids) <= longest:
            raise ValueError(
                f"question {i} has {len(q.ids)} tokens; the model takes 1 to {longest}"
            )
        if not 0 <= q.right < len(q.options) or len(set(q.options)) < len(q.options):
            raise ValueError(
                f"question {i} needs options that differ, the right one among them; found "
                f"{q.options} and right {q.right}"
            )
