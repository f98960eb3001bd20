"""An LLM grades some steered texts beside the judges by rule: sampled, counted, never decisive."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from helpers.judge_server import address_of, judge_server
from pydantic import ValidationError

from saebook.judges.llm import Answer
from saebook.papers.wang2025 import second_opinion as opinion
from saebook.papers.wang2025.parameters import Parameters
from saebook.papers.wang2025.setting import read_setting
from saebook.papers.wang2025.utility import GRADES
from saebook.subjects import load_subject
from saebook.testbed import load_world

CONFIG = Parameters(
    tier="smoke", model_names="gemma2-base", n_corpus_tokens=4_000, n_latents=5,
    n_control_latents=5, n_prompts=4, factors="0.8 2", n_new_tokens=5, n_unsteered=8,
    n_concepts=5, n_live_latents=5, n_judged=12,
)  # fmt: skip


class Echo:
    """Grades 2 where the text holds what it is asked about, else 0; fluency is never readable."""

    def ask(self, quality, texts, about):
        if quality == "fluency":
            return [Answer(math.nan, "unreadable", "well") for _ in texts]
        return [
            Answer(2.0 if subject in text else 0.0, "answered", "")
            for text, subject in zip(texts, about, strict=True)
        ]


def judged(rule: list[float]) -> pd.DataFrame:
    texts = pd.DataFrame({"text": ["otter", "heron", "an otter"], "concept": "otter"})
    grades = {f"{name}, rule": rule for name in GRADES}
    return opinion.with_opinion(texts.assign(opening="otter", **grades), Echo())


def test_equal_judges_agree_and_opposite_ones_do_not():
    table = opinion.agreement(judged([2.0, 0.0, 2.0]))
    assert table.loc["concept", "equal"] == 1
    assert table.loc["concept", "Spearman"] == pytest.approx(1)
    turned = opinion.agreement(judged([0.0, 2.0, 0.0]))
    assert turned.loc["concept", "equal"] == 0
    assert turned.loc["concept", "Spearman"] == pytest.approx(-1)


def test_missing_grades_are_counted_and_count_as_nothing_where_said_so():
    table = opinion.agreement(judged([2.0, 0.0, 2.0]))
    assert table.loc["fluency", ["texts", "answered", "unreadable"]].tolist() == [3, 0, 3]
    assert np.isnan(table.loc["fluency", "mean by the LLM"])
    assert table.loc["fluency", "the same, missing as 0"] == 0
    assert np.isnan(table.loc["fluency", "Spearman"])


def test_texts_are_drawn_from_every_grade_alike():
    grades = np.array([0.0] * 90 + [1.0] * 6 + [2.0] * 4)
    drawn = grades[opinion.evenly(grades, 12, seed=0)]
    assert [int((drawn == g).sum()) for g in (0, 1, 2)] == [4, 4, 4]
    assert sorted(opinion.evenly(grades, 500, seed=0)) == list(range(100))
    assert opinion.evenly(grades, 12, seed=0) != opinion.evenly(grades, 12, seed=1)


def test_an_endpoint_grades_texts_that_the_reference_sae_steered(tmp_path, monkeypatch):
    monkeypatch.setenv("SAEBOOK_CACHE", str(tmp_path))
    monkeypatch.setenv(opinion.KEY_VARIABLE, "secret")
    setting = read_setting(load_subject("gemma2-base"), load_world(), CONFIG)
    texts = opinion.sampled_texts(setting, CONFIG)
    assert len(texts) == 12 and texts["opening"].isin([o.text for o in setting.openings]).all()
    with judge_server() as server:
        config = CONFIG.model_copy(
            update={"judge_endpoint": address_of(server), "judge_model": "judge"}
        )
        found = opinion.with_opinion(texts, opinion.judge_of(config))
        assert {token for _, token in server.seen} == {"Bearer secret"}
    table = opinion.agreement(found)
    assert (table["answered"] == 12).all() and (table["mean by the LLM"] == 2).all()
    assert any((tmp_path / "judge").iterdir())


@pytest.mark.parametrize("given", [{"judge_endpoint": "http://x"}, {"judge_model": "x"}])
def test_an_endpoint_without_a_model_is_refused_and_so_is_the_reverse(given):
    with pytest.raises(ValidationError, match="belong together; give both or neither"):
        Parameters(**given)
