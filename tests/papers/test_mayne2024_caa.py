"""Published pairs: what is read, what is left out, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from saebook.activations import letter_positions
from saebook.papers.mayne2024.caa import LetterPair, load_pairs, render_pair, survey
from saebook.testbed import load_world
from saebook.testbed.tokenizers import build_tokenizer

QUESTION = "Shall the lamp stay on tonight?\n\nChoices:\n (A) It shall\n (B) It shall not"


def _record(matching: str = "(A)", other: str = "(B)", question: str = QUESTION) -> dict[str, str]:
    return {
        "question": question,
        "answer_matching_behavior": matching,
        "answer_not_matching_behavior": other,
    }


def _write(folder: Path, records: object, behaviour: str = "lamp-lighting") -> Path:
    path = folder / "generate" / behaviour / "generate_dataset.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(records if isinstance(records, str) else json.dumps(records))
    return folder


def test_pairs_are_kept_in_order_and_the_rest_is_reported_with_its_reason(tmp_path: Path):
    long = QUESTION + "\n (C) Ask again"
    records = [
        _record(),
        _record("(C)", "(A)", long),
        _record(" (B)", " (A)"),
        _record("(A)", "(D)", long),
        _record("(B)", "(B)"),
        _record(question="Shall it?\n (A) yes"),
    ]
    loaded = load_pairs(_write(tmp_path, records), "lamp-lighting")
    assert [p.matching for p in loaded.pairs] == ["A", "B"]
    assert loaded.left_out["record"].tolist() == [1, 3, 4, 5]
    assert loaded.left_out["reason"].tolist() == [
        "the matching answer is not A or B",
        "the opposite answer is not A or B",
        "both answers are one letter",
        "the question offers no (B)",
    ]
    assert loaded.matching_a == 0.5
    table = survey(tmp_path)
    assert table.loc[0, "left out"] == 4 and "1 because both answers" in table.loc[0, "why"]


def test_strict_reading_names_the_first_pair_that_is_not_a_or_b(tmp_path: Path):
    _write(tmp_path, [_record(), _record("(C)", "(A)")])
    with pytest.raises(ValueError, match=r"record 1: the matching answer is not A or B \(C aga"):
        load_pairs(tmp_path, "lamp-lighting", strict=True)


def test_a_behaviour_without_both_answers_is_refused(tmp_path: Path):
    record = _record()
    del record["answer_not_matching_behavior"]
    with pytest.raises(ValueError, match="record 1 lacks answer_not_matching_behavior"):
        load_pairs(_write(tmp_path, [_record(), record]), "lamp-lighting")
    with pytest.raises(ValueError, match=r"every one of 2 pairs matches by \(A\)"):
        load_pairs(_write(tmp_path, [_record(), _record()]), "lamp-lighting")


def test_an_empty_set_after_filtering_says_what_was_filtered(tmp_path: Path):
    with pytest.raises(ValueError, match=r"no pair is left.*2 x the matching answer"):
        load_pairs(_write(tmp_path, [_record("(E)"), _record("(F)")]), "lamp-lighting")
    with pytest.raises(ValueError, match=r"the file is \[\]"):
        load_pairs(_write(tmp_path, []), "lamp-lighting")


def test_missing_and_broken_files_are_named(tmp_path: Path):
    _write(tmp_path, [_record(), _record("(B)", "(A)")])
    with pytest.raises(FileNotFoundError, match="there: lamp-lighting"):
        load_pairs(tmp_path, "sycophancy")
    with pytest.raises(FileNotFoundError, match="none of the files"):
        survey(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="unknown split"):
        load_pairs(tmp_path, "lamp-lighting", "train")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not JSON"):
        load_pairs(_write(tmp_path, "[oops"), "lamp-lighting")
    with pytest.raises(ValueError, match="a dict, not a list"):
        load_pairs(_write(tmp_path, {}), "lamp-lighting")


def test_the_base_format_ends_in_the_letter():
    positive, negative = render_pair(LetterPair(QUESTION, "B", "A"))
    assert positive == f"Input: {QUESTION}\nResponse: (B" and negative.endswith("Response: (A")


def test_a_chat_pair_opens_the_model_s_turn_and_closes_nothing():
    tokenizer = build_tokenizer(load_world(), "gemma2", chat=True)
    positive, negative = render_pair(LetterPair(QUESTION, "A", "B"), tokenizer)
    assert positive[:-1] == negative[:-1] and positive.endswith("(A")
    opened = tokenizer.apply_chat_template(
        [{"role": "user", "content": QUESTION}], tokenize=False, add_generation_prompt=True
    )
    assert positive == f"{opened}(A"


def test_templates_that_cannot_carry_a_letter_are_refused():
    tokenizer = build_tokenizer(load_world(), "gemma2", chat=True)
    pair = LetterPair(QUESTION, "A", "B")
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    with pytest.raises(ValueError, match="no generation prompt"):
        render_pair(pair, tokenizer)
    tokenizer.chat_template = None
    with pytest.raises(ValueError, match="no chat template"):
        render_pair(pair, tokenizer)


def test_a_letter_that_cannot_be_found_is_refused():
    tokenizer = build_tokenizer(load_world(), "gemma2")
    with pytest.raises(ValueError, match="no answer letter"):
        letter_positions(tokenizer, ["the lamp stays on"])
    with pytest.raises(ValueError, match="no answer letter"):
        letter_positions(tokenizer, ["answer : ( C"])
    assert letter_positions(tokenizer, ["answer : ( A"])
