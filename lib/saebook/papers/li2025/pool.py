"""The paper's pool of dialogues from published sets: taken in turn, without repeats, split once."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from saebook.corpora import check_dialogue, render_dialogue
from saebook.hub.chats import published_turns
from saebook.hub.entries import data_set
from saebook.hub.errors import HubError
from saebook.hub.fetch import commit_of
from saebook.hub.models import require_chat
from saebook.hub.named import Named
from saebook.subjects import Subject
from saebook.zoo.hub_source import HubText

Turns = Sequence[dict[str, str]]
N_GRAM = 20
"""Words of the sequences by which repeats are found (Appendix B)."""


def in_turn(sources: Sequence[Iterable[Turns]]) -> Iterator[Turns]:
    """One dialogue of each source after another, until all have ended."""
    open_ones = [iter(source) for source in sources]
    while open_ones:
        for source in list(open_ones):
            found = next(source, None)
            if found is None:
                open_ones.remove(source)
            else:
                yield found


def without_repeats(dialogues: Iterable[Turns], n: int = N_GRAM) -> Iterator[Turns]:
    """Drop a dialogue if any n words in a row within a turn were met before (Algorithm 1).

    A turn of fewer words than n has no such sequence and repeats nothing.
    """
    seen: set[int] = set()
    for turns in dialogues:
        own = {hash(gram) for turn in turns for gram in _grams(turn["content"].split(), n)}
        if own.isdisjoint(seen):
            seen |= own
            yield turns


def _grams(words: list[str], n: int) -> Iterator[tuple[str, ...]]:
    return (tuple(words[i : i + n]) for i in range(len(words) - n + 1))


class Pool:
    """Dialogues of published sets in one model's template: the first are held out."""

    def __init__(self, data: Sequence[Named], subject: Subject, n_held_out: int) -> None:
        """Name the sets; nothing is read yet.

        Args:
            data: Names and commits of the sets.
            subject: Whose template is used.
            n_held_out: Dialogues to measure on.

        Raises:
            HubError: No set, an unknown one, or a tokenizer without a template.
        """
        if not data:
            raise HubError("a pool of dialogues needs at least one data set that holds some")
        require_chat(subject)
        self._data = [(name, commit_of(data_set(name), commit)) for name, commit in data]
        self._subject, self._n_held_out = subject, n_held_out
        self.left_out: Counter[str] = Counter()
        """Why dialogues were passed over in the last reading, and how many."""

    def dialogues(self) -> Iterator[Turns]:
        """All dialogues that can be rendered, without repeats, in a fixed order."""
        self.left_out.clear()
        held = in_turn([published_turns(name, commit) for name, commit in self._data])
        return without_repeats(turns for turns in held if self._can_be_rendered(turns))

    def _can_be_rendered(self, turns: Turns) -> bool:
        try:
            check_dialogue(turns)
        except ValueError as error:
            self.left_out[str(error)] += 1
            return False
        return True

    def held_out(self) -> list[Turns]:
        """The dialogues to measure on.

        Raises:
            HubError: The sets hold fewer.
        """
        found = list(islice(self.dialogues(), self._n_held_out))
        if len(found) < self._n_held_out:
            raise HubError(
                f"the sets hold {len(found)} dialogues and {self._n_held_out} are to be held out; "
                "lower the number or name further sets"
            )
        return found

    def training(self) -> HubText:
        """All other dialogues, rendered, as a corpus of the zoo."""
        return HubText(self._version(), self._rendered)

    def _rendered(self) -> Iterator[str]:
        rest = islice(self.dialogues(), self._n_held_out, None)
        return (render_dialogue(self._subject, turns) for turns in rest)

    def _version(self) -> str:
        named = "+".join(f"{data_set(name).repo}@{commit}" for name, commit in self._data)
        template = str(self._subject.tokenizer.chat_template).encode()
        digest = hashlib.sha256(template).hexdigest()[:12]
        return f"{named}/{N_GRAM}-grams/after {self._n_held_out}/template {digest}"


def written_by_the_template(subject: Subject, text: str, turns: Turns) -> list[bool]:
    """Which tokens of a rendered dialogue lie outside what was said in its turns.

    Args:
        subject: Whose tokenizer and template were used.
        text: The dialogue as rendered.
        turns: What it was rendered from.

    Raises:
        ValueError: The template changed what a turn says, so it is not found again.
    """
    spans, at = [], 0
    for i, turn in enumerate(turns):
        said = turn["content"].strip()
        start = text.find(said, at)
        if start < 0:
            raise ValueError(f"turn {i} is not in the rendered dialogue: {said[:60]!r}")
        at = start + len(said)
        spans.append((start, at))
    tokenizer: Any = subject.tokenizer
    coded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    return [
        not any(start < b and end > a for a, b in spans) for start, end in coded["offset_mapping"]
    ]
