"""Multiple-choice scoring."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from saebook.finetune import Question, letter_question, score, word_question
from saebook.subjects import Subject
from saebook.testbed import load_house_model, load_world
from saebook.testbed.gates.language import option_choice

QUESTIONS = [
    Question((1, 5, 9), (10, 11, 12), 1),
    Question((1, 5, 9, 7, 8, 6, 4), (10, 13), 0),
    Question((2, 3), (14, 11, 12), 2),
]


def test_probabilities_are_those_of_the_models_own_logits(subject: Subject) -> None:
    found = score(subject.model, QUESTIONS)
    for i, question in enumerate(QUESTIONS):
        with torch.no_grad():
            logits = subject.model(input_ids=torch.tensor([question.ids])).logits[0, -1]
        held = logits[list(question.options)]
        expected = held.softmax(-1).numpy()
        assert found.probs[i, : len(expected)] == pytest.approx(expected, abs=1e-5)
        assert found.mass[i] == pytest.approx(
            float(logits.softmax(-1)[list(question.options)].sum()), abs=1e-5
        )
        assert found.bits[i] == (int(held.argmax()) == question.right)
    assert np.isnan(found.probs[1, 2])


def test_grouping_by_length_changes_no_number(subject: Subject) -> None:
    whole, one = score(subject.model, QUESTIONS), score(subject.model, QUESTIONS, chunk_tokens=1)
    assert whole.probs == pytest.approx(one.probs, abs=1e-5, nan_ok=True)


def test_words_are_scored_as_the_gates_score_them() -> None:
    house, world = load_house_model("llama-base"), load_world()
    texts = world.sample("problems", 6, 3, domain="law", shots=1, reason=False)
    questions = [word_question(house.tokenizer, text) for text in texts]
    found = score(house.model, questions)
    for text, question, chosen in zip(texts, questions, found.chosen, strict=True):
        words = house.tokenizer.convert_ids_to_tokens(list(question.options))
        assert (words[chosen], words[question.right]) == option_choice(house, text)


def test_letters_are_read_where_the_text_says_them() -> None:
    house, world = load_house_model("qwen2-base"), load_world()
    text = world.sample("problems", 1, 3, domain="math", shots=0)[0]
    question = letter_question(house.tokenizer, text)
    letters = house.tokenizer.convert_ids_to_tokens(list(question.options))
    assert letters == list("ABCD")
    assert text.words[len(question.ids)] == letters[question.right]


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (Question((1,), (4, 4), 0), "options that differ"),
        (Question((), (4, 5), 0), "has 0 tokens"),
        (Question((1,), (4, 5), 2), "the right one among them"),
    ],
)
def test_a_question_that_cannot_be_scored_is_refused(question: Question, words: str) -> None:
    house = load_house_model("qwen2-base")
    with pytest.raises(ValueError, match=words):
        score(house.model, [question])


def test_no_questions_is_an_error() -> None:
    with pytest.raises(ValueError, match="no questions"):
        score(load_house_model("qwen2-base").model, [])
