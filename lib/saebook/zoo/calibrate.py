"""Set BatchTopK's inference threshold from data instead of from the running average.

sae-lens keeps an exponential average with rate 0.01 that starts at zero: after n steps it has
covered 1 - 0.99^n of the way, so a short run would be saved with an L0 well above k.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from saebook.zoo.selection import largest

CALIBRATION_TOKENS = 16_384


@torch.no_grad()
def threshold_for_l0(hidden_pre: Tensor, target_l0: float) -> float:
    """Threshold above which `target_l0` pre-activations a token lie, on average.

    The midpoint between the n*L0-th largest positive entry and the next one.

    Args:
        hidden_pre: pre-activations [n, d_sae].
        target_l0: latents wanted per token.

    Raises:
        ValueError: target_l0 is not between 0 and d_sae.
    """
    n, d_sae = hidden_pre.shape
    kept = round(target_l0 * n)
    if not 0 < kept < n * d_sae:
        raise ValueError(f"target L0 {target_l0:g} must lie between 0 and d_sae {d_sae}")
    positive = hidden_pre.relu().view(1, -1)
    above = positive.gather(1, largest(positive, kept + 1))
    return float(above.topk(2, largest=False).values.double().mean())


@torch.no_grad()
def calibrate_batchtopk(sae: Any, acts: Tensor) -> float:
    """Set `topk_threshold` of a trained BatchTopK SAE so that its L0 on `acts` equals k.

    Args:
        sae: sae-lens BatchTopKTrainingSAE.
        acts: activations [n, d_in] on the scale it was trained on; `CALIBRATION_TOKENS` of them,
            evenly spaced, are used.

    Returns:
        The threshold.
    """
    stride = max(1, len(acts) // CALIBRATION_TOKENS)
    x = sae.process_sae_in(acts[::stride].to(sae.W_enc.device))
    hidden_pre = x @ sae.W_enc + sae.b_enc  # as sae-lens encodes, without its costly selection
    if sae.cfg.rescale_acts_by_decoder_norm:
        hidden_pre = hidden_pre * sae.W_dec.norm(dim=-1)
    threshold = threshold_for_l0(hidden_pre, sae.cfg.k)
    sae.topk_threshold.fill_(threshold)
    return threshold
