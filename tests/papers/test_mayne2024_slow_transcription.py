"""sae-lens's JumpReLU maths and the contrastive vector, written out number by number."""

from __future__ import annotations

import pytest
import torch

from saebook.papers.mayne2024.gauge import JumpReLUWeights
from saebook.papers.mayne2024.vectors import Contrast

D_IN, D_SAE = 5, 7


def _published_form(subtract: bool):
    """A sae-lens JumpReLU SAE with drawn weights, as a published file is loaded."""
    from sae_lens.saes.jumprelu_sae import JumpReLUSAE, JumpReLUSAEConfig

    sae = JumpReLUSAE(JumpReLUSAEConfig(d_in=D_IN, d_sae=D_SAE, apply_b_dec_to_input=subtract))
    rng = torch.Generator().manual_seed(7)
    state = {k: torch.randn(v.shape, generator=rng) for k, v in sae.state_dict().items()}
    state["threshold"] = state["threshold"].abs()
    sae.load_state_dict(state)
    return sae.eval().requires_grad_(False)


def _by_hand(sae, a: list[float], subtract: bool) -> tuple[list[float], list[float]]:
    """Codes and reconstruction of one activation, one multiplication at a time."""
    shift = sae.b_dec.tolist() if subtract else [0.0] * D_IN
    W_enc, W_dec = sae.W_enc.tolist(), sae.W_dec.tolist()
    codes = []
    for j in range(D_SAE):
        pre = float(sae.b_enc[j])
        for i in range(D_IN):
            pre += (a[i] - shift[i]) * W_enc[i][j]
        codes.append(pre if pre > float(sae.threshold[j]) and pre > 0 else 0.0)
    recon = [
        float(sae.b_dec[i]) + sum(codes[j] * W_dec[j][i] for j in range(D_SAE)) for i in range(D_IN)
    ]
    return codes, recon


@pytest.mark.parametrize("subtract", [False, True])
def test_sae_lens_s_jumprelu_equals_the_formula_written_out(subtract: bool):
    sae = _published_form(subtract)
    acts = 2 * torch.randn(20, D_IN, generator=torch.Generator().manual_seed(1))
    codes, recon = sae.encode(acts), sae.decode(sae.encode(acts))
    assert (codes > 0).any() and (codes == 0).any()
    for a, code, back in zip(acts, codes, recon, strict=True):
        slow_code, slow_back = _by_hand(sae, a.tolist(), subtract)
        assert code.tolist() == pytest.approx(slow_code, abs=1e-5)
        assert back.tolist() == pytest.approx(slow_back, abs=1e-5)


def test_plain_tensors_equal_sae_lens_where_the_decoder_bias_stays_out():
    sae = _published_form(subtract=False)
    plain = JumpReLUWeights(sae.W_enc, sae.b_enc, sae.W_dec, sae.b_dec, sae.threshold)
    acts = 2 * torch.randn(50, D_IN, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(plain.encode(acts), sae.encode(acts), atol=1e-6)
    assert torch.allclose(plain.decode(sae.encode(acts)), sae.decode(sae.encode(acts)), atol=1e-6)


def test_an_activation_on_the_threshold_is_not_active():
    sae = _published_form(subtract=False)
    edge = sae.threshold.clone()
    bare = JumpReLUWeights(0 * sae.W_enc, edge, sae.W_dec, sae.b_dec, sae.threshold)
    assert not bare.encode(torch.zeros(1, D_IN)).any()


def test_the_zero_vector_s_code_is_the_bias_alone_only_without_subtraction():
    kept, taken = _published_form(subtract=False), _published_form(subtract=True)
    zero = torch.zeros(1, D_IN)
    expected = torch.relu(kept.b_enc) * (kept.b_enc > kept.threshold)
    assert torch.allclose(kept.encode(zero)[0], expected)
    assert not torch.allclose(taken.encode(zero)[0], expected)


def test_the_contrastive_vector_is_the_mean_of_differences_pair_by_pair():
    rng = torch.Generator().manual_seed(3)
    positive, negative = torch.randn(2, 6, D_IN, generator=rng)
    slow = [0.0] * D_IN
    for i in range(6):
        for d in range(D_IN):
            slow[d] += (float(positive[i, d]) - float(negative[i, d])) / 6
    assert Contrast("x", positive, negative).vector.tolist() == pytest.approx(slow, abs=1e-6)
