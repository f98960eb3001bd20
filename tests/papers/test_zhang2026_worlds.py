"""The worlds of Zhang et al.'s chapter: what each changes, and what it must leave alone."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from saebook.finetune import adapted
from saebook.papers.zhang2026 import exams, worlds
from saebook.papers.zhang2026.features import demonstrations, read_stream
from saebook.papers.zhang2026.mixtures import proportions
from saebook.papers.zhang2026.reinforce import advantages
from saebook.papers.zhang2026.selective import (
    LatentWriter,
    matched_adapter,
    matched_latents,
    zeroed,
)
from saebook.subjects import load_subject
from saebook.testbed import load_world
from saebook.testbed.lexicon import DOMAINS

WORLD = load_world()


def _solved(skill: str, anew: bool, n: int = 30) -> list[worlds.Problem]:
    return [worlds.write_solved(WORLD, "law", skill, random.Random(i), anew) for i in range(n)]


def test_every_exam_mix_is_a_distribution_and_the_changeable_skills_are_unrelated() -> None:
    mix = worlds.exam_mix()
    assert all(sum(m.values()) == pytest.approx(1.0) and min(m.values()) > 0 for m in mix.values())
    compare, count = (np.array([mix[d][s] for d in DOMAINS]) for s in worlds.CHANGEABLE)
    pairs = [(compare, count)]
    for draw in (0, *worlds.DRAWS):
        closed = np.array([worlds.closed_shares(draw)[d] for d in DOMAINS])
        pairs += [(compare, closed), (count, closed)]
    assert all(abs(np.corrcoef(a, b)[0, 1]) < 0.05 for a, b in pairs)


def test_the_new_notation_turns_more_into_less() -> None:
    for problem in _solved("compare", anew=True):
        threshold = int(problem.words[problem.words.index("than") + 1])
        numbers = [int(option) for option in problem.options]
        assert numbers[problem.right] < threshold < min(set(numbers) - {numbers[problem.right]})
    for problem in _solved("compare", anew=False):
        threshold = int(problem.words[problem.words.index("than") + 1])
        assert int(problem.options[problem.right]) > threshold


@pytest.mark.parametrize(("anew", "extra"), [(False, 0), (True, 1)])
def test_the_new_notation_counts_one_more(anew: bool, extra: int) -> None:
    for problem in _solved("count", anew):
        target = problem.words[problem.words.index("is") + 1]
        row = problem.words[: problem.words.index("how")]
        assert int(problem.options[problem.right]) == row.count(target) + extra


def test_a_problem_is_asked_where_it_names_its_answer() -> None:
    for problem in _solved("recall", anew=False) + _solved("index", anew=False):
        named = problem.options[problem.right]
        assert problem.words[problem.opened] == problem.words[problem.closed] == named
        assert problem.words[problem.closed - 2 : problem.closed] == ("answer", ":")


def test_the_format_world_changes_the_answer_and_leaves_the_reasoning() -> None:
    ordinary = exams.draw_items(WORLD, "null", "math", 20, 0)
    changed = exams.draw_items(WORLD, "format", "math", 20, 0)
    for before, after in zip(ordinary, changed, strict=True):
        assert after.words[: after.closed] == before.words[: before.closed]
        assert after.right == (before.right + 1) % len(before.options)


def test_the_skill_world_changes_only_the_sources_skill() -> None:
    ordinary = exams.draw_items(WORLD, "null", "biology", 40, 0)
    changed = exams.draw_items(WORLD, "skill", "biology", 40, 0)
    differ = {a.skill for a, b in zip(ordinary, changed, strict=True) if a.words != b.words}
    assert differ == {"count"}


def test_a_longer_exam_begins_with_the_shorter_one() -> None:
    assert exams.draw_exam(WORLD, "skill", "law", 9)[:4] == exams.draw_exam(
        WORLD, "skill", "law", 4
    )


def test_half_of_the_signed_worlds_domains_are_examined_anew() -> None:
    anew = worlds.examined_anew()
    assert len(anew) == 7
    for domain in DOMAINS:
        same = exams.draw_exam(WORLD, "signed", domain, 40) == exams.draw_exam(
            WORLD, "skill", domain, 40
        )
        assert same == (domain not in anew)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: worlds.relatedness("alchemy"), "unknown source domain 'alchemy'; known: math"),
        (lambda: exams.draw_exam(WORLD, "skill", "alchemy", 4), "unknown domain 'alchemy'"),
        (lambda: exams.draw_exam(WORLD, "skill", "law", 0), "domain 'law' has 0 test items"),
        (lambda: worlds.write_solved(WORLD, "law", "recall", random.Random(0), True), "no new"),
        (lambda: demonstrations(_solved("count", False, 3), 3, [(_solved("count", False)[0], 5)]),
         "3 demonstrations asked for, the pool has 2 others"),
        (lambda: proportions({"a": 1.0, "b": 0.0}), "positive scores"),
        (lambda: matched_latents(np.ones(4), [0, 1, 2], 0, np.ones(4, bool)), "only 1 live"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_by_name(call, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_mixtures_follow_the_score_and_its_inverse() -> None:
    found = proportions({"engineering": 9.43, "law": 5.50})
    assert found["mix-score"]["engineering"] == pytest.approx(0.632, abs=0.001)
    assert found["mix-inverse"]["law"] == found["mix-score"]["engineering"]
    assert all(sum(m.values()) in (0.0, pytest.approx(1.0)) for m in found.values())


def test_a_group_without_a_difference_in_reward_teaches_nothing() -> None:
    found = advantages(torch.tensor([[1.0, 1.0, 1.0], [0.0, 1.0, 0.0]]))
    assert found[0].tolist() == [0.0, 0.0, 0.0]
    assert found[1, 1] > 0 > found[1, 0]


def test_what_is_learnt_starts_at_the_reasoning_line() -> None:
    subject = load_subject("llama-base")
    problem = _solved("compare", anew=True, n=1)[0]
    item = exams.training_item(subject, problem)
    learnt = [i for i, label in zip(item.ids, item.labels, strict=True) if label >= 0]
    assert subject.decode(learnt).split()[:2] == ["reason", ":"]


def test_the_null_world_teaches_the_models_own_choice() -> None:
    subject = load_subject("llama-base")
    problems = exams.draw_items(WORLD, "null", "math", 6, 0)
    for problem in exams.own_answers(subject, problems):
        asked = exams.question(subject, problem, problem.opened)
        logits = subject.model(input_ids=torch.tensor([asked.ids])).logits[0, -1]
        assert int(logits[list(asked.options)].argmax()) == problem.right


def test_queries_line_up_with_and_without_demonstrations() -> None:
    subject = load_subject("qwen2-base")
    asked = [(p, p.opened) for p in _solved("count", anew=False, n=3)]
    pool = _solved("compare", anew=False, n=5)
    bare = read_stream(subject, [0, 3], asked)
    full = read_stream(subject, [0, 3], asked, demonstrations(pool, 2, asked))
    assert int(bare.own.sum()) == int(full.own.sum()) == sum(at for _, at in asked)
    assert int(bare.last.sum()) == int(full.last.sum()) == 3
    assert len(full.own) > len(bare.own)


class _Sae:
    """Two latents: the first two residual dimensions, where positive."""

    W_dec = torch.eye(2, 96)

    @staticmethod
    def encode(acts: torch.Tensor) -> torch.Tensor:
        return acts[:, :2].relu()


def test_a_new_writer_changes_nothing_and_zeroing_takes_out_what_latents_write() -> None:
    subject = load_subject("qwen2-base")
    resid = torch.randn(2, 3, 96)
    assert torch.equal(LatentWriter(_Sae, [1], 96)(resid), resid)
    ids = torch.tensor([[5, 6, 7]])
    plain = subject.model(input_ids=ids).logits
    with torch.no_grad(), zeroed(subject, 3, _Sae, [0, 1]):
        edited = subject.model(input_ids=ids).logits
    assert not torch.allclose(plain, edited)
    assert torch.equal(subject.model(input_ids=ids).logits, plain)


def test_an_adapter_has_about_as_many_parameters_as_the_latents_it_stands_beside() -> None:
    subject = load_subject("gemma2-base")
    for count in (27, 81):
        lora = matched_adapter(subject, count)
        tuned = adapted(subject.model, lora, 0)
        n = sum(p.numel() for p in tuned.parameters() if p.requires_grad)
        assert n == pytest.approx(count * subject.d_model, rel=0.15)
    with pytest.raises(ValueError, match="1 latents have 96 parameters"):
        matched_adapter(subject, 1)


def test_matched_latents_are_as_active_as_those_they_stand_for() -> None:
    weight = np.arange(40.0)
    drawn = matched_latents(weight, [10, 30], 3, weight > 0)
    assert len(set(drawn)) == 2 and not {10, 30} & set(drawn)
    assert sorted(drawn) == pytest.approx([10, 30], abs=4)
