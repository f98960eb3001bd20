"""Dialogues as data: what is refused, and what taking the header away leaves."""

from __future__ import annotations

import pytest

from saebook.corpora import check_dialogue, render_dialogue, with_random_header, without_header
from saebook.testbed import load_world
from saebook.testbed.registers.chats import SYSTEM_HEADER
from saebook.testbed.tokenizers import build_tokenizer

ASK = {"role": "user", "content": "what is the colour of the otter ?"}
SAY = {"role": "assistant", "content": "the otter is brown ."}
FAMILIES = ("gemma2", "llama", "qwen2")


class _Reader:
    """A tokenizer with the two things that rendering needs of a subject."""

    def __init__(self, family: str) -> None:
        self.tokenizer = build_tokenizer(load_world(), family)
        self.name, self.bos_id = family, self.tokenizer.bos_token_id

    def encode(self, texts):
        rows = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        known = self.bos_id is None
        return [r if known or r[0] == self.bos_id else [self.bos_id, *r] for r in rows]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_dialogue_is_written_in_the_family_s_own_template(family):
    text = render_dialogue(_Reader(family), [ASK, SAY])
    assert SYSTEM_HEADER in text and ASK["content"] in text and SAY["content"] in text
    assert text.index(ASK["content"]) < text.index(SAY["content"])


def test_a_template_that_writes_bos_twice_is_refused():
    reader = _Reader("llama")
    reader.tokenizer.chat_template = "{{ bos_token }} {{ bos_token }} the otter"
    with pytest.raises(ValueError, match="writes BOS where there is one already"):
        render_dialogue(reader, [ASK, SAY])
    reader.tokenizer.chat_template = None
    with pytest.raises(ValueError, match="has no chat template"):
        render_dialogue(reader, [ASK, SAY])


@pytest.mark.parametrize(
    ("turns", "says"),
    [
        ([ASK], "needs an assistant turn"),
        ([], "needs an assistant turn"),
        ([ASK, {"role": "wizard", "content": "x"}], "turn 1 has the role 'wizard'"),
        ([ASK, {"role": "assistant", "content": ""}], r"turn 1 \(assistant\) has no content"),
        ([{"content": "x"}, SAY], "turn 0 has the role None"),
    ],
)
def test_a_dialogue_that_is_none_is_refused_by_turn(turns, says):
    with pytest.raises(ValueError, match=says):
        check_dialogue(turns)


@pytest.mark.parametrize("family", FAMILIES)
def test_without_its_header_a_chat_begins_with_the_user(family):
    for text in load_world().sample("chats", 12, 4, family=family):
        bare = without_header(text)
        assert len(bare.words) == len(bare.concepts) == len(bare.nats)
        assert SYSTEM_HEADER not in bare.text and "system" not in bare.words
        assert bare.words[1] == "user"
        assert text.text.endswith(" ".join(bare.words[2:]))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_random_header_changes_the_header_alone(family):
    world = load_world()
    (text,) = world.sample("chats", 1, 4, family=family)
    other = with_random_header(text, world.vocabulary(), "one")
    assert other.concepts == text.concepts
    changed = [i for i in range(len(text)) if text.words[i] != other.words[i]]
    assert changed and all("role/system-header" in text.concepts[i] for i in changed)
    assert with_random_header(text, world.vocabulary(), "one") == other
    assert with_random_header(text, world.vocabulary(), "two") != other


def test_a_text_without_a_header_is_refused():
    (text,) = load_world().sample("encyclopaedia", 1, 0)
    with pytest.raises(ValueError, match="no system header"):
        without_header(text)
    with pytest.raises(ValueError, match="no words"):
        with_random_header(text, [], "x")
