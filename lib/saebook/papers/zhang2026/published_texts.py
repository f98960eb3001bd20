"""LIMO and MMLU-Pro as chats: what is learnt, what is asked, and which tokens are compared."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, cast

from saebook.corpora import render_dialogue
from saebook.finetune import Item, answer_item
from saebook.hub import mmlu_pro
from saebook.hub.data import rows
from saebook.hub.errors import HubError
from saebook.papers.zhang2026.features import Query
from saebook.subjects import Subject

Pair = tuple[Query, Query]
"""A query alone, and the same after demonstrations."""


class Solved(NamedTuple):
    """A problem with its solution."""

    question: str
    solution: str


def source_problems(n: int, commit: str | None = None) -> list[Solved]:
    """Read the first n problems of LIMO.

    Raises:
        HubError: It cannot be had, or holds fewer.
    """
    held = [
        Solved(r["question"].strip(), r["solution"].strip())
        for r in rows("limo", "train", commit, limit=n)
    ]
    if len(held) < n:
        raise HubError(f"LIMO has {len(held)} problems where {n} are asked for; lower hub_items")
    return held


def solved_example(item: mmlu_pro.Item) -> Solved:
    """Turn a worked example of MMLU-Pro into question and solution."""
    return Solved(item.asked, item.reasoning)


def chat_ids(subject: Subject, question: str, shown: Sequence[Solved] = ()) -> list[int]:
    """Encode a question as the last user turn, after solved problems, up to the model's turn.

    Raises:
        HubError: The tokenizer has no chat template.
    """
    if subject.tokenizer.chat_template is None:
        raise HubError(f"the tokenizer of {subject.name} has no chat template; STS needs chats")
    turns = [
        {"role": role, "content": said}
        for one in shown
        for role, said in (("user", one.question), ("assistant", one.solution))
    ]
    turns.append({"role": "user", "content": question})
    text = subject.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return subject.encode([cast(str, text)])[0]


def query_pair(subject: Subject, question: str, shown: Sequence[Solved], context: int) -> Pair:
    """Return a query alone and after demonstrations, with the tokens that both end in as its own.

    What is longer than `context` loses its beginning, as in the paper.

    Raises:
        HubError: No template, or the two share no tokens, or more than the context holds.
    """
    bare, full = chat_ids(subject, question), chat_ids(subject, question, shown)
    n = _shared(reversed(bare), reversed(full))
    if not 0 < n <= context:
        raise HubError(f"a query has {n} tokens of its own; it takes 1 to {context}")
    template = tuple(token in subject.special_ids for token in bare[-n:])
    alone, after = (Query(tuple(ids[-context:]), template) for ids in (bare, full))
    return alone, after


def _shared(first: Iterable[int], second: Iterable[int]) -> int:
    """How many tokens two sequences have in common from their start."""
    n = 0
    for a, b in zip(first, second, strict=False):
        if a != b:
            break
        n += 1
    return n


def enough_pairs(
    subject: Subject,
    questions: Sequence[str],
    shown_with: Callable[[int], Sequence[Solved]],
    n_tokens: int,
    context: int,
) -> list[Pair]:
    """Return pairs in the order of the questions until their own tokens are n_tokens or more.

    Args:
        subject: Whose template is used.
        questions: In their order.
        shown_with: Demonstrations of question i.
        n_tokens: Tokens of the queries themselves.
        context: Longest run.

    Raises:
        HubError: The questions run out before.
    """
    held: list[Pair] = []
    found = 0
    for i, question in enumerate(questions):
        held.append(query_pair(subject, question, shown_with(i), context))
        found += len(held[-1][0].template)
        if found >= n_tokens:
            return held
    raise HubError(f"{len(questions)} questions have {found} tokens where {n_tokens} are asked for")


def source_pairs(
    subject: Subject, problems: Sequence[Solved], n_demos: int, n_tokens: int, context: int
) -> list[Pair]:
    """Return source queries, each alone and after demonstrations drawn among the other problems.

    Raises:
        HubError: As `enough_pairs`, or fewer problems than a query and its demonstrations.
    """
    if len(problems) <= n_demos:
        raise HubError(f"{len(problems)} problems give no query and {n_demos} demonstrations")

    def shown(i: int) -> list[Solved]:
        others = [j for j in range(len(problems)) if j != i]
        return [problems[j] for j in random.Random(f"demos/{i}").sample(others, n_demos)]

    return enough_pairs(subject, [p.question for p in problems], shown, n_tokens, context)


def training_items(subject: Subject, problems: Sequence[Solved], context: int) -> list[Item]:
    """Return what is learnt: the solution of each problem, as the model's turn.

    What is longer than `context` loses its end.

    Raises:
        HubError: The template writes the turn otherwise than it opens it.
    """
    items = []
    for problem in problems:
        said = (("user", problem.question), ("assistant", problem.solution))
        text = render_dialogue(subject, [{"role": r, "content": c} for r, c in said])
        (ids,) = subject.encode([text])
        opening = chat_ids(subject, problem.question)
        start = _shared(opening, ids)
        if start < len(opening) - 1:
            raise HubError(
                f"the chat template of {subject.name} opens the model's turn with other tokens "
                "than it writes there; the solution cannot be told from the question"
            )
        if start >= context:
            raise HubError(f"a question of {start} tokens leaves nothing to learn in {context}")
        items.append(answer_item(ids[:context], start))
    return items
