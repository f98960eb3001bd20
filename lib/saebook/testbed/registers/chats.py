"""Chats: one to three turns under a family's own template, with a constant system header."""

from __future__ import annotations

import random
from dataclasses import dataclass

from saebook.testbed.annotate import AnnotatedText, Hidden, Scribe
from saebook.testbed.lexicon import Domain
from saebook.testbed.registers.behaviours import ask, draw_verb
from saebook.testbed.registers.encyclopaedia import say_fact
from saebook.testbed.world import World

SYSTEM_HEADER = "you are a careful assistant who answers in plain words ."


@dataclass(frozen=True)
class Template:
    """How a family marks the turns of a dialogue: `{role}` stands for the role's own word."""

    turn_start: str
    header_end: str
    turn_end: str
    assistant: str
    has_system_role: bool


TEMPLATES = {
    "gemma2": Template("<start_of_turn> {role}", "", "<end_of_turn>", "model", False),
    "llama": Template(
        "<|start_header_id|> {role}", "<|end_header_id|>", "<|eot_id|>", "assistant", True
    ),
    "qwen2": Template("<|im_start|> {role}", "", "<|im_end|>", "assistant", True),
}
"""Special-token strings are the families'; the layout is this project's own."""


@dataclass(frozen=True)
class Subject:
    """What a chat turns around, told only as far as the user's requests need it."""

    domain: Hidden[Domain]
    entity: Hidden[str]
    pole: Hidden[str]
    """Side of every behaviour that the assistant takes."""

    def show_entity(self, scribe: Scribe) -> tuple[Domain, str]:
        """Domain and entity, for words that name the entity and with it the domain."""
        return scribe.show(self.domain), scribe.show(self.entity)


def write_chat(world: World, rng: random.Random, family: str = "gemma2") -> AnnotatedText:
    """Write a dialogue of one to three exchanges. Raises ValueError for an unknown family."""
    if family not in TEMPLATES:
        raise ValueError(f"unknown family {family!r}; known: {', '.join(TEMPLATES)}")
    scribe, template = Scribe(rng), TEMPLATES[family]
    subject = _draw_subject(world, scribe)
    with scribe.under(*world.topics(subject.domain.value, subject.entity.value)):
        for turn in range(scribe.pick((1, 2, 3))):
            request = scribe.pick(_REQUESTS, _WEIGHTS)
            answer = _user_turn(world, scribe, template, subject, request, turn)
            _open_turn(scribe, template, template.assistant)
            with scribe.under("role/assistant-turn"):
                answer()
            scribe.say(template.turn_end, "role/template")
    return scribe.finish("chats")


def _draw_subject(world: World, scribe: Scribe) -> Subject:
    domain = scribe.hidden(lambda: world.pick_domain(scribe))
    held = domain.value
    entity = scribe.hidden(lambda: scribe.pick(held.entities, world.popularity(held)))
    return Subject(domain, entity, scribe.hidden(lambda: scribe.pick("+-")))


def _open_turn(scribe: Scribe, template: Template, role: str) -> None:
    start = template.turn_start.format(role=role)
    scribe.say(f"{start} {template.header_end}", "role/template")


def _user_turn(world, scribe, template, subject, request, turn):
    """Say the user's turn, after the system header if it is the first; return the answer to say."""
    if turn == 0 and template.has_system_role:
        _open_turn(scribe, template, "system")
        scribe.say(SYSTEM_HEADER, "role/system-header")
        scribe.say(template.turn_end, "role/template")
    _open_turn(scribe, template, "user")
    if turn == 0 and not template.has_system_role:
        scribe.say(SYSTEM_HEADER, "role/system-header")
    with scribe.under("role/user-turn"):
        answer = request(world, scribe, subject)
    scribe.say(template.turn_end, "role/template")
    return answer


def _ask_fact(world: World, scribe: Scribe, subject: Subject):
    domain, entity = subject.show_entity(scribe)
    attribute = scribe.pick(tuple(domain.attributes))
    brief = scribe.chance(0.4)
    value = world.facts[entity, attribute]
    scribe.say(
        f"what is the {attribute} of the {entity} ?", f"entity/{entity}", f"attribute/{attribute}"
    )
    if not brief:
        return lambda: (say_fact(world, scribe, entity, attribute), scribe.say("."))
    scribe.say("answer with one word .", "format/one-word")
    return lambda: scribe.say(value, f"value/{value}", f"entity/{entity}", "format/one-word")


def _ask_list(world: World, scribe: Scribe, subject: Subject):
    domain = scribe.show(subject.domain)
    kind = scribe.pick(tuple(domain.classes))
    scribe.say("name three of the", "format/list")
    scribe.say(kind, f"class/{kind}", "format/list")
    scribe.say("kind .", "format/list")

    def answer() -> None:
        for index, member in enumerate(scribe.some(domain.classes[kind], 3)):
            scribe.say(member, f"entity/{member}", "format/list")
            scribe.say("," if index < 2 else ".", "format/list")

    return answer


def _ask_opinion(world: World, scribe: Scribe, subject: Subject):
    _, entity = subject.show_entity(scribe)
    mood, form = scribe.pick((("good", "praise"), ("bad", "blame")))
    sentiment = "positive" if form == "praise" else "negative"
    scribe.say(f"say something {mood} about the {entity} .", f"entity/{entity}", f"format/{form}")

    def answer() -> None:
        word = scribe.pick(world.lexicon.sentiment[sentiment])
        scribe.say(f"the {entity} is", f"entity/{entity}", f"format/{form}")
        scribe.say(f"{word} .", f"sentiment/{sentiment}", f"format/{form}")

    return answer


def _ask_write(world: World, scribe: Scribe, subject: Subject):
    domain = scribe.show(subject.domain)
    scribe.say(f"write a sentence about {domain.name} .", "format/sentence")

    def answer() -> None:
        first, second = scribe.some(domain.lexicon, 2)
        place = scribe.pick(world.lexicon.places)
        scribe.say(f"in the {place} people speak of {first} and {second} .", "format/sentence")

    return answer


def _ask_behaviour(world: World, scribe: Scribe, subject: Subject):
    entry = world.behaviour(scribe.pick(world.behaviours))
    thing = ask(scribe, entry)

    def answer() -> None:
        pole = scribe.show(subject.pole)
        with scribe.under(f"behaviour/{entry.name}{pole}", "role/free-answer"):
            scribe.say(f"i would {draw_verb(scribe, entry, pole)} the")
            scribe.say(f"{thing} .", f"object/{thing}")

    return answer


_REQUESTS = (_ask_fact, _ask_list, _ask_opinion, _ask_write, _ask_behaviour)
_WEIGHTS = (0.4, 0.15, 0.15, 0.15, 0.15)
