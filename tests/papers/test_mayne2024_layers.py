"""Steering at every layer, the sweep behind it, and true signs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from saebook.papers.mayne2024 import layers, truth
from saebook.papers.mayne2024.arms import Arm
from saebook.papers.mayne2024.construction import build_construction
from saebook.papers.mayne2024.effects import slopes
from saebook.papers.mayne2024.parameters import Parameters
from saebook.papers.mayne2024.sources import WorldSource
from saebook.papers.mayne2024.steerability import RANDOM, VECTOR, steer
from saebook.papers.mayne2024.vectors import contrasts_by_layer
from saebook.steering import SteeringVector, last_token_sweep, next_token_logprobs
from saebook.subjects import Subject
from saebook.testbed import HOUSE_MODELS, free_prompts, load_world

FAMILIES = ("gemma2-base", "llama-base", "qwen2-base")


@pytest.fixture(scope="module")
def world():
    return load_world()


@pytest.fixture(scope="module", params=FAMILIES)
def subject(request, world) -> Subject:
    return _untrained(request.param, world)


@pytest.fixture(scope="module")
def house(world) -> Subject:
    return _untrained("gemma2-base", world)


def _untrained(name: str, world) -> Subject:
    from saebook.testbed.house import build_model
    from saebook.testbed.tokenizers import build_tokenizer

    spec = HOUSE_MODELS[name]
    model = build_model(spec, world).eval()
    return Subject.from_model(model, build_tokenizer(world, spec.family), name=name)


def test_a_sweep_equals_steering_the_last_token_one_pass_at_a_time(subject, world):
    prompts = free_prompts(world, "refusal", 5, 1)
    shifts = {
        layer: torch.randn(3, subject.d_model, generator=torch.Generator().manual_seed(layer))
        for layer in (0, 3, 5)
    }
    swept = last_token_sweep(subject, prompts, shifts)
    plain = next_token_logprobs(subject, prompts)
    for layer, own in shifts.items():
        assert swept[layer].shape[:2] == (5, 3)
        for j, vector in enumerate(own):
            steering = SteeringVector(vector, layer, 1.0, positions="last")
            slow = next_token_logprobs(subject, prompts, steering)
            assert torch.allclose(swept[layer][:, j], slow, atol=1e-4)
            assert not torch.allclose(slow, plain, atol=1e-2)


def test_a_sweep_refuses_what_it_cannot_steer(house, world):
    prompts = free_prompts(world, "refusal", 2, 1)
    with pytest.raises(ValueError, match="layer 9"):
        last_token_sweep(house, prompts, {9: torch.zeros(1, house.d_model)})
    with pytest.raises(ValueError, match="no shifts"):
        last_token_sweep(house, prompts, {})
    with pytest.raises(ValueError, match=r"not \[n >= 1, 96\]"):
        last_token_sweep(house, prompts, {1: torch.zeros(house.d_model)})


def test_one_pass_reads_every_layer_as_single_readings_do(house, world):
    read = contrasts_by_layer(house, WorldSource(world), "refusal", range(6), 4, 0)
    for layer in (0, 3, 5):
        alone = contrasts_by_layer(house, WorldSource(world), "refusal", [layer], 4, 0)[layer]
        assert torch.allclose(read[layer].vector, alone.vector, atol=1e-5)


def test_every_layer_is_steered_by_vector_and_random_direction(house, world):
    config = Parameters(n_pairs=8, n_prompts=4)
    frame = layers.steer_layers(house, WorldSource(world), ["refusal", "sycophancy"], config)
    assert len(frame) == 2 * 6 * 2 * 4
    assert set(frame["vector"]) == {VECTOR, RANDOM}


def test_the_slope_over_more_coefficients_is_the_least_squares_one(house, world):
    source, coeffs = WorldSource(world), (-1.5, -0.5, 0.5, 1.5)
    config = Parameters(n_pairs=8, n_prompts=4)
    fitted = layers.steer_layers(house, source, ["refusal"], config, coeffs)
    own = fitted[(fitted["vector"] == VECTOR) & (fitted["layer"] == 2)]["slope"]
    vector = contrasts_by_layer(house, source, "refusal", [2], 8, 0)[2].vector
    items = source.items(house, "refusal", "free", 4, 1)
    slow = slopes(steer(house, items, {VECTOR: vector}, 2, coeffs)).loc[("refusal", "free", VECTOR)]
    assert np.allclose(own, slow, atol=1e-4)


def _slopes(best: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        (vector, layer, behaviour, size * (2.0 if layer == best else 1.0) + rng.normal(0, 0.05))
        for vector, size in ((VECTOR, 1.0), (RANDOM, 0.02))
        for behaviour in ("a", "b")
        for layer in range(6)
        for _ in range(20)
    ]
    return pd.DataFrame(rows, columns=["vector", "layer", "behaviour", "slope"])


def test_the_best_layer_is_found_and_random_directions_stay_behind():
    row = layers.best_layer_row(_slopes(4), Parameters(n_resamples=100))
    assert (row["estimate"], row["low"], row["high"]) == (4, 4, 4)
    assert row["controls"]["steerability_of_a_random_direction_over_the_vector"] < 0.1
    assert row["detail"]["best_by_behaviour"] == {"a": 4, "b": 4}
    table = layers.layer_frame(_slopes(4), 100, 0)
    assert (table["low"] <= table["estimate"]).all() and len(table) == 12


def test_letters_of_documents_are_read_where_the_persona_answers(house, world):
    sides = truth.letter_activations(house, world, 1, 30, 0)
    assert set(sides) == set(world.behaviours)
    total = sum(len(side) for both in sides.values() for side in both)
    texts = world.sample("behaviours", 30, truth.TRUTH_SEED)
    letters = sum(truth.LETTER in held for text in texts for held in text.concepts)
    assert total == letters > 30
    assert all(side.shape[1] == house.d_model for both in sides.values() for side in both)


def test_a_difference_below_three_standard_errors_has_no_sign():
    made = build_construction(0)
    arm = Arm("made up", made.sae, made.text, {"made up": made.contrast})
    found = truth.true_differences(arm, (made.contrast.positive, made.contrast.negative))
    assert (found[list(made.up)] > 0).all() and (found[list(made.down)] < 0).all()
    same = truth.true_differences(arm, (made.text[:300], made.text[300:600]))
    assert (same != 0).float().mean() < 0.02
    with pytest.raises(ValueError, match="at least two a side"):
        truth.true_differences(arm, (made.text[:1], made.text[:5]))
