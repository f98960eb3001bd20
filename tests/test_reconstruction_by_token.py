"""Tokens in parts, and errors token by token, against the formulas of the whole."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
import torch

from saebook.reconstruction import errors_of, fvu_pooled, l0, rebuilt, token_errors


def _tiny_sae() -> Any:
    from sae_lens.saes.topk_sae import TopKSAE, TopKSAEConfig

    sae = TopKSAE(TopKSAEConfig(d_in=8, d_sae=24, k=3))
    generator = torch.Generator().manual_seed(0)
    decoder = torch.nn.functional.normalize(torch.randn(24, 8, generator=generator), dim=-1)
    sae.load_state_dict({"W_enc": decoder.T.contiguous(), "W_dec": decoder,
                         "b_enc": torch.zeros(24), "b_dec": torch.zeros(8)})  # fmt: skip
    return sae.eval().requires_grad_(False)


def test_tokens_in_parts_are_rebuilt_as_they_are_together():
    sae, x = _tiny_sae(), torch.randn(50, 8, generator=torch.Generator().manual_seed(1))
    whole, parts = rebuilt(sae, x), rebuilt(sae, x, most_codes=7 * sae.cfg.d_sae)
    codes = sae.encode(x)
    assert torch.allclose(parts.recon, sae.decode(codes), atol=1e-5)
    assert torch.equal(parts.active, whole.active)
    assert torch.equal(whole.active, (codes > 0).sum(-1))


def test_token_errors_sum_to_the_pooled_unexplained_variance_and_to_l0():
    sae, x = _tiny_sae(), torch.randn(50, 8, generator=torch.Generator().manual_seed(1))
    table = token_errors(sae, x, most_codes=7 * sae.cfg.d_sae)
    pd.testing.assert_frame_equal(table, errors_of(x, rebuilt(sae, x)), rtol=1e-4)
    sums = table.sum()
    assert sums["error"] / sums["spread"] == pytest.approx(fvu_pooled(x, sae(x)), rel=1e-5)
    assert sums["active"] / 50 == pytest.approx(l0(sae.encode(x)))
