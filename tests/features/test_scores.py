"""Scores of latents against closed forms, plain steering and a loop over latents."""

from __future__ import annotations

import copy
import math
from types import SimpleNamespace

import pytest
import torch

from saebook import features
from saebook.features.scores import confidence_bounds
from saebook.steering import SteeringVector, next_token_logprobs
from saebook.subjects import Subject

TEXT = "the otter lives in"


def test_a_batch_of_changes_equals_steering_the_last_position_one_at_a_time(subject: Subject):
    changes = torch.randn(5, subject.d_model, generator=torch.Generator().manual_seed(0))
    prefix = features.read_prefix(subject, TEXT, layer=1)
    fast = prefix.changed_logprobs(changes, batch_size=3)
    slow = torch.cat(
        [
            next_token_logprobs(subject, [TEXT], SteeringVector(c, 1, positions="last"))
            for c in changes
        ]
    )
    assert torch.allclose(fast, slow, atol=1e-4)
    assert torch.allclose(prefix.logprobs, next_token_logprobs(subject, [TEXT])[0], atol=1e-4)


def test_a_prefix_of_one_token_needs_no_cache(tiny_subjects: dict[str, Subject]):
    qwen = tiny_subjects["qwen2"]
    prefix = features.read_prefix(qwen, "otter", layer=2)
    assert prefix.past is None
    same = prefix.changed_logprobs(torch.zeros(2, qwen.d_model))
    assert torch.allclose(same, prefix.logprobs.expand(2, -1), atol=1e-5)


def test_changes_of_the_wrong_width_or_not_finite_are_refused(tiny_subjects: dict[str, Subject]):
    prefix = features.read_prefix(tiny_subjects["llama"], TEXT, layer=0)
    with pytest.raises(ValueError, match="shape"):
        prefix.changed_logprobs(torch.zeros(2, 3))
    broken = torch.zeros(2, 32)
    broken[1, 0] = math.nan
    with pytest.raises(ValueError, match="change 1"):
        prefix.changed_logprobs(broken)


def test_the_logit_lens_is_the_unembedding_of_the_normed_direction(subject: Subject):
    directions = torch.randn(4, subject.d_model, generator=torch.Generator().manual_seed(1))
    model = subject.model
    with torch.no_grad():
        by_hand = torch.stack([model.lm_head(model.model.norm(d)) for d in directions])  # type: ignore[operator]
    assert torch.allclose(features.logit_lens(subject, directions), by_hand, atol=1e-5)
    found = features.top_tokens(subject, directions, k=7)
    assert not set(found.flatten().tolist()) & subject.special_ids
    with pytest.raises(ValueError, match="k 10000"):
        features.top_tokens(subject, directions, k=10_000)


def test_token_confidence_matches_its_formula_and_its_bounds():
    base = torch.tensor([0.7, 0.2, 0.1]).log()
    changed = torch.tensor([[0.7, 0.2, 0.1], [0.9, 0.05, 0.05], [1 / 3] * 3]).log()
    delta = features.delta_token_confidence(changed, base, k=1)
    expected = torch.tensor([0.0, math.log(0.7 / 0.9), math.log(0.7 * 3)])
    assert torch.allclose(delta, expected, atol=1e-6)
    two = features.token_confidence(changed, k=2)
    assert float(two[0]) == pytest.approx(-(math.log(0.7) + math.log(0.2)) / 2, abs=1e-6)
    low, high = confidence_bounds(base)
    assert low <= float(delta.min()) and float(delta.max()) <= high + 1e-6


def test_more_tokens_than_the_vocabulary_are_refused():
    with pytest.raises(ValueError, match="vocabulary has 3"):
        features.token_confidence(torch.zeros(1, 3), k=4)


