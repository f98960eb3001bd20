"""MMLU-Pro (Wang et al. 2024, 2406.01574) scored as its authors score it.

Five worked examples of the domain from the validation split, the question, and greedy generation
of a chain of thought. The answer's letter is looked for in three ways, each tried only where the
one before finds nothing; where all three fail an option is drawn at random. The instruction is
worded here; what the patterns look for is the protocol's.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from saebook.hub.data import rows
from saebook.hub.entries import subject_entry
from saebook.hub.errors import HubError
from saebook.hub.fitting import Place, chosen_batch, in_batches
from saebook.hub.schema import Dtype
from saebook.subjects import Subject

LETTERS = "ABCDEFGHIJ"
N_EXAMPLES = 5
STOP = "Question:"
"""Where a model begins to invent the next question, its answer has ended."""
OPENING = "Let's think step by step."
PATTERNS = (
    re.compile(r"answer is \(?([A-J])\)?"),
    re.compile(r".*[aA]nswer:\s*([A-J])"),
    re.compile(r"\b([A-J])\b(?!.*\b[A-J]\b)", re.DOTALL),
)
"""The phrase in which the examples end; the last answer of a line; the last letter by itself."""
BATCH, TAIL = 16, 8


class Item(NamedTuple):
    """One question."""

    id: int
    domain: str
    question: str
    options: tuple[str, ...]
    """At most ten; what the files fill up with N/A is left out."""
    right: int
    """Index of the right option."""
    reasoning: str
    """A worked chain of thought that ends in the answer; empty in the test split."""

    @property
    def asked(self) -> str:
        """Question and lettered options."""
        lettered = zip(LETTERS, self.options, strict=False)
        options = "\n".join(f"{letter}. {option}" for letter, option in lettered)
        return f"Question:\n{self.question}\nOptions:\n{options}\n"


class Read(NamedTuple):
    """What an answer said."""

    chosen: int
    """Index of the option; it may lie beyond those that the item has."""
    way: int
    """Which of the three ways found it, from 0; 3 where it was drawn at random."""


class Marked(NamedTuple):
    """One domain's exam."""

    bits: np.ndarray
    """Whether each item was answered rightly, bool [n]."""
    drawn: float
    """Share of answers that named no letter, so that one was drawn."""


def load(split: str, commit: str | None = None, per_domain: int = 0) -> dict[str, list[Item]]:
    """Read a split's items by domain, in the order of the file.

    Args:
        split: test or validation.
        commit: Of the data set; the catalogue's by default.
        per_domain: Items of each domain, 0 for all.

    Raises:
        HubError: The data cannot be had, or a row is no multiple-choice question.
    """
    held: dict[str, list[Item]] = {}
    for row in rows("mmlu-pro", split, commit):
        own = held.setdefault(row["category"], [])
        if not per_domain or len(own) < per_domain:
            own.append(_item(row))
    return held


def _item(row: Mapping[str, Any]) -> Item:
    options = tuple(option for option in row["options"] if option != "N/A")
    right = int(row["answer_index"])
    if not (2 <= len(options) <= len(LETTERS) and 0 <= right < len(options)):
        raise HubError(
            f"MMLU-Pro item {row['question_id']} has {len(options)} options and answer {right}"
        )
    reasoning = re.sub(r"^\s*A:\s*", "", row["cot_content"] or "").strip()
    key, domain = int(row["question_id"]), row["category"]
    return Item(key, domain, row["question"].strip(), options, right, reasoning)


def examples_of(domain: str, validation: Mapping[str, Sequence[Item]]) -> list[Item]:
    """Return a domain's five worked examples.

    Raises:
        HubError: The validation split holds fewer.
    """
    own = list(validation.get(domain, ()))[:N_EXAMPLES]
    if len(own) < N_EXAMPLES or not all(item.reasoning for item in own):
        raise HubError(f"{len(own)} worked examples of {domain!r}; the protocol takes {N_EXAMPLES}")
    return own


def prompt(item: Item, examples: Sequence[Item]) -> str:
    """Write instruction, worked examples and question, up to where the model goes on."""
    head = (
        f"These are multiple choice questions about {item.domain}, with answers. Reason step by "
        'step, then end with "the answer is (X)", where X is the letter of the right option.\n\n'
    )
    solved = "".join(f"{one.asked}Answer: {one.reasoning}\n\n" for one in examples)
    return f"{head}{solved}{item.asked}Answer: {OPENING}"


def fitting_prompt(subject: Subject, item: Item, examples: Sequence[Item], room: int) -> list[int]:
    """Encode the prompt, with as many worked examples as leave it at most `room` tokens.

    Raises:
        HubError: The question alone is longer.
    """
    for n in range(len(examples), -1, -1):
        (ids,) = subject.encode([prompt(item, examples[:n])])
        if len(ids) <= room:
            return ids
    raise HubError(f"MMLU-Pro item {item.id} alone is longer than {room} tokens")


