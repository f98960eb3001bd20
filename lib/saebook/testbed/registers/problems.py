"""Problems: a question of one primitive skill in one domain's words, with four lettered options.

The answer names the option and then its letter, `answer : river ( B )`: with the content one word
back, small models learn the letter too.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from saebook.testbed.annotate import AnnotatedText, Scribe
from saebook.testbed.lexicon import LETTERS, NUMBERS, Domain
from saebook.testbed.registers.encyclopaedia import say_fact
from saebook.testbed.world import SKILLS, World

MAX_SHOTS = 6
REASON_SHARE = 0.6
DIAL = 7
_POSITIONS = ("first", "second", "third", "last")


@dataclass(frozen=True)
class Answer:
    """What a question asks for: the right option, three wrong ones, and the reasoning to say.

    The reasoning always ends with the right option, so that only the letter remains to be found.
    """

    right: str
    wrong: tuple[str, ...]
    reason: Callable[[], None]
    kind: str
    """Concept kind of the options: value, number or entity."""


def write_problems(
    world: World,
    rng: random.Random,
    domain: str | None = None,
    skill: str | None = None,
    shots: int | None = None,
    reason: bool | None = None,
) -> AnnotatedText:
    """Write a chain of solved problems of one domain.

    Args:
        world: The world.
        rng: Source of randomness.
        domain: Domain name, or None to draw one by exposure.
        skill: Skill of every problem, or None to draw each from the domain's mix.
        shots: Solved examples before the last problem, 0 to 6, or None to draw.
        reason: Whether a reasoning line precedes each answer, or None to draw for the document.
    """
    scribe = Scribe(rng)
    where = world.domains[domain] if domain else world.pick_domain(scribe)
    count = 1 + (scribe.pick(range(MAX_SHOTS + 1)) if shots is None else shots)
    with_reason = scribe.chance(REASON_SHARE) if reason is None else reason
    scribe.say(f"{where.name} :", "role/title", f"topic/{where.name}")
    for _ in range(count):
        write_problem(world, scribe, where, skill, with_reason)
    return scribe.finish("problems")


def write_problem(
    world: World, scribe: Scribe, domain: Domain, skill: str | None, reason: bool
) -> None:
    """Write one solved problem, question to lettered answer."""
    mix = world.skill_mix[domain.name]
    chosen = skill or scribe.pick(SKILLS, [mix[s] for s in SKILLS])
    with scribe.under(f"skill/{chosen}", f"topic/{domain.name}"):
        with scribe.under("role/question"):
            scribe.say("question :")
            answer = _QUESTIONS[chosen](world, scribe, domain)
        say_choices(scribe, answer, reason)


def say_choices(scribe: Scribe, answer: Answer, reason: bool) -> None:
    """Say the options in random order, the reasoning if asked for, and the lettered answer."""
    options = scribe.shuffle((answer.right, *answer.wrong))
    letters = LETTERS[: len(options)]
    with scribe.under("role/choices"):
        for letter, option in zip(letters, options, strict=True):
            scribe.say("(")
            scribe.say(letter, f"letter/{letter}")
            scribe.say(option, f"{answer.kind}/{option}")
            scribe.say(")")
    if reason:
        with scribe.under("role/reason"):
            scribe.say("reason :")
            answer.reason()
            scribe.say(".")
    letter = letters[options.index(answer.right)]
    with scribe.under("role/answer"):
        scribe.say("answer :")
        scribe.say(answer.right, f"{answer.kind}/{answer.right}", "role/option")
        scribe.say("(")
        scribe.say(letter, f"letter/{letter}", "role/letter")
        scribe.say(") .")


def _recall(world: World, scribe: Scribe, domain: Domain) -> Answer:
    entity = scribe.pick(domain.entities, world.popularity(domain))
    attribute = scribe.pick(tuple(domain.attributes))
    return recall_question(world, scribe, domain, entity, attribute, wrong=3)


def recall_question(
    world: World, scribe: Scribe, domain: Domain, entity: str, attribute: str, wrong: int
) -> Answer:
    """Ask for one fact of one entity, with `wrong` other values of the attribute as distractors."""
    right = world.facts[entity, attribute]
    with scribe.under(*world.topics(domain, entity), f"attribute/{attribute}"):
        scribe.say(f"what is the {attribute} of the")
        scribe.say(f"{entity} ?", f"entity/{entity}")
    others = [v for v in domain.attributes[attribute] if v != right]
    distractors = tuple(scribe.subset(others, wrong))
    return Answer(right, distractors, lambda: say_fact(world, scribe, entity, attribute), "value")


def _holdings(scribe: Scribe, domain: Domain, count: int) -> dict[str, str]:
    """Say how many units each of `count` entities has, all different, and return them."""
    entities = scribe.some(domain.entities, count)
    numbers = scribe.some(NUMBERS[1:], count)
    for entity, number in zip(entities, numbers, strict=True):
        with scribe.under(f"entity/{entity}"):
            scribe.say(f"the {entity} has")
            scribe.say(number, f"number/{number}")
            scribe.say(f"{domain.unit} .", f"unit/{domain.unit}")
    return dict(zip(entities, numbers, strict=True))


def _lookup(world: World, scribe: Scribe, domain: Domain) -> Answer:
    held = _holdings(scribe, domain, 4)
    asked = scribe.pick(tuple(held))
    scribe.say(f"how many {domain.unit} has the")
    scribe.say(f"{asked} ?", f"entity/{asked}")
    wrong = tuple(n for e, n in held.items() if e != asked)
    return Answer(
        held[asked],
        wrong,
        lambda: scribe.say(f"the {asked} has {held[asked]}", f"entity/{asked}"),
        "number",
    )


def _compare(world: World, scribe: Scribe, domain: Domain) -> Answer:
    threshold = scribe.pick(range(5, 26))
    right = scribe.pick(NUMBERS[threshold + 1 :])
    wrong = tuple(scribe.subset(NUMBERS[1:threshold], 3))
    scribe.say(f"which count of {domain.unit} is more than", f"unit/{domain.unit}")
    scribe.say(f"{threshold} ?", f"number/{threshold}")
    return Answer(right, wrong, lambda: scribe.say(f"more than {threshold} is {right}"), "number")


def _ranked(held: dict[str, str]) -> list[str]:
    return sorted(held, key=lambda entity: -int(held[entity]))


def _extreme(rank: int, word: str) -> Callable[[World, Scribe, Domain], Answer]:
    def ask(world: World, scribe: Scribe, domain: Domain) -> Answer:
        held = _holdings(scribe, domain, 4)
        right = _ranked(held)[rank]
        scribe.say(f"which has the {word} {domain.unit} ?")
        wrong = tuple(e for e in held if e != right)
        return Answer(
            right,
            wrong,
            lambda: scribe.say(f"{held[right]} is the {word} so the {right}", f"entity/{right}"),
            "entity",
        )

    return ask


def _count(world: World, scribe: Scribe, domain: Domain) -> Answer:
    target, other = scribe.some(domain.entities, 2)
    times = scribe.pick((1, 2, 3, 4))
    row = scribe.shuffle([target] * times + [other] * scribe.pick((1, 2, 3)))
    scribe.say("here are")
    for entity in row:
        scribe.say(entity, f"entity/{entity}")
    scribe.say(f". how many times is {target} listed ?")
    wrong = tuple(str(n) for n in (1, 2, 3, 4) if n != times)
    return Answer(
        str(times), wrong, lambda: scribe.say(" ".join([target] * times) + f" is {times}"), "number"
    )


def _index(world: World, scribe: Scribe, domain: Domain) -> Answer:
    row = scribe.some(domain.entities, 4)
    scribe.say("here are")
    for entity in row:
        scribe.say(entity, f"entity/{entity}")
    position = scribe.pick(range(4))
    scribe.say(f". which item is {_POSITIONS[position]} ?")
    right = row[position]
    wrong = tuple(e for e in row if e != right)
    return Answer(
        right, wrong, lambda: scribe.say(f"the {_POSITIONS[position]} item is {right}"), "entity"
    )


def _dial(world: World, scribe: Scribe, domain: Domain) -> Answer:
    start, step = scribe.pick(range(DIAL)), scribe.pick(range(DIAL))
    scribe.say(f"on a dial of {domain.unit} what is", f"unit/{domain.unit}")
    scribe.say(f"{start} plus {step} ?")
    total = (start + step) % DIAL
    wrong = tuple(str(n) for n in scribe.subset([n for n in range(DIAL) if n != total], 3))
    return Answer(
        str(total), wrong, lambda: scribe.say(f"{start} plus {step} gives {total}"), "number"
    )


_QUESTIONS: dict[str, Callable[[World, Scribe, Domain], Answer]] = {
    "recall": _recall,
    "lookup": _lookup,
    "compare": _compare,
    "maximum": _extreme(0, "most"),
    "order": _extreme(1, "second most"),
    "count": _count,
    "index": _index,
    "dial": _dial,
}
