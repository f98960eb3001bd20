"""The LLM judge against a server on this machine that answers well, badly, late and not at all."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import pytest
from helpers.judge_server import address_of, judge_server

from saebook.judges.llm import LLMJudge, grades_of, read_grade


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with judge_server() as made:
        yield made


def judge_of(server: ThreadingHTTPServer, folder, **options) -> LLMJudge:
    return LLMJudge(address_of(server), "judge", folder, timeout=0.25, **options)


def test_a_good_answer_is_read_and_kept(server, tmp_path):
    judge = judge_of(server, tmp_path, key="secret")
    answers = judge.ask("concept", ["otters swim", "otters swim"], ["otter", "otter"])
    assert [a.grade for a in answers] == [2, 2] and len(server.seen) == 1
    body, token = server.seen[0]
    assert body["temperature"] == 0 and token == "Bearer secret"
    assert "Topic: otter" in body["messages"][0]["content"]
    assert judge.counts == {"answered": 2, "cached": 1}
    again = judge_of(server, tmp_path).ask("concept", ["otters swim"], ["otter"])
    assert again[0].grade == 2 and len(server.seen) == 1


def test_nonsense_is_counted_shown_and_never_dropped(server, tmp_path):
    judge = judge_of(server, tmp_path)
    answers = judge.ask("fluency", ["fine", "BADLY"], ["", ""])
    assert [a.status for a in answers] == ["answered", "unreadable"]
    assert answers[1].text == "I had rather not say."
    with pytest.raises(ValueError, match="1 of 2 answers are missing: 1 unreadable"):
        grades_of(answers)
    assert grades_of(answers, unanswered="zero") == [2, 0]


def test_a_late_answer_is_late_and_asked_for_again(server, tmp_path):
    judge = judge_of(server, tmp_path, retries=1)
    (answer,) = judge.ask("instruction", ["LATE"], ["say something"])
    assert answer.status == "late" and judge.counts["late"] == 1
    assert len(server.seen) == 2 and not list(tmp_path.iterdir()), "failures are not kept"


@pytest.mark.parametrize("fault", ["GONE", "BROKEN", "EMPTY", "HTML"])
def test_a_server_that_fails_is_refused_with_its_reason(server, tmp_path, fault):
    (answer,) = judge_of(server, tmp_path, retries=0).ask("fluency", [fault], [""])
    assert answer.status == "refused" and answer.text


def test_a_server_that_is_not_there_is_refused(tmp_path):
    judge = LLMJudge("http://127.0.0.1:9/v1", "judge", tmp_path, timeout=0.2, retries=0)
    assert judge.ask("fluency", ["text"], [""])[0].status == "refused"


def test_a_damaged_cache_entry_is_asked_for_again(server, tmp_path):
    judge = judge_of(server, tmp_path)
    judge.ask("fluency", ["fine"], [""])
    (kept,) = tmp_path.iterdir()
    kept.write_text("{")
    assert judge.ask("fluency", ["fine"], [""])[0].grade == 2 and len(server.seen) == 2


@pytest.mark.parametrize(
    ("reply", "grade"),
    [("Grade: 1", 1), ("**Grade:** 2", 2), ("grade = 1.5", 1.5), ("Grade: 0\nGrade: 2", 2),
     ("Grade: 7", None), ("two", None), ("", None)],
)  # fmt: skip
def test_grades_are_read_from_the_last_line_that_holds_one(reply, grade):
    answer = read_grade(reply)
    assert (answer.grade == grade) if grade is not None else answer.status == "unreadable"


def test_braces_in_a_text_stay_as_they_are(server, tmp_path):
    judge_of(server, tmp_path).ask("concept", ["{about} {x}"], ["{text}"])
    prompt = server.seen[0][0]["messages"][0]["content"]
    assert "Topic: {text}\nText: {about} {x}" in prompt


def test_bad_settings_are_refused(tmp_path):
    with pytest.raises(ValueError, match="not an http address"):
        LLMJudge("localhost", "judge", tmp_path)
    with pytest.raises(ValueError, match="out of range"):
        LLMJudge("http://localhost", "judge", tmp_path, timeout=0)
    judge = LLMJudge("http://localhost", "judge", tmp_path)
    with pytest.raises(ValueError, match="unknown quality 'taste'"):
        judge.ask("taste", [], [])
    with pytest.raises(ValueError, match="1 texts with 0"):
        judge.ask("concept", ["a"], [])