def read_answer(text: str, item: Item, seed: int) -> Read:
    """Find the option that an answer names.

    The draw of last resort is keyed by seed, item and text, so that it neither repeats for
    another model's answer nor changes on a rerun.

    Args:
        text: What the model wrote.
        item: The question.
        seed: Of the draw.
    """
    for way, pattern in enumerate(PATTERNS):
        found = pattern.search(text)
        if found:
            return Read(LETTERS.index(found.group(1)), way)
    drawn = random.Random(f"mmlu-pro/{seed}/{item.id}/{text}").randrange(len(item.options))
    return Read(drawn, len(PATTERNS))


def take_exam(
    subject: Subject,
    items: Sequence[Item],
    examples: Sequence[Item],
    new_tokens: int,
    seed: int,
    context: int | None = None,
) -> Marked:
    """Answer one domain's items and mark them.

    Args:
        subject: The model; prompts are plain text, without its chat template.
        items: Of one domain.
        examples: Its worked examples.
        new_tokens: Longest answer.
        seed: Of the draw of last resort.
        context: Longest prompt and answer together; the model's own context by default. Worked
            examples that do not fit are left out, the last ones first.

    Raises:
        HubError: A question does not fit the context, or not even one fits the memory.
    """
    longest = subject.model.config.max_position_embeddings
    room = min(longest, context or longest) - new_tokens
    prompts = [fitting_prompt(subject, item, examples, room) for item in items]
    texts = continuations(subject, prompts, new_tokens)
    answers = [read_answer(t, item, seed) for t, item in zip(texts, items, strict=True)]
    bits = np.array([a.chosen == item.right for a, item in zip(answers, items, strict=True)])
    return Marked(bits, float(np.mean([a.way == len(PATTERNS) for a in answers])))


def continuations(subject: Subject, prompts: Sequence[Sequence[int]], new_tokens: int) -> list[str]:
    """Continue prompts greedily, up to the model's end token or the next question.

    Prompts are left-padded, longest first, so that like lengths share a batch.

    Args:
        subject: The model.
        prompts: Token ids.
        new_tokens: Most tokens generated for each.
    """
    order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
    place = Place(str(subject.device), cast(Dtype, str(subject.model.dtype).split(".")[-1]))
    longest = len(prompts[order[0]]) + new_tokens
    batch = chosen_batch(subject_entry(subject.name), place, longest, BATCH)

    def work(chosen: Sequence[int]) -> list[str]:
        return _continue(subject, [prompts[i] for i in chosen], new_tokens)

    texts = [text for part in in_batches(work, order, batch) for text in part]
    return [text for _, text in sorted(zip(order, texts, strict=True))]


class _NextQuestion(StoppingCriteria):
    """Ends a row once the last tokens it wrote hold `STOP`."""

    def __init__(self, subject: Subject, start: int) -> None:
        self.subject, self.start = subject, start

    def __call__(self, input_ids: Tensor, scores: Tensor, **_: Any) -> Tensor:
        tails = input_ids[:, self.start :][:, -TAIL:].tolist()
        done = [STOP in self.subject.decode(tail) for tail in tails]
        return torch.tensor(done, device=input_ids.device)


@torch.no_grad()
def _continue(subject: Subject, prompts: Sequence[Sequence[int]], new_tokens: int) -> list[str]:
    width = max(map(len, prompts))
    fill = subject.eos_id or 0
    ids = torch.tensor([[fill] * (width - len(p)) + list(p) for p in prompts])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    ends = _ends(subject)
    model: Any = subject.model
    found = model.generate(
        input_ids=ids.to(subject.device),
        attention_mask=mask.to(subject.device),
        generation_config=GenerationConfig(
            max_new_tokens=new_tokens,
            do_sample=False,
            repetition_penalty=1.0,
            pad_token_id=fill,
            eos_token_id=ends,
        ),
        stopping_criteria=StoppingCriteriaList([_NextQuestion(subject, width)]),
    )
    texts = []
    for row in found[:, width:].tolist():
        end = next((i for i, token in enumerate(row) if token in ends), len(row))
        texts.append(subject.decode(row[:end]).split(STOP)[0])
    return texts


def _ends(subject: Subject) -> list[int]:
    """Tokens that end an answer: the model's own and its tokenizer's."""
    own = subject.model.generation_config
    held = own.eos_token_id if own is not None else None
    ends = held if isinstance(held, list) else [held]
    return sorted({i for i in (*ends, subject.eos_id) if i is not None})
