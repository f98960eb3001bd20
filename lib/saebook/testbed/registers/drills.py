"""Drills: lettered options and which letter each has, the one skill every exam presupposes."""

from __future__ import annotations

import random

from saebook.testbed.annotate import AnnotatedText, Scribe
from saebook.testbed.lexicon import LETTERS
from saebook.testbed.world import World


def write_drill(world: World, rng: random.Random) -> AnnotatedText:
    """Write one to three option lists, each followed by its options' letters in another order."""
    scribe = Scribe(rng)
    for _ in range(scribe.pick((1, 2, 3))):
        domain = world.pick_domain(scribe)
        options = scribe.some(domain.entities, scribe.pick((2, 4, 5)))
        with scribe.under(f"topic/{domain.name}"):
            _list(scribe, options)
            _match(scribe, options)
    return scribe.finish("drills")


def _list(scribe: Scribe, options: list[str]) -> None:
    with scribe.under("role/choices"):
        for letter, option in zip(LETTERS, options, strict=False):
            scribe.say("(")
            scribe.say(letter, f"letter/{letter}")
            scribe.say(f"{option} )", f"entity/{option}")


def _match(scribe: Scribe, options: list[str]) -> None:
    for option in scribe.shuffle(options):
        letter = LETTERS[options.index(option)]
        with scribe.under("role/answer"):
            scribe.say("answer :")
            scribe.say(option, f"entity/{option}", "role/option")
            scribe.say("(")
            scribe.say(letter, f"letter/{letter}", "role/letter")
            scribe.say(") .")
