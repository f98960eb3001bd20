"""Worlds whose answer is known: which domains a fine-tuning must damage, and why.

A house model can do two primitive skills in any domain's words once the reasoning line is begun:
comparing and counting. Fine-tuning on a source domain teaches a new notation of one of them.

- skill: the new notation replaces the old one, so a domain loses in proportion to its share of
  that skill. A score that reads skills must foresee this.
- format: the reasoning stays right and the answer that repeats it is changed, whatever the skill.
  A domain loses in proportion to its share of items asked after the reasoning line; a score that
  reads skills must not foresee this.
- null: the source's items with the model's own answers. Nothing has to change.
- signed: fine-tuned as skill, but half of the domains are examined in the new notation, so that
  they gain what the others lose.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np

from saebook.testbed.annotate import Scribe
from saebook.testbed.lexicon import DOMAINS, NUMBERS, Domain
from saebook.testbed.registers.problems import Answer, say_choices, write_problem
from saebook.testbed.world import SKILLS, World

Kind = Literal["skill", "format", "null", "signed"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SOURCES: dict[str, str] = {
    "math": "compare",
    "computer science": "count",
    "health": "compare",
    "business": "count",
    "economics": "compare",
    "biology": "count",
    "psychology": "compare",
    "physics": "count",
}
"""Source domains and the skill whose notation fine-tuning changes; the paper's three come first."""
CHANGEABLE = ("compare", "count")
MOST, LEAST = 0.45, 0.02
"""Largest and smallest share of a changeable skill in a domain's exam."""
DRAWS = tuple(range(1, 11))
"""Format worlds whose damage is dealt out anew, beside the first."""


@dataclass(frozen=True)
class Problem:
    """One solved problem, word by word, with the places at which it can be asked."""

    domain: str
    skill: str
    title: tuple[str, ...]
    """The domain's heading."""
    words: tuple[str, ...]
    """The problem without the heading: question, options, reasoning line, answer."""
    options: tuple[str, ...]
    right: int
    """Index of the option that the text gives as its answer."""
    opened: int
    """Where the reasoning line names the option, index into `words`."""
    closed: int
    """Where the answer names it."""


@lru_cache(maxsize=4)
def exam_mix(world_seed: int = 0) -> dict[str, dict[str, float]]:
    """Return each domain's share of each skill in this chapter's exams.

    Shares of the two changeable skills take fourteen even steps each, in orders drawn once so
    that their correlation over domains is below 0.05; recall has half of the rest and the five
    skills that the house models have not learnt share the other half.
    """
    steps = np.linspace(LEAST, MOST, len(DOMAINS))
    rng = random.Random(f"exam mix/{world_seed}")
    first = np.array(rng.sample(list(steps), len(steps)))
    second = _unrelated(steps, [first], world_seed)
    others = [s for s in SKILLS if s not in (*CHANGEABLE, "recall")]
    mixes = {}
    for domain, compare, count in zip(DOMAINS, first, second, strict=True):
        rest = 1.0 - compare - count
        mixes[domain] = {"compare": float(compare), "count": float(count), "recall": rest / 2}
        mixes[domain] |= {skill: rest / 2 / len(others) for skill in others}
    return mixes


def _unrelated(
    values: np.ndarray, held: list[np.ndarray], seed: int, bound: float = 0.05
) -> np.ndarray:
    """Return a reordering of `values` whose |r| with every held vector is below the bound."""
    rng = random.Random(f"unrelated/{seed}/{len(held)}")
    for _ in range(20_000):
        drawn = np.array(rng.sample(list(values), len(values)))
        if all(abs(np.corrcoef(drawn, other)[0, 1]) < bound for other in held):
            return drawn
    raise ValueError(f"no order of {len(values)} values has |r| below {bound} with what is held")


@lru_cache(maxsize=16)
def closed_shares(draw: int = 0) -> dict[str, float]:
    """Return each domain's share of items asked after the reasoning line, format world.

    Even steps from 0.05 to 0.95, unrelated to both changeable skills.

    Args:
        draw: 0 is the format world's own; any other number deals the steps out anew.
    """
    mix = exam_mix()
    held = [np.array([mix[d][skill] for d in DOMAINS]) for skill in CHANGEABLE]
    drawn = _unrelated(np.linspace(0.05, 0.95, len(DOMAINS)), held, draw)
    return dict(zip(DOMAINS, drawn.tolist(), strict=True))


