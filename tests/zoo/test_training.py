"""Training: what it reaches, what it depends on and what it does not."""

from __future__ import annotations

import pytest
import torch
from synthetic import D_IN, HOOK, SyntheticSource, small_spec, synthetic_activations

from saebook.reconstruction import fvu_pooled, l0
from saebook.zoo import ARCHITECTURES
from saebook.zoo.backend import SAE_TRAINING_CLASS_REGISTRY, L0Controlled
from saebook.zoo.harvest import Harvest, harvest, holdout_size, shuffled_batches
from saebook.zoo.recipes import recipe_of
from saebook.zoo.train import (
    batch_size_for,
    build_training_sae,
    fit,
    n_steps,
    to_inference,
    training_tokens,
)


def _weights(sae):
    return torch.cat([value.flatten() for value in sae.state_dict().values()])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_training_meets_the_target_l0_and_explains_the_activations(trained, data, architecture):
    _, sae = trained(architecture)
    x = data.holdout
    assert l0(sae.encode(x)) == pytest.approx(3, rel=0.2)
    # L1 shrinks every activation: at three latents a token little is left to explain with.
    assert fvu_pooled(x, sae(x)) < (0.95 if architecture == "standard" else 0.4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_same_spec_gives_the_same_weights(data, architecture):
    spec = small_spec(architecture=architecture)
    assert torch.equal(_weights(fit(spec, data)), _weights(fit(spec, data)))


def test_the_sae_seed_and_the_data_seed_are_separate(data):
    spec = small_spec()
    start = build_training_sae(spec, D_IN)
    other_data = build_training_sae(spec.model_copy(update={"data_seed": 1}), D_IN)
    other_seed = build_training_sae(spec.model_copy(update={"seed": 1}), D_IN)
    assert torch.equal(_weights(start), _weights(other_data))
    assert not torch.equal(_weights(start), _weights(other_seed))
    orders = [next(shuffled_batches(data.train, 8, seed)) for seed in (0, 0, 1)]
    assert torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])


def test_building_an_sae_leaves_the_global_random_state_alone():
    before = torch.random.get_rng_state()
    build_training_sae(small_spec(), D_IN)
    assert torch.equal(before, torch.random.get_rng_state())


def test_training_leaves_the_shared_activations_unchanged(data):
    before = data.train.clone()
    fit(small_spec(architecture="jumprelu"), data)
    assert torch.equal(before, data.train)


def test_an_epoch_deals_every_token_once():
    tokens = torch.arange(12.0)[:, None]
    batches = shuffled_batches(tokens, 4, seed=0)
    first = torch.cat([next(batches) for _ in range(3)]).flatten()
    second = torch.cat([next(batches) for _ in range(3)]).flatten()
    assert first.sort().values.tolist() == second.sort().values.tolist() == list(range(12))
    assert first.tolist() != second.tolist()


def test_k_annealing_starts_wide_and_ends_at_k(data):
    spec = small_spec(recipe="1-k-annealed", n_tokens=20_000, epochs=2)
    sae = fit(spec, data)
    assert sae.activation_fn.k == 3
    assert l0(to_inference(sae).encode(data.holdout)) <= 3


def test_topk_without_decoder_norms_keeps_its_decoder_rows(data):
    spec = small_spec(recipe="1-topk-without-decoder-norm")
    live = fit(spec, data)
    saved = to_inference(live)
    torch.testing.assert_close(saved.W_dec, live.W_dec)
    with torch.no_grad():
        torch.testing.assert_close(saved(data.holdout), live(data.holdout))


def test_the_l1_recipes_differ(data):
    weighted = fit(small_spec(architecture="standard"), data)
    plain = fit(small_spec(architecture="standard", recipe="1-l1-unweighted"), data)
    assert not torch.equal(_weights(weighted), _weights(plain))


def test_own_training_classes_are_registered_with_sae_lens():
    own = {name for name in SAE_TRAINING_CLASS_REGISTRY if name.startswith("saebook_")}
    assert own == {
        "saebook_standard", "saebook_gated", "saebook_jumprelu", "saebook_topk_annealed",
    }  # fmt: skip


def test_the_wanted_l0_falls_geometrically_to_its_target():
    sae = build_training_sae(small_spec(architecture="standard", epochs=20), D_IN)
    assert isinstance(sae, L0Controlled)
    steps = sae.cfg.l0_anneal_steps
    assert sae.wanted_l0(0) == 32
    assert sae.wanted_l0(steps // 2) == pytest.approx((32 * 3) ** 0.5, rel=0.1)
    assert sae.wanted_l0(steps) == sae.wanted_l0(10 * steps) == pytest.approx(3)


def test_steps_and_tokens_count_whole_batches():
    large = small_spec(n_tokens=500_000, epochs=2)
    assert n_steps(large, recipe_of(large)) == 2 * (500_000 // 256)
    assert training_tokens(large) == 2 * (500_000 // 256) * 256


def test_little_data_means_smaller_batches_not_too_few_steps():
    spec = small_spec(n_tokens=40_000, epochs=2)
    assert batch_size_for(spec, recipe_of(spec)) == 200
    assert n_steps(spec, recipe_of(spec)) == 400


def test_the_harvest_scales_training_tokens_and_keeps_the_holdout_raw():
    raw = synthetic_activations(2600, 5)
    made = Harvest.from_raw(raw.clone(), 2000)
    assert float(made.train.square().sum(-1).mean()) == pytest.approx(D_IN, rel=1e-5)
    torch.testing.assert_close(made.train / made.scale, raw[:2000])
    assert torch.equal(made.holdout, raw[2000:])


def test_the_harvest_reads_no_more_than_it_needs():
    read = []

    def stream():
        for batch in SyntheticSource().stream(small_spec().stream, [HOOK]):
            read.append(len(batch[HOOK]))
            yield batch

    harvest(stream(), [HOOK], 1000)
    assert sum(read) - 500 < 1000 + holdout_size(1000) <= sum(read)


def test_a_stream_that_ends_early_is_refused_with_both_counts():
    acts = synthetic_activations(700, 0)
    with pytest.raises(ValueError, match=r"700 tokens; 1,512 are needed"):
        harvest([{HOOK: acts}], [HOOK], 1000)


def test_a_missing_hook_is_named():
    with pytest.raises(ValueError, match=r"no hook 'blocks.9"):
        harvest([{HOOK: synthetic_activations(700, 0)}], ["blocks.9.hook_resid_post"], 1000)


@pytest.mark.parametrize(("bad", "says"), [(float("nan"), "NaN or infinity"), (0.0, "all zero")])
def test_bad_activations_are_refused(bad, says):
    with pytest.raises(ValueError, match=says):
        Harvest.from_raw(torch.full((20, 4), bad), 10)
