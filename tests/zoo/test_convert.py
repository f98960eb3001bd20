"""TopK into JumpReLU: one threshold, the same weights, the wanted L0; and fixed scales."""

from __future__ import annotations

import pytest
import torch
from synthetic import HOOK, SyntheticSource, small_spec

from saebook.reconstruction import fvu_pooled, l0
from saebook.zoo import HouseSource
from saebook.zoo.convert import to_jumprelu, to_topk, topk_threshold
from saebook.zoo.harvest import harvest
from saebook.zoo.recipes import recipe_of
from saebook.zoo.train import build_training_sae, fit, to_inference


@pytest.fixture(scope="module")
def topk(data):
    return to_inference(fit(small_spec(recipe="1-llama-scope", n_tokens=20_000, epochs=4), data))


def test_the_converted_sae_keeps_l0_and_the_codes_it_shares(topk, data):
    raw = data.train / data.scale
    converted, x = to_jumprelu(topk, raw), data.holdout
    assert converted.cfg.architecture() == "jumprelu"
    assert l0(converted.encode(x)) == pytest.approx(3, rel=0.1)
    before, after = topk.encode(x), converted.encode(x)
    both = (before > 0) & (after > 0)
    torch.testing.assert_close(before[both], after[both])
    same = ((before > 0) == (after > 0)).all(-1)
    torch.testing.assert_close(converted(x)[same], topk(x)[same])
    assert same.float().mean() > 0.1
    assert fvu_pooled(x, topk(x)) <= fvu_pooled(x, converted(x)) < 1


def test_the_threshold_is_the_one_that_k_latents_exceed(topk, data):
    raw = (data.train / data.scale)[:2000]
    threshold = topk_threshold(topk, raw)
    pre = raw @ topk.W_enc + topk.b_enc
    assert float((pre > threshold).sum(-1).double().mean()) == pytest.approx(3, abs=0.002)
    assert float(to_jumprelu(topk, raw, threshold=9.0).threshold.unique()) == 9.0


def test_another_architecture_and_loose_decoder_rows_are_refused(topk, trained, data):
    with pytest.raises(ValueError, match="not 'jumprelu'"):
        to_jumprelu(trained("jumprelu")[1], data.holdout)
    loose = to_inference(fit(small_spec(recipe="1-topk-without-decoder-norm"), data))
    with pytest.raises(ValueError, match="fold them into the encoder"):
        to_jumprelu(loose, data.holdout)


def test_a_converted_sae_comes_back_as_it_was(topk, data):
    raw = data.train / data.scale
    again = to_topk(to_jumprelu(topk, raw), topk.cfg.k)
    torch.testing.assert_close(again(data.holdout), topk(data.holdout))
    assert l0(again.encode(data.holdout)) == topk.cfg.k


def test_only_a_jumprelu_sae_comes_back_and_with_a_k_that_it_has(topk, data):
    with pytest.raises(ValueError, match="only a JumpReLU SAE is turned into TopK, not 'topk'"):
        to_topk(topk, 3)
    converted = to_jumprelu(topk, data.holdout)
    with pytest.raises(ValueError, match=r"k is 0; the SAE has \d+ latents"):
        to_topk(converted, 0)


def test_llama_scope_s_recipe_has_no_auxiliary_loss_and_ranks_by_decoder_norm():
    spec = small_spec(recipe="1-llama-scope")
    sae = build_training_sae(spec, 16)
    assert sae.cfg.aux_loss_coefficient == 0 and sae.cfg.rescale_acts_by_decoder_norm
    assert sae.cfg.k_anneal_steps > 0 and recipe_of(spec).decay_share == 0.2


def test_a_fixed_coefficient_stays_where_it_was_put(data):
    sae = fit(small_spec(architecture="standard", recipe="1-fixed-coefficient"), data)
    assert sae.coefficient == pytest.approx(0.8)


def test_a_given_factor_replaces_the_harvest_s_own():
    made = harvest(SyntheticSource().stream(small_spec().stream, [HOOK]), [HOOK], 600, {HOOK: 0.25})
    own = harvest(SyntheticSource().stream(small_spec().stream, [HOOK]), [HOOK], 600)
    assert made[HOOK].scale == 0.25 != own[HOOK].scale
    torch.testing.assert_close(made[HOOK].train / 0.25, own[HOOK].train / own[HOOK].scale)


def test_a_source_with_factors_names_other_artifacts(tiny_subjects):
    subject = tiny_subjects["llama"]
    plain = HouseSource({"tiny": subject})
    scaled = HouseSource({"tiny": subject}, scales={"tiny": {HOOK: 0.5}})
    assert plain.input_scale("tiny", HOOK) is None and scaled.input_scale("tiny", HOOK) == 0.5
    assert plain.subject_digest("tiny") != scaled.subject_digest("tiny")
