"""Exams and fine-tuning sets of the worlds: what is asked, what is learnt, and in which words."""

from __future__ import annotations

import random
from collections.abc import Sequence

from saebook.finetune import Item, Question, answer_item, score
from saebook.papers.zhang2026.worlds import (
    CHANGEABLE,
    Kind,
    Problem,
    changed_skill,
    closed_shares,
    exam_mix,
    examined_anew,
    with_answer,
    write_solved,
)
from saebook.subjects import Subject
from saebook.testbed.lexicon import DOMAINS
from saebook.testbed.world import World

CHANGED_SHARE = 0.5
"""Share of a source's items that are of the changed skill; the others are as they ever were."""

Asked = tuple[Problem, int]
"""A problem and the index of the word that is asked for."""


def draw_exam(
    world: World, kind: Kind, domain: str, n: int, seed: int = 0, draw: int = 0
) -> list[Asked]:
    """Draw a domain's exam of one world: problems by its mix, and where each is asked.

    Item i depends on (kind of notation, domain, seed, i) alone, so a longer exam begins with the
    shorter one. In the format world `draw` says which shares decide where it is asked, see
    `worlds.closed_shares`.

    Raises:
        ValueError: An unknown domain, or no items.
    """
    if domain not in DOMAINS:
        raise ValueError(f"unknown domain {domain!r}; known: {', '.join(DOMAINS)}")
    if n < 1:
        raise ValueError(f"domain {domain!r} has {n} test items; ask for at least one")
    anew = kind == "signed" and domain in examined_anew()
    closed = closed_shares(draw)[domain] if kind == "format" else 0.0
    return [_asked(world, domain, f"exam/{domain}/{seed}/{i}", anew, closed) for i in range(n)]


def _asked(world: World, domain: str, key: str, anew: bool, closed: float) -> Asked:
    rng, mix = random.Random(key), exam_mix()[domain]
    skill = rng.choices(list(mix), list(mix.values()))[0]
    late = rng.random() < closed
    problem = write_solved(world, domain, skill, rng, anew and skill in CHANGEABLE)
    return problem, problem.closed if late else problem.opened


def draw_items(world: World, kind: Kind, source: str, n: int, seed: int) -> list[Problem]:
    """Draw the solved problems a source is fine-tuned on; the null world's answers come later.

    Raises:
        ValueError: An unknown source, or no items.
    """
    skill = changed_skill(source)
    if n < 1:
        raise ValueError(f"{n} items to fine-tune on; ask for at least one")
    return [_item(world, kind, source, skill, f"items/{source}/{seed}/{i}") for i in range(n)]


def _item(world: World, kind: Kind, source: str, skill: str, key: str) -> Problem:
    rng, mix = random.Random(key), dict(exam_mix()[source])
    own = rng.random() < CHANGED_SHARE
    mix.pop(skill)
    other = rng.choices(list(mix), list(mix.values()))[0]
    anew = own and kind in ("skill", "signed")
    problem = write_solved(world, source, skill if own else other, rng, anew)
    if kind == "format":
        return with_answer(problem, (problem.right + 1) % len(problem.options), reason=False)
    return problem


def own_answers(subject: Subject, problems: Sequence[Problem]) -> list[Problem]:
    """Return the problems with the model's own choice in reasoning line and answer."""
    asked = [question(subject, problem, problem.opened) for problem in problems]
    chosen = score(subject.model, asked).chosen
    return [with_answer(p, int(c), reason=True) for p, c in zip(problems, chosen, strict=True)]


def question(
    subject: Subject, problem: Problem, at: int, shown: Sequence[Problem] = ()
) -> Question:
    """Ask a problem for the word at `at`, after solved examples if some are shown."""
    words = [*problem.title, *(w for demo in shown for w in demo.words), *problem.words[:at]]
    options = [subject.encode([word], bos=False)[0][0] for word in problem.options]
    return Question(tuple(subject.encode([" ".join(words)])[0]), tuple(options), problem.right)


def training_item(subject: Subject, problem: Problem) -> Item:
    """Return what is learnt of a solved problem: everything from the reasoning line on."""
    words = [*problem.title, *problem.words]
    ids = subject.encode([" ".join(words)])[0]
    start = len(ids) - (len(problem.words) - problem.words.index("reason"))
    return answer_item(ids, start)


def fine_tuning_set(
    subject: Subject, world: World, kind: Kind, source: str, n: int, seed: int
) -> list[Item]:
    """Return the items of one source in one world; the null world labels them with the model."""
    problems = draw_items(world, kind, source, n, seed)
    if kind == "null":
        problems = own_answers(subject, problems)
    return [training_item(subject, problem) for problem in problems]


def target_exam(world: World, kind: Kind, source: str, n: int, seed: int) -> list[Asked]:
    """Return fresh items of what the source teaches, asked as it teaches them."""
    drawn = draw_items(world, kind, source, 4 * n, seed + 5000)
    skill = changed_skill(source)
    own = [p for p in drawn if p.skill == skill][:n]
    return [(p, p.closed if kind == "format" else p.opened) for p in own]
