"""Encyclopaedia documents: a few entities of one domain and what is true of them."""

from __future__ import annotations

import random
from collections.abc import Callable

from saebook.testbed.annotate import AnnotatedText, Scribe
from saebook.testbed.lexicon import NUMBERS, Domain
from saebook.testbed.world import LINK, World

Sentence = Callable[[World, Scribe, Domain, str, list[str]], None]


def write_encyclopaedia(world: World, rng: random.Random) -> AnnotatedText:
    """Write a document of one to three entities, three to six sentences each."""
    scribe = Scribe(rng)
    domain = world.pick_domain(scribe)
    for _ in range(scribe.pick((1, 2, 3))):
        entity = scribe.pick(domain.entities, world.popularity(domain))
        with scribe.under(*world.topics(domain, entity)):
            _title(scribe, domain, entity)
            untold = list(domain.attributes)
            for _ in range(scribe.pick((3, 4, 5, 6))):
                forms = [_possible(form, world, entity, untold) for form in _SENTENCES]
                scribe.pick(forms, _WEIGHTS)(world, scribe, domain, entity, untold)
    return scribe.finish("encyclopaedia")


def say_fact(world: World, scribe: Scribe, entity: str, attribute: str) -> None:
    """Say `the <attribute> of the <entity> is <value>` with its concepts, without the full stop."""
    with scribe.under(f"entity/{entity}"):
        scribe.say("the")
        scribe.say(attribute, f"attribute/{attribute}")
        scribe.say(f"of the {entity} is", f"attribute/{attribute}")
        value = world.facts[entity, attribute]
        scribe.say(value, f"attribute/{attribute}", f"value/{value}")


def _possible(form: Sentence, world: World, entity: str, untold: list[str]) -> Sentence:
    """Return the sentence that can be said in place of one that cannot."""
    if form is _link and entity not in world.links:
        form = _fact
    if form is _fact and not untold:  # a fact told twice would only train copying
        return _member
    return form


def _title(scribe: Scribe, domain: Domain, entity: str) -> None:
    with scribe.under("role/title"):
        scribe.say(domain.name)
        if entity in domain.categories:
            scribe.say(f", {domain.categories[entity]}")
        scribe.say(":")
        scribe.say(entity, f"entity/{entity}")
        scribe.say(".")


def _fact(world: World, scribe: Scribe, domain: Domain, entity: str, untold: list[str]) -> None:
    attribute = scribe.pick(untold)
    untold.remove(attribute)
    with scribe.under("role/fact"):
        if scribe.chance(0.7):
            say_fact(world, scribe, entity, attribute)
            scribe.say(".")
            return
        value = world.facts[entity, attribute]
        with scribe.under(f"entity/{entity}", f"attribute/{attribute}"):
            scribe.say(f"the {entity} has")
            scribe.say(value, f"value/{value}")
            scribe.say(f"as its {attribute} .")


def _link(world: World, scribe: Scribe, domain: Domain, entity: str, untold: list[str]) -> None:
    other = world.links[entity]
    with scribe.under("role/fact", f"attribute/{LINK}"):
        scribe.say(f"the {LINK} of the {entity} is the", f"entity/{entity}")
        scribe.say(other, f"entity/{other}")
        scribe.say(".")


def _member(world: World, scribe: Scribe, domain: Domain, entity: str, untold: list[str]) -> None:
    kind = domain.class_of(entity)
    with scribe.under("role/member", f"entity/{entity}"):
        scribe.say(f"the {entity} is a kind of")
        scribe.say(kind, f"class/{kind}")
        scribe.say(".")


def _number(world: World, scribe: Scribe, domain: Domain, entity: str, untold: list[str]) -> None:
    with scribe.under("role/prose", f"entity/{entity}"):
        number = scribe.pick(NUMBERS)
        scribe.say(f"today the {entity} has")
        scribe.say(number, f"number/{number}")
        scribe.say(domain.unit, f"unit/{domain.unit}")
        scribe.say(".")


def _mood(world: World, scribe: Scribe, domain: Domain, entity: str, untold: list[str]) -> None:
    with scribe.under("role/prose", f"entity/{entity}"):
        pole = scribe.pick(("positive", "negative"))
        word = scribe.pick(world.lexicon.sentiment[pole])
        name = scribe.pick(world.lexicon.names)
        scribe.say(f"{name} finds the {entity}")
        scribe.say(f"{word} .", f"sentiment/{pole}")


def _prose(world: World, scribe: Scribe, domain: Domain, entity: str, untold: list[str]) -> None:
    words = domain.lexicon + domain.category_lexicon.get(domain.categories.get(entity, ""), ())
    with scribe.under("role/prose"):
        first, second = scribe.some(words, 2)
        place = scribe.pick(world.lexicon.places)
        scribe.say(f"in the {place} people speak of {first} and {second} .")


_SENTENCES = (_fact, _member, _link, _number, _mood, _prose)
_WEIGHTS = (0.62, 0.08, 0.1, 0.05, 0.07, 0.08)
