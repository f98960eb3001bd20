"""Published dialogues in a model's own chat template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from saebook.corpora import check_dialogue, render_dialogue
from saebook.hub.data import rows
from saebook.hub.entries import data_set
from saebook.hub.errors import HubError
from saebook.hub.models import require_chat
from saebook.subjects import Subject

COLUMNS = ("messages", "conversation", "conversations")
"""Where the data sets of the catalogue keep their turns."""
ROLES = {"human": "user", "gpt": "assistant"}
"""What Infinity-Instruct calls the two sides."""


class Chats(NamedTuple):
    """Rendered dialogues."""

    texts: list[str]
    left_out: Counter[str]
    """Why rows were passed over, and how many."""


def rendered_chats(
    name: str, subject: Subject, n: int, revision: str | None = None, split: str = "train"
) -> Chats:
    """The first `n` dialogues of a published data set that can be rendered.

    A row without an assistant turn, with an unknown role or with an empty turn is left out and
    counted.

    Args:
        name: The set's name in the catalogue or on the hub.
        subject: The model whose template is used.
        n: Dialogues to render.
        revision: The set's commit; the catalogue's by default.
        split: One of its splits.

    Raises:
        HubError: No chat template, a set without dialogues, or one that runs out before `n`.
    """
    require_chat(subject)
    texts: list[str] = []
    left_out: Counter[str] = Counter()
    for turns in published_turns(name, revision, split):
        try:
            check_dialogue(turns)
        except ValueError as error:
            left_out[str(error)] += 1
            continue
        texts.append(render_dialogue(subject, turns))
        if len(texts) == n:
            return Chats(texts, left_out)
    raise HubError(
        f"{name} holds {len(texts)} dialogues that can be rendered and {n} are asked for; "
        f"{left_out.total()} were left out. Lower the number, or name a larger set"
    )


def published_turns(
    name: str, revision: str | None = None, split: str = "train"
) -> Iterator[list[dict[str, str]]]:
    """The dialogues of a published data set as turns, role and content, whatever they hold.

    Raises:
        HubError: A set without dialogues, or one that cannot be read.
    """
    column = dialogue_column(name)
    for row in rows(name, split, revision):
        yield [_turn(turn) for turn in row[column]]


def dialogue_column(name: str) -> str:
    """The column that holds a set's turns. Raises HubError if it has none."""
    held = [column for column in COLUMNS if column in data_set(name).columns]
    if not held:
        raise HubError(f"{name} holds no dialogues; it has {', '.join(data_set(name).columns)}")
    return held[0]


def _turn(turn: Mapping[str, Any]) -> dict[str, str]:
    role = turn.get("role", turn.get("from"))
    content = turn.get("content", turn.get("value"))
    return {"role": ROLES.get(role, role or ""), "content": content or ""}
