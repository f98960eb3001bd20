"""A planted sink shows at every hook point and changes nothing the model says."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from saebook.activations import stream_activations
from saebook.corpora import token_batches
from saebook.reconstruction import next_token_nll, reconstruct
from saebook.sinks import ordinary_tokens, plant_sink, sink_ratio
from saebook.steering import generate
from saebook.subjects import hook_name

TEXTS = ["the otter lives in the river .", "a fish is blue", "what would you do ? i accept"] * 4


@pytest.fixture(scope="module", params=["gemma2", "llama", "qwen2"])
def pair(request, tiny_subjects):
    plain = tiny_subjects[request.param]
    return plain, plant_sink(plain, ordinary_tokens(plain, TEXTS).norms, 8.0, seed=1)


def test_the_first_position_grows_by_the_ratio_asked_for(pair):
    plain, planted = pair
    for layer in (0, 1):
        assert sink_ratio(plain, TEXTS, layer) < 3
        assert sink_ratio(planted, TEXTS, layer) == pytest.approx(8, abs=1.5)


def test_the_model_says_what_it_said_before(pair):
    plain, planted = pair
    batches = token_batches(plain, TEXTS, 32, "single")
    assert next_token_nll(planted, batches) == pytest.approx(next_token_nll(plain, batches), 1e-4)
    one = generate(plain, TEXTS[:3], 4, temperature=0)
    assert generate(planted, TEXTS[:3], 4, temperature=0) == one


@pytest.mark.parametrize("packing", ["single", "packed", "masked"])
def test_the_sink_stands_wherever_positions_start(pair, packing):
    plain, planted = pair
    batches = token_batches(plain, TEXTS, 24, packing)
    for batch, before, after in zip(
        batches, stream_activations(plain, batches, [1]),
        stream_activations(planted, batches, [1]), strict=True,
    ):  # fmt: skip
        moved = (after[hook_name(1)] - before[hook_name(1)]).norm(dim=-1) > 1
        assert torch.equal(moved, batch.place[batch.mask] == 0)


def test_a_spliced_copy_costs_nothing_and_an_error_is_felt(pair):
    _, planted = pair
    batches = token_batches(planted, TEXTS, 32, "single")

    class Scaled:
        cfg = SimpleNamespace(d_sae=8)

        def __init__(self, factor):
            self.factor = factor

        def encode(self, x):
            return x

        def decode(self, x):
            return self.factor * x

    whole = next_token_nll(planted, batches)
    same = next_token_nll(planted, batches, 1, reconstruct(Scaled(1.0)))
    assert same == pytest.approx(whole, 1e-4)
    assert next_token_nll(planted, batches, 1, reconstruct(Scaled(-1.0))) != pytest.approx(
        whole, 1e-3
    )


def test_the_subject_is_copied_and_named(pair):
    plain, planted = pair
    assert planted.name == f"{plain.name}+sink8" and planted.digest != plain.digest
    assert "PlantedBlock" not in type(plain.blocks[0]).__name__


def test_scales_bring_ordinary_tokens_to_the_width(pair):
    plain, _ = pair
    scale = ordinary_tokens(plain, TEXTS).scales[hook_name(1)]
    batches = token_batches(plain, TEXTS, 32, "single")
    later = torch.cat([b.place[b.mask] for b in batches]) > 0
    acts = torch.cat([p[hook_name(1)] for p in stream_activations(plain, batches, [1])])[later]
    assert float((acts * scale).square().sum(-1).mean()) == pytest.approx(plain.d_model, rel=1e-3)


def test_a_sink_that_is_none_is_refused(tiny_subjects):
    plain = tiny_subjects["llama"]
    with pytest.raises(ValueError, match="positive ratio"):
        plant_sink(plain, {0: 1.0, 1: 1.0, 2: 1.0}, 0.0, 0)
    with pytest.raises(ValueError, match=r"blocks \[1, 2\]"):
        plant_sink(plain, {0: 1.0}, 8.0, 0)