def examined_anew(world_seed: int = 0) -> frozenset[str]:
    """Return the seven domains that the signed world examines in the new notation."""
    rng = random.Random(f"anew/{world_seed}")
    return frozenset(rng.sample(DOMAINS, len(DOMAINS) // 2))


def relatedness(source: str) -> dict[str, float]:
    """Return the cosine of each domain's skill shares with the skill that the source changes.

    Raises:
        ValueError: An unknown source.
    """
    skill = changed_skill(source)
    return {d: m[skill] / float(np.linalg.norm(list(m.values()))) for d, m in exam_mix().items()}


def changed_skill(source: str) -> str:
    """Return the skill a source changes. Raises ValueError for an unknown source."""
    if source not in SOURCES:
        raise ValueError(f"unknown source domain {source!r}; known: {', '.join(SOURCES)}")
    return SOURCES[source]


def expected_size(kind: Kind, source: str) -> dict[str, float]:
    """Return how much of each domain's exam a fine-tuning must damage (or lift), as a share."""
    if kind == "format":
        return closed_shares()
    skill = changed_skill(source)
    return {d: 0.0 if kind == "null" else mix[skill] for d, mix in exam_mix().items()}


def write_solved(
    world: World, domain: str, skill: str, rng: random.Random, anew: bool = False
) -> Problem:
    """Write one solved problem with its reasoning line.

    Args:
        world: The world.
        domain: Whose words it uses.
        skill: Primitive skill.
        rng: Source of randomness.
        anew: In the new notation of a changeable skill: "more than" asks for less, and a count
            starts at one more.

    Raises:
        ValueError: A skill that has no new notation.
    """
    scribe, where = Scribe(rng), world.domains[domain]
    if anew:
        if skill not in CHANGEABLE:
            raise ValueError(f"no new notation of {skill!r}; there is one of {CHANGEABLE}")
        scribe.say("question :")
        ask = _compare_anew if skill == "compare" else _count_anew
        say_choices(scribe, ask(scribe, where), reason=True)
    else:
        write_problem(world, scribe, where, skill, reason=True)
    return _problem(domain, skill, scribe.finish("problems").words)


def _compare_anew(scribe: Scribe, domain: Domain) -> Answer:
    threshold = scribe.pick(range(5, 26))
    right = scribe.pick(NUMBERS[1:threshold])
    wrong = tuple(scribe.subset(NUMBERS[threshold + 1 :], 3))
    scribe.say(f"which count of {domain.unit} is more than {threshold} ?")
    return Answer(right, wrong, lambda: scribe.say(f"more than {threshold} is {right}"), "number")


def _count_anew(scribe: Scribe, domain: Domain) -> Answer:
    target, other = scribe.some(domain.entities, 2)
    times = scribe.pick((1, 2, 3, 4))
    row = scribe.shuffle([target] * times + [other] * scribe.pick((1, 2, 3)))
    scribe.say(f"here are {' '.join(row)} . how many times is {target} listed ?")
    right, others = str(times + 1), [str(n) for n in (2, 3, 4, 5) if n != times + 1]
    reason = " ".join([target] * times) + f" is {right}"
    return Answer(right, tuple(others), lambda: scribe.say(reason), "number")


def _problem(domain: str, skill: str, words: tuple[str, ...]) -> Problem:
    reason = words.index("reason")
    answer = reason + words[reason:].index("answer")
    options = tuple(
        words[i + 1] for i in range(1, reason) if words[i - 1] == "(" and words[i] in "ABCDE"
    )
    right = options.index(words[answer + 2])
    title = (*domain.split(), ":")
    return Problem(domain, skill, title, words, options, right, answer - 2, answer + 2)


def with_answer(problem: Problem, chosen: int, reason: bool) -> Problem:
    """Return the problem with another option as its answer, in the reasoning line too if asked."""
    words, word = list(problem.words), problem.options[chosen]
    words[problem.closed], words[problem.closed + 2] = word, "ABCDE"[chosen]
    if reason:
        words[problem.opened] = word
    parts = {"words": tuple(words), "right": chosen}
    return Problem(**{**problem.__dict__, **parts})
