"""A rehearsal runs in a process of its own, and what it finds is only ever rehearsed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from saebook.book.answers import PaperAnswers
from saebook.claims import Results, ResultsError, Verdict
from saebook.claims.paper_scale import settle
from saebook.hub.__main__ import main
from saebook.hub.rehearsing import VARIABLE

ROW = {"R3": {"estimate": -0.82, "n": 1, "detail": {}}}
COUNT = "from saebook.hub.data import rows; print(len(list(rows('limo', 'train'))))"


def paper_results() -> Results:
    return Results.start("mayne2024", "paper", 0, {})


def test_a_process_takes_the_stand_ins_for_the_hub_by_its_variables_alone(tmp_path):
    words = [sys.executable, "-m", "saebook.hub", "rehearse", "limo", sys.executable, "-c", COUNT]
    offline = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(words, env=offline, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("40", 0), done.stderr


def test_rows_on_stand_ins_are_rehearsed_whatever_they_say(monkeypatch):
    monkeypatch.setenv(VARIABLE, "1")
    results = paper_results()
    settle(results, ROW, "rehearsal")
    verdict, why = results.verdict("R3", "paper")
    assert verdict is Verdict.REHEARSED
    assert "not run on the published weights" in why
    assert not results.records["paper"]


def test_rows_on_what_is_published_are_judged(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    results = paper_results()
    settle(results, ROW, "paper")
    assert results.verdict("R3", "paper").verdict is Verdict.REPRODUCED
    assert not results.rehearsals


@pytest.mark.parametrize(
    ("variable", "scale"), [("1", "paper"), ("", "rehearsal"), ("", "testbed")]
)
def test_rows_whose_scale_contradicts_the_run_are_refused(monkeypatch, variable, scale):
    monkeypatch.setenv(VARIABLE, variable)
    with pytest.raises(ResultsError, match="cannot be settled at paper scale"):
        settle(paper_results(), ROW, scale)


def test_a_rehearsal_cannot_record_a_row_at_paper_scale(monkeypatch):
    monkeypatch.setenv(VARIABLE, "1")
    with pytest.raises(ResultsError, match=r"R3.paper: a rehearsal on stand-ins measures nothing"):
        paper_results().record("R3", "paper", -0.82, n=1)


def test_what_a_paper_run_repeats_beside_answers_nothing_in_the_book():
    run = paper_results()
    run.record("R2", "audit", 2.86, n=2)
    run.rehearse("R3", "why")
    assert set(run.as_json()["records"]["audit"]) == {"R2"}
    paper = PaperAnswers(run.ledger, {"paper": run})
    assert paper.answer(run.ledger["R2"], "audit").tier is None
    assert paper.answer(run.ledger["R3"], "paper").verdict is Verdict.REHEARSED


def test_the_list_names_everything_with_its_licence(capsys):
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    assert "google/gemma-2-2b" in printed and "gemma, gated" in printed
    assert "allenai/WildChat-1M-Full" in printed and "streamed" in printed


def test_the_present_commit_is_printed_for_pinning(hub, capsys):
    assert main(["commit", "limo"]) == 0
    assert capsys.readouterr().out.strip() == hub.commit("GAIR/LIMO", "dataset")


def test_an_unknown_name_or_no_command_is_told(capsys):
    assert main(["commit", "limo2"]) == 1
    assert main(["rehearse", "limo,limo2", "true"]) == 1
    assert "no limo2 in the catalogue" in capsys.readouterr().err
    assert main(["rehearse", "limo"]) == 1
    assert "no command" in capsys.readouterr().err
