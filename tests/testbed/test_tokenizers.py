"""House tokenizers: one word is one token, and chats render as the chat template renders them."""

from __future__ import annotations

import pytest

from saebook.testbed import load_world
from saebook.testbed.house import D_MODEL
from saebook.testbed.registers import WRITERS
from saebook.testbed.registers.chats import SYSTEM_HEADER, TEMPLATES
from saebook.testbed.tokenizers import CHAT_TEMPLATES, SPECIALS, build_tokenizer, vocabulary

WORLD = load_world()
FAMILIES = tuple(SPECIALS)
TOKENIZERS = {family: build_tokenizer(WORLD, family) for family in FAMILIES}


def ids_of(family: str, text) -> list[int]:
    return TOKENIZERS[family](text, add_special_tokens=False)["input_ids"]


def dialogue(family: str, words: tuple[str, ...]) -> list[dict[str, str]]:
    """Read a written chat back into messages, by its family's marks alone."""
    template, text = TEMPLATES[family], " ".join(words)
    start = template.turn_start.format(role="").strip()
    messages = []
    for turn in text.split(start)[1:]:
        body = turn.split(template.turn_end)[0].strip()
        role, _, content = body.partition(" ")
        content = content.removeprefix(template.header_end).strip()
        if role == "system":
            assert content == SYSTEM_HEADER
            continue
        role = "assistant" if role == template.assistant else role
        if not messages and not template.has_system_role:
            assert content.startswith(SYSTEM_HEADER)
            content = content.removeprefix(SYSTEM_HEADER).strip()
        messages.append({"role": role, "content": content})
    return messages


def test_the_width_that_the_concept_count_is_held_against_is_the_models() -> None:
    assert D_MODEL == 96


@pytest.mark.parametrize("family", FAMILIES)
def test_every_word_of_the_world_is_one_token_of_its_own(family: str) -> None:
    words = WORLD.vocabulary()
    rows = TOKENIZERS[family](list(words), add_special_tokens=False)["input_ids"]
    assert all(len(row) == 1 for row in rows)
    assert len({row[0] for row in rows}) == len(words)
    assert TOKENIZERS[family].unk_token_id not in {row[0] for row in rows}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("register", WRITERS)
def test_texts_encode_to_their_words_and_decode_back(family: str, register: str) -> None:
    options = {"family": family} if register == "chats" else {}
    tokenizer = TOKENIZERS[family]
    for text in WORLD.sample(register, 60, 8, **options):
        ids = ids_of(family, text.text)
        assert tokenizer.convert_ids_to_tokens(ids) == list(text.words)
        assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text.text


@pytest.mark.parametrize("family", FAMILIES)
def test_brackets_need_no_spaces_around_them(family: str) -> None:
    assert ids_of(family, "( A accept the change )") == ids_of(family, "(A accept the change)")


@pytest.mark.parametrize("family", FAMILIES)
def test_chats_are_token_for_token_what_the_chat_template_renders(family: str) -> None:
    tokenizer = TOKENIZERS[family]
    bos = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    for text in WORLD.sample("chats", 100, 2, family=family):
        messages = dialogue(family, text.words)
        assert [m["role"] for m in messages] == ["user", "assistant"] * (len(messages) // 2)
        rendered = tokenizer.apply_chat_template(messages, tokenize=False)
        assert ids_of(family, rendered) == bos + ids_of(family, text.text)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_generation_prompt_is_where_the_assistant_begins(family: str) -> None:
    tokenizer = TOKENIZERS[family]
    messages = [{"role": "user", "content": "name three of the animal kind ."}]
    prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    whole = tokenizer.apply_chat_template(
        [*messages, {"role": "assistant", "content": "otter , lynx , heron ."}], tokenize=False
    )
    ids = ids_of(family, prompt)
    assert ids_of(family, whole)[: len(ids)] == ids
    assert len(ids_of(family, whole)) == len(ids) + 7  # six words and the end of the turn


@pytest.mark.parametrize("family", FAMILIES)
def test_chats_are_within_the_promised_length(family: str) -> None:
    lengths = [len(text) for text in WORLD.sample("chats", 300, 6, family=family)]
    assert min(lengths) >= 25
    assert max(lengths) <= 120
    assert 40 <= sum(lengths) / len(lengths) <= 80


def test_families_differ_in_bos_as_their_models_do() -> None:
    assert TOKENIZERS["qwen2"].bos_token is None
    for family in ("gemma2", "llama"):
        assert TOKENIZERS[family].bos_token == SPECIALS[family].bos


def test_a_base_tokenizer_has_no_chat_template() -> None:
    assert build_tokenizer(WORLD, "gemma2", chat=False).chat_template is None
    assert build_tokenizer(WORLD, "gemma2").chat_template == CHAT_TEMPLATES["gemma2"]


@pytest.mark.parametrize("family", FAMILIES)
def test_token_ids_are_consecutive_and_special_tokens_come_first(family: str) -> None:
    table = vocabulary(WORLD, family)
    assert sorted(table.values()) == list(range(len(table)))
    assert max(table[token] for token in SPECIALS[family].template) < table["."]


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown family 'gpt'"):
        build_tokenizer(WORLD, "gpt")
    with pytest.raises(ValueError, match="unknown family 'gpt'"):
        WORLD.sample("chats", 1, 0, family="gpt")
