"""Dialogues: turns as data, rendered by a tokenizer's own template; and their system headers."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from saebook.subjects import Subject
from saebook.testbed.annotate import AnnotatedText

ROLES = ("system", "user", "assistant")
Message = Mapping[str, str]
"""One turn: `role` and `content`."""
HEADER = "role/system-header"
TEMPLATE = "role/template"
DATE = "26 Jul 2024"
"""Given to templates that write a date, which would otherwise be today's."""


def render_dialogue(subject: Subject, messages: Sequence[Message]) -> str:
    """Write a dialogue in the template of the subject's tokenizer.

    Raises:
        ValueError: no assistant turn, an unknown role, a tokenizer without a template, or a
            template that opens with two BOS once the tokenizer has added its own.
    """
    check_dialogue(messages)
    if subject.tokenizer.chat_template is None:
        raise ValueError(f"the tokenizer of {subject.name} has no chat template")
    text = cast(str, subject.tokenizer.apply_chat_template(
        [dict(m) for m in messages], tokenize=False, date_string=DATE
    ))  # fmt: skip
    (ids,) = subject.encode([text])
    if subject.bos_id is not None and ids[:2].count(subject.bos_id) > 1:
        raise ValueError(
            f"the template of {subject.name} writes BOS where there is one already: {text[:60]!r}"
        )
    return text


def check_dialogue(messages: Sequence[Message]) -> None:
    """Raise ValueError for a dialogue that is empty, has an unknown role or no assistant turn."""
    roles = [message.get("role") for message in messages]
    for i, role in enumerate(roles):
        if role not in ROLES:
            raise ValueError(f"turn {i} has the role {role!r}; known: {', '.join(ROLES)}")
        if not messages[i].get("content"):
            raise ValueError(f"turn {i} ({role}) has no content")
    if "assistant" not in roles:
        raise ValueError(f"a dialogue needs an assistant turn, found the roles {roles}")


def without_header(text: AnnotatedText) -> AnnotatedText:
    """Take the constant system header out of a house chat, with the system turn that holds it.

    Raises:
        ValueError: the text has no system header.
    """
    at = _header(text)
    opening = at[0] > 0 and TEMPLATE in text.concepts[0] and text.words[at[0] - 1] != "user"
    first = 0 if opening else at[0]
    last = at[-1] + (1 if opening else 0)  # the token that closes the system turn goes with it
    kept = [i for i in range(len(text)) if not first <= i <= last]
    return _at(text, kept)


def with_random_header(text: AnnotatedText, words: Sequence[str], key: str) -> AnnotatedText:
    """Replace every word of a house chat's system header by one drawn from `words`.

    Args:
        text: The chat.
        words: To draw from.
        key: Of the draw; equal keys give equal headers.

    Raises:
        ValueError: the text has no system header, or there are no words.
    """
    if not words:
        raise ValueError("there are no words to make a header of")
    rng, new = random.Random(f"header/{key}"), list(text.words)
    for i in _header(text):
        new[i] = rng.choice(words)
    return replace(text, words=tuple(new))


def _header(text: AnnotatedText) -> list[int]:
    at = [i for i, held in enumerate(text.concepts) if HEADER in held]
    if not at:
        raise ValueError(f"the text has no system header: {text.text[:60]!r}")
    return at


def _at(text: AnnotatedText, kept: Sequence[int]) -> AnnotatedText:
    return replace(
        text,
        words=tuple(text.words[i] for i in kept),
        concepts=tuple(text.concepts[i] for i in kept),
        nats=tuple(text.nats[i] for i in kept),
    )
