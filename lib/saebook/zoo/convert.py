"""Between a TopK SAE and its JumpReLU form of one threshold (He et al. 2024, post-processing)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from saebook.zoo.calibrate import CALIBRATION_TOKENS, threshold_for_l0


@torch.no_grad()
def to_jumprelu(sae: Any, acts: Tensor, threshold: float | None = None) -> Any:
    """Give every latent of a TopK SAE the one threshold at which its L0 is k on average.

    Args:
        sae: sae-lens TopK SAE in inference form with decoder rows of unit norm.
        acts: Raw activations [n, d_in] to set the threshold on, `CALIBRATION_TOKENS` of them,
            evenly spaced.
        threshold: Use this one instead, as a control does.

    Returns:
        sae-lens JumpReLUSAE with the same weights.

    Raises:
        ValueError: not a TopK SAE, or decoder rows that are not of unit norm, for then a latent's
            rank and its pre-activation differ.
    """
    from sae_lens.saes.jumprelu_sae import JumpReLUSAE, JumpReLUSAEConfig

    if sae.cfg.architecture() != "topk":
        raise ValueError(f"only a TopK SAE is turned into JumpReLU, not {sae.cfg.architecture()!r}")
    _check_unit_decoder(sae)
    if threshold is None:
        threshold = topk_threshold(sae, acts)
    fields = {"d_in": sae.cfg.d_in, "d_sae": sae.cfg.d_sae, "dtype": sae.cfg.dtype}
    config = JumpReLUSAEConfig(**fields, apply_b_dec_to_input=sae.cfg.apply_b_dec_to_input)
    converted = JumpReLUSAE(config)
    state = {name: value.clone() for name, value in sae.state_dict().items()}
    converted.load_state_dict(state | {"threshold": torch.full((sae.cfg.d_sae,), threshold)})
    return converted.eval().requires_grad_(False)


def to_topk(sae: Any, k: int) -> Any:
    """Let the k largest pre-activations of a JumpReLU SAE pass in place of those over a threshold.

    The way back: published SAEs come in JumpReLU form, with the weights of the TopK SAE they were.

    Args:
        sae: sae-lens JumpReLU SAE in inference form with decoder rows of unit norm.
        k: Latents a token.

    Returns:
        sae-lens TopKSAE with the same weights.

    Raises:
        ValueError: not a JumpReLU SAE, a k that is not between 1 and d_sae, or decoder rows that
            are not of unit norm.
    """
    from sae_lens.saes.topk_sae import TopKSAE, TopKSAEConfig

    if sae.cfg.architecture() != "jumprelu":
        raise ValueError(f"only a JumpReLU SAE is turned into TopK, not {sae.cfg.architecture()!r}")
    if not 1 <= k <= sae.cfg.d_sae:
        raise ValueError(f"k is {k}; the SAE has {sae.cfg.d_sae} latents")
    _check_unit_decoder(sae)
    fields = {"d_in": sae.cfg.d_in, "d_sae": sae.cfg.d_sae, "dtype": sae.cfg.dtype, "k": k}
    config = TopKSAEConfig(**fields, device=sae.cfg.device,
                           apply_b_dec_to_input=sae.cfg.apply_b_dec_to_input)  # fmt: skip
    ranked = TopKSAE(config)
    state = {name: v.clone() for name, v in sae.state_dict().items() if name != "threshold"}
    ranked.load_state_dict(state)
    return ranked.eval().requires_grad_(False)


def _check_unit_decoder(sae: Any) -> None:
    norms = sae.W_dec.norm(dim=-1)
    if not torch.allclose(norms, torch.ones_like(norms), atol=1e-3):
        raise ValueError(
            f"decoder rows have norms from {float(norms.min()):.3g} to {float(norms.max()):.3g}; "
            "fold them into the encoder first (fold_W_dec_norm)"
        )


def topk_threshold(sae: Any, acts: Tensor) -> float:
    """The pre-activation that k latents a token exceed on average over `acts` [n, d_in]."""
    stride = max(1, len(acts) // CALIBRATION_TOKENS)
    x = acts[::stride] - sae.b_dec * sae.cfg.apply_b_dec_to_input
    return threshold_for_l0(x @ sae.W_enc + sae.b_enc, sae.cfg.k)
