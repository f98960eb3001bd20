"""Steering against plain torch hooks, step by step, and the pure functions beside it."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import chi2
from tiny import D_MODEL, FAMILIES, tiny_subject

from saebook import steering
from saebook.steering import SteeringVector, generate, generate_ids, next_token_logprobs
from saebook.steering.generation import KeyedSampler

PROMPTS = ["the otter lives", "a fish", "the green fish eats the river in", "a river"]
VECTOR = torch.linspace(-3, 4, D_MODEL)
ROUNDING = {"atol": 5e-5, "rtol": 1e-5}


def slow_change(resid, steer):
    """The three operations, transcribed once more, for a residual stream [..., d]."""
    v = steer.vector
    u = v / v.norm()
    along = (resid @ u)[..., None]
    return {
        "add": resid + steer.coeff * v,
        "ablate": resid - steer.coeff * along * u,
        "clamp": resid - along * u + steer.coeff * u,
    }[steer.operation]


@contextmanager
def plain_hook(subject, steer, prompt_length):
    """Steer by a forward hook; whole sequences go through, so columns count from the start."""
    start = {"all": 0, "last": prompt_length - 1, "generated": prompt_length}[steer.positions]

    def hook(module, args, out):
        changed = out.clone()
        changed[:, start:] = slow_change(out[:, start:], steer)
        return changed

    handle = subject.block(steer.layer).register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@torch.no_grad()
def slow_greedy(subject, ids, steps, steer):
    """Greedy text without a cache: the whole sequence is run again for each token."""
    length = len(ids)
    for _ in range(steps):
        with plain_hook(subject, steer, length):
            ids = [*ids, int(subject.model(torch.tensor([ids])).logits[0, -1].argmax())]
    new = ids[length:]
    return new[: new.index(subject.eos_id)] if subject.eos_id in new else new


@pytest.mark.parametrize("operation", ["add", "ablate", "clamp"])
@pytest.mark.parametrize("positions", ["all", "last"])
def test_steered_logprobs_equal_plain_hooks(subject, operation, positions):
    steer = SteeringVector(VECTOR, 1, 0.7, operation, positions)
    got = next_token_logprobs(subject, PROMPTS, steer, batch_size=3)
    for i, ids in enumerate(subject.encode(PROMPTS)):
        with torch.no_grad(), plain_hook(subject, steer, len(ids)):
            logits = subject.model(torch.tensor([ids])).logits[0, -1]
        torch.testing.assert_close(got[i], logits.log_softmax(-1), **ROUNDING)
    assert (got - next_token_logprobs(subject, PROMPTS)).abs().max() > 0.1


@pytest.mark.parametrize("positions", ["all", "generated", "last"])
def test_every_generated_token_is_steered_as_plain_hooks_would(subject, positions):
    steer = SteeringVector(VECTOR, 1, 2.0, positions=positions)
    got = generate_ids(subject, PROMPTS, 7, steer, temperature=0)
    assert got == [slow_greedy(subject, ids, 7, steer) for ids in subject.encode(PROMPTS)]
    assert got != generate_ids(subject, PROMPTS, 7, temperature=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_step_of_a_generation_adds_the_vector_to_the_blocks_output(family):
    """The effect itself: what block 2 receives less what block 1 gave, at each of five steps."""
    subject, before, after = tiny_subject(family), [], []
    plain = subject.block(1).forward

    def forward(*args, **kwargs):
        before.append(plain(*args, **kwargs))
        return before[-1].clone()

    subject.block(1).forward = forward  # under nnsight, whose own hooks run before any other
    subject.block(2).register_forward_pre_hook(lambda module, args: after.append(args[0].clone()))
    generate_ids(subject, ["the otter"], 5, SteeringVector(VECTOR, 1, 1.5), temperature=0)
    assert len(before) == len(after) == 5
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(other - one, 1.5 * VECTOR.expand_as(one), **ROUNDING)


@pytest.mark.parametrize("steered", [False, True])
def test_a_sampled_text_does_not_depend_on_batch_size_or_company(subject, steered):
    steer = SteeringVector(VECTOR, 1, 1.0) if steered else None
    whole = generate(subject, PROMPTS, 6, steer, seed=3)
    assert whole == generate(subject, PROMPTS, 6, steer, seed=3, batch_size=1)
    alone = generate(subject, PROMPTS[3:], 6, steer, seed=3, row_ids=[3])
    assert alone == whole[3:]
    assert whole != generate(subject, PROMPTS, 6, steer, seed=4)


def test_equal_prompts_get_noise_of_their_own(subject):
    texts = generate(subject, ["the otter"] * 8, 5, seed=0)
    assert len(set(texts)) > 4


def test_a_longer_sample_begins_with_the_shorter_one(subject):
    short, long = (generate_ids(subject, PROMPTS, n, seed=1) for n in (3, 6))
    assert all(b[: len(a)] == a for a, b in zip(short, long, strict=True))


def test_samples_follow_the_softmax_at_the_temperature():
    scores = torch.tensor([[0.0, 1.0, 2.0, -torch.inf]]).repeat(4000, 1)
    uniforms = torch.from_numpy(np.random.default_rng(0).random((4000, 1)))
    chosen = KeyedSampler(uniforms, 0.5, 3)(torch.zeros(4000, 3), scores).argmax(-1)
    counts = chosen.bincount(minlength=4).double()
    expected = 4000 * (scores[0].double() / 0.5).softmax(-1)
    assert counts[3] == 0
    statistic = ((counts - expected)[:3] ** 2 / expected[:3]).sum()
    assert statistic < chi2.ppf(0.999, df=2)


def test_the_models_own_generation_settings_are_set_aside_and_put_back():
    subject = tiny_subject("qwen2")
    plain = generate_ids(subject, PROMPTS, 8, temperature=0)
    subject.model.generation_config.repetition_penalty = 50.0
    own = subject.model.generation_config
    assert generate_ids(subject, PROMPTS, 8, temperature=0) == plain
    assert subject.model.generation_config is own


def test_a_text_ends_before_eos(subject, monkeypatch):
    whole = generate_ids(subject, PROMPTS, 8, seed=0)
    stop = next(row[2] for row in whole if len(row) > 2)
    monkeypatch.setattr(type(subject), "eos_id", stop)
    cut = generate_ids(subject, PROMPTS, 8, seed=0)
    assert cut == [row[: row.index(stop)] if stop in row else row for row in whole]


def test_prompts_can_have_vectors_of_their_own_or_none(subject):
    plus, minus = SteeringVector(VECTOR, 1, 1.0), SteeringVector(VECTOR, 1, -1.0)
    mixed = next_token_logprobs(subject, PROMPTS, [plus, None, minus, plus])
    for i, steer in enumerate([plus, None, minus, plus]):
        alone = next_token_logprobs(subject, PROMPTS[i : i + 1], steer)
        torch.testing.assert_close(mixed[i : i + 1], alone, **ROUNDING)


def test_a_zero_vector_changes_nothing(subject):
    zero = SteeringVector(torch.zeros(D_MODEL), 1, 5.0)
    torch.testing.assert_close(
        next_token_logprobs(subject, PROMPTS, zero), next_token_logprobs(subject, PROMPTS)
    )
    assert generate(subject, PROMPTS, 4, zero, seed=0) == generate(subject, PROMPTS, 4, seed=0)


def test_continuations_are_scored_token_by_token(subject):
    tails = ["in the river", "eats", "about .", "lives in"]
    got = steering.continuation_logprobs(subject, PROMPTS, tails, batch_size=3)
    for i, (prompt, tail) in enumerate(zip(PROMPTS, tails, strict=True)):
        total, words = 0.0, tail.split()
        for k, word in enumerate(words):
            context = " ".join([prompt, *words[:k]])
            token = subject.tokenizer.convert_tokens_to_ids(word)
            total += float(next_token_logprobs(subject, [context])[0, token])
        assert float(got[i]) == pytest.approx(total, abs=1e-3)


def test_steering_only_what_is_generated_leaves_the_first_answer_token_alone(subject):
    steer = SteeringVector(VECTOR, 1, 2.0, positions="generated")
    one, two = ["lives"] * 4, ["lives in"] * 4
    score = steering.continuation_logprobs
    torch.testing.assert_close(score(subject, PROMPTS, one, steer), score(subject, PROMPTS, one))
    change = score(subject, PROMPTS, two, steer) - score(subject, PROMPTS, two)
    assert (change.abs() > 1e-3).all()


def test_operations_do_what_their_formulas_say():
    resid = torch.randn(5, D_MODEL, generator=torch.Generator().manual_seed(0))
    u = steering.unit(VECTOR)
    torch.testing.assert_close(SteeringVector(VECTOR, 0, 2.0).apply(resid), resid + 2 * VECTOR)
    gone = SteeringVector(VECTOR, 0, 1.0, "ablate").apply(resid)
    torch.testing.assert_close(gone @ u, torch.zeros(5), atol=1e-5, rtol=0)
    clamped = SteeringVector(VECTOR, 0, -3.0, "clamp").apply(resid)
    torch.testing.assert_close(clamped @ u, torch.full((5,), -3.0))
    torch.testing.assert_close(clamped + 3.0 * u, gone)


def test_a_contrastive_vector_is_the_mean_of_the_paired_differences():
    positive, negative = torch.randn(6, 4), torch.randn(6, 4)
    expected = torch.stack([p - n for p, n in zip(positive, negative, strict=True)]).mean(0)
    torch.testing.assert_close(steering.contrastive_vector(positive, negative), expected)
    torch.testing.assert_close(
        steering.diff_of_means(positive, negative[:2]), positive.mean(0) - negative[:2].mean(0)
    )


def propensities(slopes, coeffs=(-1.0, 0.0, 2.0)):
    rows = [(i, c, 0.5 + s * c) for i, s in enumerate(slopes) for c in coeffs]
    return pd.DataFrame(rows, columns=["item", "coeff", "propensity"])


def test_steerability_is_the_mean_of_the_items_slopes():
    frame = propensities([2.0, -1.0, 0.5]).sample(frac=1, random_state=0)
    assert steering.item_slopes(frame).tolist() == pytest.approx([2.0, -1.0, 0.5])
    assert steering.steerability(frame) == pytest.approx(0.5)


def test_a_propensity_frame_measures_log_odds_at_every_coefficient(subject):
    yes, no = [[20], [21, 22], [20], [23]], [[21], [20], [22], [20, 21]]
    vector = SteeringVector(VECTOR, 1, positions="last")
    frame = steering.propensity_frame(subject, PROMPTS, yes, no, vector, [-1, 0, 1])
    assert frame["item"].tolist() == [i for i in range(4) for _ in range(3)]
    p = next_token_logprobs(subject, PROMPTS).exp()[1]
    expected = float(torch.log((p[21] + p[22]) / p[20]))
    got = frame.query("item == 1 and coeff == 0")["propensity"].item()
    assert got == pytest.approx(expected, abs=1e-4)
    assert abs(steering.steerability(frame)) > 0


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (propensities([1.0]).drop(columns="coeff"), "lacks coeff"),
        (propensities([1.0]).iloc[:0], "empty"),
        (propensities([1.0, 2.0]).iloc[:-1], "exactly once"),
        (propensities([1.0], coeffs=(1.0,)), "at least two coefficients"),
        (propensities([np.nan]), "not finite"),
    ],
)
def test_a_propensity_frame_with_gaps_is_refused(frame, message):
    with pytest.raises(ValueError, match=message):
        steering.steerability(frame)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s, v: SteeringVector(v, 1, operation="push"), "unknown operation 'push'"),
        (lambda s, v: SteeringVector(v, 1, positions="some"), "unknown positions 'some'"),
        (lambda s, v: SteeringVector(v[None], 1), r"\(1, 32\)"),
        (lambda s, v: SteeringVector(v * torch.nan, 1), "finite vector"),
        (lambda s, v: SteeringVector(v, 1, float("inf")), "coeff inf"),
        (lambda s, v: SteeringVector(0 * v, 1, operation="clamp"), "has no direction"),
        (lambda s, v: next_token_logprobs(s, PROMPTS, SteeringVector(v, 3)), "layers 0 to 2"),
        (lambda s, v: next_token_logprobs(s, PROMPTS, SteeringVector(v[:5], 1)), "width 5"),
        (lambda s, v: next_token_logprobs(s, PROMPTS, [None]), "1 steering vectors for 4"),
        (lambda s, v: next_token_logprobs(s, []), "non-empty"),
        (
            lambda s, v: next_token_logprobs(
                s, PROMPTS, SteeringVector(v, 1, positions="generated")
            ),
            "steers nothing here",
        ),
        (
            lambda s, v: next_token_logprobs(
                s, PROMPTS[:2], [SteeringVector(v, 1), SteeringVector(v, 2)]
            ),
            "share layer",
        ),
        (lambda s, v: generate(s, PROMPTS, 3), "needs a seed"),
        (lambda s, v: generate(s, PROMPTS, 3, seed=0, temperature=-1), "temperature -1"),
        (lambda s, v: generate(s, PROMPTS, 0, seed=0), "max_new_tokens 0"),
        (lambda s, v: generate(s, PROMPTS, 300, seed=0), "takes 256"),
        (lambda s, v: generate(s, PROMPTS, 3, seed=0, row_ids=[1]), "1 row ids for 4"),
        (lambda s, v: steering.continuation_logprobs(s, PROMPTS, ["a"]), "4 prompts for 1"),
        (lambda s, v: steering.contrastive_vector(v[None], v.repeat(2, 1)), "use diff_of_means"),
        (lambda s, v: steering.diff_of_means(v[None][:0], v[None]), "positive group"),
        (lambda s, v: steering.log_odds(v[None], [[1]], [[1]]), "empty or overlap"),
    ],
)
def test_input_that_makes_no_sense_is_refused_by_name(tiny_subjects, call, message):
    with pytest.raises(ValueError, match=message):
        call(tiny_subjects["gemma2"], VECTOR)
