"""Every way of writing one SAE down gives the same codes: live, saved, folded, batched, halved."""

from __future__ import annotations

import copy

import pytest
import torch
from safetensors.torch import load_file

from saebook.reconstruction import fvu_pooled, l0
from saebook.zoo import ARCHITECTURES
from saebook.zoo.calibrate import threshold_for_l0
from saebook.zoo.files import load_sae, save_sae

INDEPENDENT = [a for a in ARCHITECTURES if a != "batchtopk"]
BOTH = pytest.mark.parametrize("subtract", [False, True])


def _agree(a, b, tolerance=1e-4):
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


@BOTH
@pytest.mark.parametrize("architecture", INDEPENDENT)
def test_the_live_form_and_the_inference_form_agree(trained, data, architecture, subtract):
    live, saved = trained(architecture, subtract)
    x = data.holdout[:300]
    with torch.no_grad():
        _agree(live(x), saved(x), 1e-3)
        active = live.encode(x) > 0
    assert ((saved.encode(x) > 0) == active).float().mean() > 0.9999


@BOTH
def test_batchtopk_and_its_jumprelu_form_agree_at_the_calibrated_threshold(trained, data, subtract):
    live, saved = trained("batchtopk", subtract)
    x = data.train / data.scale
    with torch.no_grad():
        codes, hidden_pre = live.encode_with_hidden_pre(x)
        kept = hidden_pre * (hidden_pre > live.topk_threshold)
    assert saved.cfg.architecture() == "jumprelu"
    _agree(kept, saved.encode(x), 1e-3)
    same = ((saved.encode(x) > 0) == (codes > 0)).float().mean()
    assert same > 0.999
    assert l0(saved.encode(x)) == pytest.approx(live.cfg.k, rel=0.01)


@BOTH
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_batch_and_one_token_at_a_time_agree(trained, data, architecture, subtract):
    _, saved = trained(architecture, subtract)
    x = data.holdout[:40]
    one_by_one = torch.cat([saved.encode(row[None]) for row in x])
    _agree(saved.encode(x), one_by_one)
    _agree(saved.encode(x[None])[0], one_by_one)


@BOTH
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_folding_the_decoder_norms_changes_no_reconstruction(
    trained, data, architecture, subtract, tmp_path
):
    live, saved = trained(architecture, subtract)
    live.save_inference_model(tmp_path)
    unfolded = load_sae(tmp_path)
    x = data.holdout[:300]
    _agree(unfolded(x), saved(x), 1e-3)
    torch.testing.assert_close(saved.W_dec.norm(dim=-1), torch.ones(saved.cfg.d_sae))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_saved_float32_sae_comes_back_bit_for_bit(trained, architecture, tmp_path):
    _, saved = trained(architecture)
    save_sae(saved, tmp_path)
    again = load_sae(tmp_path)
    assert type(again) is type(saved)
    for name, value in saved.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_float16_files_reconstruct_as_float32_does(trained, data, architecture, tmp_path):
    _, saved = trained(architecture)
    save_sae(saved, tmp_path, "float16")
    half = load_sae(tmp_path)
    x = data.holdout
    assert half.W_enc.dtype == torch.float32
    assert ((half.encode(x) > 0) != (saved.encode(x) > 0)).float().mean() < 2e-3
    assert fvu_pooled(x, half(x)) == pytest.approx(fvu_pooled(x, saved(x)), abs=2e-3)
    stored = load_file(tmp_path / "sae_weights.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.float16}


def test_weights_too_large_for_float16_are_refused(trained, tmp_path):
    sae = copy.deepcopy(trained("topk")[1])
    sae.b_dec.data[0] = 1e6
    with pytest.raises(ValueError, match="b_dec does not fit into float16"):
        save_sae(sae, tmp_path, "float16")


@BOTH
def test_jumprelu_follows_its_formula_written_out_slowly(trained, data, subtract):
    _, sae = trained("jumprelu", subtract)
    x = data.holdout[:5].double()
    w_enc, w_dec = sae.W_enc.double(), sae.W_dec.double()
    b_enc, b_dec, threshold = sae.b_enc.double(), sae.b_dec.double(), sae.threshold.double()
    for row in x:
        centred = [row[d] - (b_dec[d] if subtract else 0.0) for d in range(len(row))]
        recon = b_dec.clone()
        for j in range(sae.cfg.d_sae):
            pre = sum(centred[d] * w_enc[d, j] for d in range(len(row))) + b_enc[j]
            code = float(pre) if pre > threshold[j] and pre > 0 else 0.0
            assert float(sae.encode(row.float()[None])[0, j]) == pytest.approx(code, abs=1e-3)
            recon += code * w_dec[j]
        _agree(sae(row.float()[None])[0].double(), recon, 1e-3)


def test_the_threshold_lets_through_exactly_the_asked_for_number():
    generator = torch.Generator().manual_seed(0)
    hidden_pre = torch.randn(200, 30, generator=generator)
    threshold = threshold_for_l0(hidden_pre, 4.0)
    assert int((hidden_pre > threshold).sum()) == 800


@pytest.mark.parametrize("target", [0.0, 30.0])
def test_a_threshold_for_an_impossible_l0_is_refused(target):
    with pytest.raises(ValueError, match="between 0 and d_sae 30"):
        threshold_for_l0(torch.ones(10, 30), target)
