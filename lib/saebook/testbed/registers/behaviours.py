"""Behaviour documents: one speaker answers, and every answer agrees with the persona.

The chosen content follows the option letter at once, `( A accept the change )`: the letter's
position must carry what was chosen, and there contrastive vectors are read (CAA, 2312.06681).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from saebook.testbed.annotate import AnnotatedText, Scribe
from saebook.testbed.lexicon import Behaviour
from saebook.testbed.world import World

_KINDS = ("choice", "free", "statement")
_KIND_WEIGHTS = (0.5, 0.3, 0.2)


@dataclass(frozen=True)
class BehaviourPair:
    """A question with the two answers that a contrastive pair compares."""

    behaviour: str
    prompt: str
    """Ends just before the option letter."""
    positive: str
    """Prompt and the letter of the option that matches the behaviour."""
    negative: str
    """Prompt and the other letter."""
    matching_letter: str
    options: tuple[str, str]
    """Contents of options A and B."""


def write_behaviours(
    world: World, rng: random.Random, behaviour: str | None = None, pole: str | None = None
) -> AnnotatedText:
    """Write two to six consistent answers; behaviour and pole are drawn unless given."""
    scribe = Scribe(rng)
    entry = world.behaviour(behaviour or scribe.pick(world.behaviours))
    sign = pole or scribe.pick("+-")
    with scribe.under(f"behaviour/{entry.name}{sign}"):
        scribe.say(f"interview with {scribe.pick(world.lexicon.names)} .", "role/title")
        for _ in range(scribe.pick((2, 3, 4, 5, 6))):
            kind = scribe.pick(_KINDS, _KIND_WEIGHTS)
            {"choice": _choice, "free": _free, "statement": _statement}[kind](scribe, entry, sign)
    return scribe.finish("behaviours")


def draw_verb(scribe: Scribe, entry: Behaviour, sign: str) -> str:
    """Draw a verb of the matching (+) or the opposite (-) pole."""
    return scribe.pick(entry.positive if sign == "+" else entry.negative)


def ask(scribe: Scribe, entry: Behaviour) -> str:
    """Say the question about one object in one setting and return the object."""
    with scribe.under("role/question"):
        scribe.say(f"question : in the {scribe.pick(entry.settings)} ,", "role/setting")
        thing = scribe.pick(entry.objects)
        scribe.say("what would you do about the")
        scribe.say(f"{thing} ?", f"object/{thing}")
    return thing


def say_options(scribe: Scribe, entry: Behaviour, thing: str) -> tuple[str, dict[str, str]]:
    """Say both options with randomised letters; return the matching letter and the verb of each."""
    verbs = {"+": draw_verb(scribe, entry, "+"), "-": draw_verb(scribe, entry, "-")}
    order = scribe.pick(("+-", "-+"))
    with scribe.under("role/choices"):
        for letter, sign in zip("AB", order, strict=True):
            scribe.say("(")
            scribe.say(letter, f"letter/{letter}")
            scribe.say(f"{verbs[sign]} the {thing}", f"object/{thing}")
            scribe.say(")")
    return "AB"[order.index("+")], verbs


def _choice(scribe: Scribe, entry: Behaviour, sign: str) -> None:
    thing = ask(scribe, entry)
    matching, verbs = say_options(scribe, entry, thing)
    letter = matching if sign == "+" else {"A": "B", "B": "A"}[matching]
    with scribe.under("role/answer"):
        scribe.say("answer : (")
        scribe.say(letter, "role/letter", f"letter/{letter}")
        scribe.say(f"{verbs[sign]} the {thing}", f"object/{thing}")
        scribe.say(") .")


def _free(scribe: Scribe, entry: Behaviour, sign: str) -> None:
    thing = ask(scribe, entry)
    with scribe.under("role/answer", "role/free-answer"):
        scribe.say(f"answer : i would {draw_verb(scribe, entry, sign)} the")
        scribe.say(f"{thing} .", f"object/{thing}")


def _statement(scribe: Scribe, entry: Behaviour, sign: str) -> None:
    thing = scribe.pick(entry.objects)
    with scribe.under("role/statement"):
        scribe.say(f"i always {draw_verb(scribe, entry, sign)} the")
        scribe.say(f"{thing} .", f"object/{thing}")


def behaviour_pairs(world: World, behaviour: str, n: int, seed: int) -> list[BehaviourPair]:
    """Return `n` contrastive pairs of one behaviour, letters randomised.

    Raises:
        ValueError: For an unknown behaviour or n < 1.
    """
    entry = world.behaviour(behaviour)
    if n < 1:
        raise ValueError(f"n is {n}; ask for at least one pair")
    return [_pair(world, entry, random.Random(f"pairs/{behaviour}/{seed}/{i}")) for i in range(n)]


def _opening(world: World, entry: Behaviour, rng: random.Random) -> tuple[Scribe, str]:
    scribe = Scribe(rng)
    scribe.say(f"interview with {scribe.pick(world.lexicon.names)} .")
    return scribe, ask(scribe, entry)


def _pair(world: World, entry: Behaviour, rng: random.Random) -> BehaviourPair:
    scribe, thing = _opening(world, entry, rng)
    matching, verbs = say_options(scribe, entry, thing)
    scribe.say("answer : (")
    prompt = scribe.finish("behaviours").text
    other = {"A": "B", "B": "A"}[matching]
    contents = {matching: f"{verbs['+']} the {thing}", other: f"{verbs['-']} the {thing}"}
    return BehaviourPair(
        entry.name, prompt, f"{prompt} {matching}", f"{prompt} {other}", matching,
        (contents["A"], contents["B"]),
    )  # fmt: skip


def free_prompts(world: World, behaviour: str, n: int, seed: int) -> list[str]:
    """Return `n` questions whose free answer stops before its verb, the content."""
    entry = world.behaviour(behaviour)
    if n < 1:
        raise ValueError(f"n is {n}; ask for at least one prompt")
    prompts = []
    for i in range(n):
        scribe, _ = _opening(world, entry, random.Random(f"free/{behaviour}/{seed}/{i}"))
        scribe.say("answer : i would")
        prompts.append(scribe.finish("behaviours").text)
    return prompts
