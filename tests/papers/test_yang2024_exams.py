"""The exam's counts and folds, what each world teaches, and who may not be asked."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest

from saebook.papers.yang2024.clusters import agreement_with, clustered_categories, stem
from saebook.papers.yang2024.exams import TEST_SETS, WORLDS, ExamWorld, folds
from saebook.testbed import load_world
from saebook.testbed.registers.exams import EXAM_COUNTS
from saebook.testbed.tokenizers import UNKNOWN, build_tokenizer

BASE = load_world()
HELD = {name: ExamWorld(name, BASE) for name in WORLDS}


@pytest.mark.parametrize("name", WORLDS)
def test_the_exam_has_the_published_counts_and_every_fact_in_five_questions(name):
    exam = HELD[name].exam()
    assert Counter(exam.categories) == EXAM_COUNTS
    assert min(Counter(exam.facts).values()) >= 5
    assert Counter(exam.depths.tolist())[3] > 200


def test_a_shorter_exam_is_the_beginning_and_a_longer_one_keeps_the_shares():
    world = HELD["prerequisite"]
    assert world.exam(40).texts == world.exam().texts[:40]
    longer = Counter(world.exam(2000).categories)
    assert longer["internal"] == round(168 * 2000 / 874)


def test_no_fact_of_the_exam_is_one_that_the_models_have_read():
    for name in WORLDS:
        exam = HELD[name].exam(120)
        for q, text in zip(exam.questions, exam.texts, strict=True):
            right = text.words[text.words.index("answer") + 2]
            assert right != BASE.facts[q.target, q.attribute]


def test_categories_disagree_about_the_same_fact_under_interference_alone():
    for name in WORLDS:
        answers: dict[tuple[str, str], set[str]] = defaultdict(set)
        exam = HELD[name].exam()
        for q, text in zip(exam.questions, exam.texts, strict=True):
            answers[q.target, q.attribute].add(text.words[text.words.index("answer") + 2])
        most = max(len(values) for values in answers.values())
        assert (most > 2) == (name == "interference")


def test_a_deep_question_asks_for_a_fact_that_a_shallow_one_teaches():
    exam = HELD["prerequisite"].exam()
    by_depth = {d: {f for f, x in zip(exam.facts, exam.depths, strict=True) if x == d}
                for d in (1, 2, 3)}  # fmt: skip
    assert by_depth[3] <= by_depth[1] and by_depth[2] <= by_depth[1]


def test_an_amplified_world_teaches_fewer_facts():
    few = ExamWorld("interference", BASE, amplified=True)
    assert sum(map(len, few.taught.values())) < 0.6 * sum(
        map(len, HELD["interference"].taught.values())
    )


@pytest.mark.parametrize("name", list(TEST_SETS))
def test_a_test_set_has_its_options_and_begins_alike_at_any_size(name):
    world = HELD["prerequisite"]
    few, more = world.test_set(name, 12), world.test_set(name, 30)
    assert few.texts == more.texts[:12]
    letters = [w for w in few.texts[0].words[: few.texts[0].words.index("answer")] if w in "ABCDE"]
    assert len(letters) == TEST_SETS[name].options
    taught = {fact for facts in world.taught.values() for fact in facts}
    assert {(q.target, q.attribute) for q in more.questions} <= taught


def test_test_sets_ask_for_other_depths_and_sizes_are_the_published_ones():
    world = HELD["prerequisite"]
    depth = {n: world.test_set(n, 300).depths.mean() for n in TEST_SETS}
    assert depth["MedMCQA"] < depth["LEK"] < depth["MedQA"]
    assert {n: s.size for n, s in TEST_SETS.items()} == {
        "LEK": 874, "MedMCQA": 4183, "MedQA": 1273,
    }  # fmt: skip


@pytest.mark.parametrize("name", WORLDS)
def test_every_word_of_a_question_is_a_token(name):
    tokenizer = build_tokenizer(BASE, "gemma2", chat=False)
    words = {w for text in HELD[name].exam(200).texts for w in text.words}
    assert UNKNOWN not in {
        str(t) for t in tokenizer.convert_ids_to_tokens(
            tokenizer.convert_tokens_to_ids(sorted(words))
        )
    }  # fmt: skip


def test_folds_differ_by_one_and_need_enough_items():
    sizes = np.bincount(folds(874, 4, 0))
    assert sizes.sum() == 874 and np.ptp(sizes) <= 1
    with pytest.raises(ValueError, match="3 items cannot be cut into 4"):
        folds(3, 4, 0)


def test_unknown_worlds_and_sets_are_refused_by_name():
    with pytest.raises(ValueError, match="'dream'"):
        ExamWorld("dream", BASE)
    with pytest.raises(ValueError, match="'USMLE'"):
        HELD["prerequisite"].test_set("USMLE")
    with pytest.raises(ValueError, match="n is 0"):
        HELD["prerequisite"].test_set("MedQA", 0)


def test_clusters_repeat_and_are_not_one_for_all():
    exam = HELD["interference"].exam()
    stems = [stem(text.words) for text in exam.texts]
    found = clustered_categories(stems, 0)
    assert found == clustered_categories(stems, 0)
    assert len(set(found)) > 2
    assert agreement_with(found, found) == 1.0
    with pytest.raises(ValueError, match="too few"):
        clustered_categories(stems[:3], 0)
