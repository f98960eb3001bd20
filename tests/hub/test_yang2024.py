"""Published models and questions through the chapter's own code, on stand-ins."""

from __future__ import annotations

import json

import numpy as np
import pytest

from saebook.hub import HubError
from saebook.hub.models import load_published
from saebook.papers.yang2024 import published, published_rows, records
from saebook.papers.yang2024 import published_exams as exams
from saebook.papers.yang2024.arms import PUBLISHED, PUBLISHED_LARGE
from saebook.papers.yang2024.parameters import Parameters
from saebook.papers.yang2024.published_exams import Written
from saebook.parameters import ParameterError
from saebook.paths import CACHE_VARIABLE

NAMES = "mistral-7b qwen2.5-0.5b-instruct medmcqa medqa"
CONFIG = Parameters(
    hub_names=NAMES,
    hub_labellers="qwen2.5-0.5b-instruct",
    hub_items=8,
    hub_large_items=20,
    hub_test=3,
    hub_tokens=20,
    hub_runs=2,
    hub_resamples=50,
)
ASKED = Written("which one ?", ("first", "second", "third"), 1, "cells")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "made"))


def test_a_prompt_ends_where_its_letter_comes():
    assert ASKED.prompt.endswith("A. first\nB. second\nC. third\n\n### Answer:")


def test_an_exam_is_read_from_a_folder(tmp_path):
    line = {"question": "q ?", "options": ["x", "y"], "answer": "B", "category": "ID"}
    (tmp_path / "exam.jsonl").write_text(json.dumps(line) + "\n\n" + json.dumps(line))
    assert exams.from_folder(tmp_path) == [Written("q ?", ("x", "y"), 1, "ID")] * 2


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"answer": "C"}, "line 1: answer 'C' is none of A, B"),
        ({"options": ["x"]}, "two to five"),
        ({"options": "x y"}, "two to five"),
    ],
)
def test_a_line_that_is_no_question_is_named(tmp_path, changed, words):
    line = {"question": "q ?", "options": ["x", "y"], "answer": "B", "category": "ID"}
    (tmp_path / "exam.jsonl").write_text(json.dumps({**line, **changed}))
    with pytest.raises(ValueError, match=words):
        exams.from_folder(tmp_path)


def test_a_line_without_a_key_and_a_folder_without_questions_are_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no question"):
        exams.from_folder(tmp_path)
    (tmp_path / "exam.jsonl").write_text('{"question": "q"}')
    with pytest.raises(ValueError, match="line 1 lacks options, answer, category"):
        exams.from_folder(tmp_path)


def test_an_exam_is_drawn_from_the_commonest_categories_and_no_larger_than_they_are():
    pool = [ASKED._replace(category=f"c{i % 12}") for i in range(34)]
    drawn = exams.drawn_exam(pool, 20, 0)
    assert len(drawn) == 20 and len({q.category for q in drawn} & {"c10", "c11"}) == 0
    assert drawn == exams.drawn_exam(pool, 20, 0) != exams.drawn_exam(pool, 20, 1)
    with pytest.raises(ValueError, match="31 questions cannot be drawn from 30"):
        exams.drawn_exam(pool, 31, 0)


def test_questions_become_tokens_with_a_letter_each_and_lose_their_beginning_when_long(hub):
    subject = load_published("qwen2.5-0.5b-instruct")
    long = ASKED._replace(stem="the " * 700)
    short, cut = exams.as_questions(subject.tokenizer, subject.name, [ASKED, long], 512)
    assert len(short.options) == len(set(short.options)) == 3 and short.right == 1
    assert len(cut.ids) == 511 and cut.ids[-20:] == short.ids[-20:]


def test_a_tokenizer_that_splits_letters_is_refused(hub):
    subject = load_published("qwen2.5-0.5b-instruct")
    tokenizer = subject.tokenizer
    with pytest.raises(HubError, match="cannot be read at one place"):
        exams.letter_ids(lambda text: tokenizer(text.replace(" B", " B B")), subject.name, 4)


def test_both_exams_are_read_and_labelled_by_models_that_are_not_trained(hub, cache):
    config = CONFIG.model_copy(update={"hub_large_model": "mistral-7b"})
    read = published.read_exams(config)
    exam, large = read[PUBLISHED], read[PUBLISHED_LARGE]
    assert [len(e.written) for e in (exam, large)] == [8, 20] and large.whole
    assert large.tests["LEK"] == exam.written and set(exam.tests) == {"MedMCQA", "MedQA"}
    assert ((exam.difficulty > 0) & (exam.difficulty < 1)).all()
    with pytest.raises(ValueError, match="no label 'students'"):
        exam.label("students", 0)


def test_runs_are_kept_and_give_the_rows_that_one_model_can_answer(hub, cache, monkeypatch):
    read = published.read_exams(CONFIG)
    found, scale = published.published_records(read, CONFIG)
    assert scale == "rehearsal"
    plan = published.plan_of(CONFIG)
    runs = {(arm, seed) for arm in published.arms_of(plan, CONFIG) for seed in plan.seeds(arm)}
    assert records.held_runs(found) == runs
    monkeypatch.setattr(published, "_train_run", lambda *_: pytest.fail("trained again"))
    again, _ = published.published_records(read, CONFIG)
    assert again["bits"].tolist() == found["bits"].tolist()
    rows = published_rows.published_rows(published_rows.evidence(found, CONFIG), read, CONFIG)
    assert list(rows) == ["K1", "K2", "K3", "K8", "K11"]
    assert np.isfinite(rows["K1"]["estimate"])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"hub_names": "mistral-7b medmcqa"}, "has to hold medmcqa, medqa"),
        ({"hub_labellers": ""}, "at least one"),
        ({"hub_labellers": "mistral-7b qwen2.5-0.5b-instruct"}, "a model to train"),
        ({"hub_side_model": "qwen2.5-0.5b-instruct"}, "not one of the models that are trained"),
    ],
)
def test_names_that_do_not_fit_together_are_refused(changed, words):
    with pytest.raises(ParameterError, match=words):
        Parameters.checked({**CONFIG.model_dump(), **changed})
