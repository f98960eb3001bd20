"""MMLU-Pro by its protocol: prompts, answers, and what is read from them."""

from __future__ import annotations

import pytest

from saebook.hub import HubError, mmlu_pro
from saebook.hub.models import load_published

ROW = {
    "question_id": 7,
    "question": " which ? ",
    "options": ["red", "blue", "N/A"],
    "answer_index": 1,
    "cot_content": "A: Let's think step by step. The answer is (B).",
    "category": "law",
}
ITEM = mmlu_pro._item(ROW)


@pytest.mark.parametrize(
    ("text", "chosen", "way"),
    [
        ("A or C? the answer is (D). Answer: B", 3, 0),
        ("the answer is J", 9, 0),
        ("Well.\nAnswer: C, not D", 2, 1),
        ("either B or, on reflection, E it is", 4, 2),
        ("I said A\nthen B", 1, 2),
    ],
)
def test_a_letter_is_looked_for_in_three_ways_each_where_the_one_before_fails(text, chosen, way):
    assert mmlu_pro.read_answer(text, ITEM, 0) == (chosen, way)


def test_without_a_letter_an_option_is_drawn_and_the_draw_repeats():
    drawn = [mmlu_pro.read_answer(f"no idea {i}", ITEM, 0) for i in range(40)]
    assert {own.way for own in drawn} == {3} and {own.chosen for own in drawn} == {0, 1}
    assert drawn == [mmlu_pro.read_answer(f"no idea {i}", ITEM, 0) for i in range(40)]
    assert drawn != [mmlu_pro.read_answer(f"no idea {i}", ITEM, 1) for i in range(40)]


def test_filled_up_options_are_left_out_and_the_reasoning_loses_its_mark():
    assert ITEM.options == ("red", "blue") and ITEM.right == 1 and ITEM.question == "which ?"
    assert ITEM.reasoning.startswith("Let's think")
    with pytest.raises(HubError, match="item 7 has 1 options and answer 1"):
        mmlu_pro._item({**ROW, "options": ["red", "N/A"]})


def test_a_prompt_shows_worked_examples_and_ends_where_the_model_reasons():
    text = mmlu_pro.prompt(ITEM, [ITEM] * 5)
    assert text.count(mmlu_pro.STOP) == 6 and text.count("The answer is (B).") == 5
    assert text.endswith(f"B. blue\nAnswer: {mmlu_pro.OPENING}")


def test_every_domain_needs_five_worked_examples():
    held = {"law": [ITEM] * 6, "math": [ITEM] * 4, "history": [ITEM._replace(reasoning="")] * 5}
    assert len(mmlu_pro.examples_of("law", held)) == 5
    for domain in ("math", "history", "physics"):
        with pytest.raises(HubError, match=f"worked examples of '{domain}'"):
            mmlu_pro.examples_of(domain, held)


def test_an_exam_is_read_by_domain_and_answered(hub):
    subject = load_published("qwen2.5-0.5b-instruct")
    validation, test = mmlu_pro.load("validation"), mmlu_pro.load("test", per_domain=2)
    assert {len(own) for own in test.values()} == {2} and len(validation) == 14
    shown = mmlu_pro.examples_of("law", validation)
    marked = mmlu_pro.take_exam(subject, test["law"], shown, 2, 0, context=240)
    assert marked.bits.shape == (2,) and 0 <= marked.drawn <= 1
    with pytest.raises(HubError, match="alone is longer than 18 tokens"):
        mmlu_pro.take_exam(subject, test["law"], shown, 2, 0, context=20)


def test_prompts_of_unequal_length_are_continued_as_if_each_were_alone(hub):
    subject = load_published("qwen2.5-0.5b-instruct")
    prompts = subject.encode(["question : which count is more", "reason", "answer : ( A ) the"])
    alone = [mmlu_pro.continuations(subject, [ids], 3)[0] for ids in prompts]
    assert mmlu_pro.continuations(subject, prompts, 3) == alone