def test_the_output_score_has_both_forms():
    base = torch.tensor([0.6, 0.3, 0.1]).log()
    changed = torch.tensor([[0.1, 0.1, 0.8], [0.5, 0.4, 0.1]]).log()
    tokens = torch.tensor([[2, 1], [1, 2]])
    frame = features.output_score(changed, base, tokens)
    assert frame["intervened"].tolist() == pytest.approx([0.8, 0.4 * 2 / 3], abs=1e-6)
    start = 0.3 * 2 / 3
    assert frame["difference"].tolist() == pytest.approx([0.8 - start, 0.4 * 2 / 3 - start])


def test_the_input_score_is_the_share_of_peaks_in_the_lens():
    peaks = torch.tensor([[1, 2, 3, 4], [5, 5, 5, 6]])
    lens = torch.tensor([[1, 9], [5, 9]])
    assert features.input_score(peaks, lens).tolist() == [0.25, 0.75]
    with pytest.raises(ValueError, match="at least one text"):
        features.input_score(torch.zeros(2, 0, dtype=torch.long), lens)


def test_effect_sizes_of_no_change_are_zero_and_kl_of_a_sure_one_is_its_surprise():
    base = torch.full((4,), 0.25).log()
    sure = torch.tensor([1 - 3e-9, 1e-9, 1e-9, 1e-9]).log()
    frame = features.effect_sizes(torch.stack([base, sure]), base)
    assert frame["kl"].tolist() == pytest.approx([0.0, math.log(4)], abs=1e-5)
    assert frame["entropy_change"].tolist() == pytest.approx([0.0, -math.log(4)], abs=1e-5)


def test_kurtosis_is_zero_for_a_normal_lens_and_large_for_a_spike():
    normal = torch.randn(1, 200_000, generator=torch.Generator().manual_seed(2))
    spike = torch.zeros(1, 200_000)
    spike[0, 0] = 1.0
    found = features.lens_kurtosis(torch.cat([normal, spike]))
    assert abs(float(found[0])) < 0.1 and float(found[1]) > 1000
    with pytest.raises(ValueError, match="does not vary"):
        features.lens_kurtosis(torch.ones(1, 5))


def _latents() -> features.Latents:
    decoder = torch.eye(3)
    sae = SimpleNamespace(
        W_dec=decoder,
        b_dec=torch.tensor([0.5, 0.0, 0.0]),
        encode=lambda x: torch.tensor([[0.0, 2.0, 1.0]]),
    )
    return features.Latents.on(sae, torch.tensor([1.0, 1.0, 1.0]), torch.tensor([3.0, 4.0, 5.0]))


def test_the_four_readings_follow_their_formulas():
    latents = _latents()
    v1 = features.resid_changes(latents, "V1", 10)
    assert torch.equal(v1, 20 * torch.eye(3))
    v2 = features.resid_changes(latents, "V2", 10)
    assert torch.equal(v2, torch.diag(torch.tensor([0.0, 18.0, 9.0])))
    v3 = features.resid_changes(latents, "V3", 10)
    assert torch.equal(v3[1], torch.tensor([0.5, 20.0, 0.0]) - 1)
    v4 = features.resid_changes(latents, "V4", 10, chosen=torch.tensor([2]))
    assert torch.equal(v4, torch.tensor([[0.0, 0.0, 50.0]]))


def test_the_literal_reading_does_nothing_to_a_silent_latent():
    assert not features.resid_changes(_latents(), "V2", 10)[0].any()


def test_unknown_readings_and_weak_amplifications_are_refused():
    with pytest.raises(ValueError, match="V5"):
        features.resid_changes(_latents(), "V5", 10)
    with pytest.raises(ValueError, match="alpha is 0"):
        features.resid_changes(_latents(), "V1", 0)


def test_the_lens_of_a_model_in_half_precision_takes_directions_in_full(subject):
    half = copy.copy(subject)
    object.__setattr__(half, "model", copy.deepcopy(subject.model).bfloat16())
    rows = torch.randn(3, subject.d_model, generator=torch.Generator().manual_seed(0))
    found, whole = features.logit_lens(half, rows), features.logit_lens(subject, rows)
    assert found.dtype == torch.float32 and torch.allclose(found, whole, atol=0.1)
