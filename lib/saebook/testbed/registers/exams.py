"""Exams: questions of the ten health categories with a known depth of reasoning.

A question of depth 1 asks for a fact of an entity; depth 2 and 3 ask for a fact of its cause, or
of its cause's cause. The number of questions a category is the published one (LEK, 874 in all).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from saebook.testbed.annotate import AnnotatedText, Scribe
from saebook.testbed.lexicon import Domain
from saebook.testbed.registers.encyclopaedia import say_fact
from saebook.testbed.registers.problems import Answer, say_choices
from saebook.testbed.world import LINK, World

EXAM_COUNTS = {
    "internal": 168, "pediatrics": 126, "surgery": 118, "obstetrics": 124, "family": 87,
    "psychiatry": 61, "emergency": 79, "bioethics": 46, "jurisprudence": 31, "hygiene": 34,
}  # fmt: skip
"""Questions a category in the published exam (yang2024, repository's count; 874 in all)."""
MAX_DEPTH = 3
QUESTIONS_A_FACT = 5
"""Least number of questions that ask for a fact, so that every fold holds it."""


@dataclass(frozen=True)
class ExamQuestion:
    """One exam question: what is asked, of whom, through how many causes."""

    category: str
    entity: str
    """Entity the question names."""
    attribute: str
    depth: int
    """Facts that must be chained, 1 to 3."""
    target: str
    """Entity whose attribute is asked for after following the causes."""


def exam_questions(world: World, seed: int = 0) -> list[ExamQuestion]:
    """Return the 874 questions of the exam, counts by category as published.

    A category asks for so few facts that each comes up in at least five of its questions, at all
    depths in turn; questions of one stem differ in their wrong options.
    """
    rng = random.Random(f"exam/{seed}")
    questions: list[ExamQuestion] = []
    for category, count in EXAM_COUNTS.items():
        facts = _facts(world, category)
        asked = rng.sample(facts, min(len(facts), count // QUESTIONS_A_FACT))
        for i in range(count):
            target, attribute = asked[i % len(asked)]
            depth = 1 + (i // len(asked)) % MAX_DEPTH
            questions.append(_question(world, category, target, attribute, depth))
    return rng.sample(questions, len(questions))


def _facts(world: World, category: str) -> list[tuple[str, str]]:
    health = world.domains["health"]
    members = [e for e, c in health.categories.items() if c == category]
    return [(entity, attribute) for entity in members for attribute in health.attributes]


def _question(world: World, category: str, target: str, attribute: str, depth: int) -> ExamQuestion:
    """Ask for a target's attribute by naming the entity `depth - 1` causes away from it."""
    caused_by = {cause: entity for entity, cause in world.links.items()}
    entity = target
    for _ in range(depth - 1):
        entity = caused_by[entity]
    return ExamQuestion(category, entity, attribute, depth, target)


def write_exam(
    world: World, rng: random.Random, question: ExamQuestion | None = None, options: int = 5
) -> AnnotatedText:
    """Write one exam question with its lettered answer, drawn at random unless given."""
    scribe = Scribe(rng)
    health = world.domains["health"]
    if question is None:
        category = scribe.pick(tuple(EXAM_COUNTS), list(EXAM_COUNTS.values()))
        fact = scribe.pick(_facts(world, category))
        question = _question(world, category, *fact, scribe.pick(range(1, MAX_DEPTH + 1)))
    with scribe.under("topic/health", f"category/{question.category}", "skill/recall"):
        with scribe.under("role/question", f"attribute/{question.attribute}"):
            chain = f"{LINK} of the " * (question.depth - 1)
            scribe.say(f"question : what is the {question.attribute} of the {chain}")
            scribe.say(f"{question.entity} ?", f"entity/{question.entity}")
        say_choices(scribe, _answer(world, scribe, health, question, options), reason=False)
    return scribe.finish("exams")


def _answer(
    world: World, scribe: Scribe, health: Domain, question: ExamQuestion, options: int
) -> Answer:
    right = world.facts[question.target, question.attribute]
    others = [v for v in health.attributes[question.attribute] if v != right]
    return Answer(
        right,
        tuple(scribe.subset(others, options - 1)),
        lambda: say_fact(world, scribe, question.target, question.attribute),
        "value",
    )
