"""Four readings of "amplify latent f by alpha" at the last position of a prefix.

Wang et al. (2510.03659) describe it in two ways that do not agree: section 4.1 amplifies the
coefficient of f and leaves the others; App. D sets all other codes to zero. Taken literally the
first is a no-op for a latent that is silent on the prefix, which nearly all are, so the additive
rule of the output score (Arad et al. 2505.20063) and plain steering are readings too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

READINGS = {
    "V1": "add alpha times the largest code on the prefix to the code of f",
    "V2": "multiply the code of f by alpha",
    "V3": "multiply the code of f by alpha and set all others to zero",
    "V4": "add alpha times the largest activation of f in a corpus",
}
"""The readings; V1 is the one that the printed figures fit."""


@dataclass(frozen=True, eq=False)
class Latents:
    """Codes of an SAE on one residual, and what it would take to amplify each latent."""

    decoder: Tensor
    """W_dec [d_sae, d_model]."""
    bias: Tensor
    """b_dec [d_model]."""
    codes: Tensor
    """Latent activations on the residual [d_sae]."""
    resid: Tensor
    """The residual itself [d_model]."""
    max_acts: Tensor
    """Largest activation of each latent in a corpus [d_sae]."""

    @classmethod
    @torch.no_grad()
    def on(cls, sae: Any, resid: Tensor, max_acts: Tensor) -> Latents:
        """Encode one residual [d_model] with an SAE of sae-lens's form."""
        codes = sae.encode(resid[None])[0]
        if max_acts.shape != codes.shape:
            raise ValueError(f"{len(max_acts)} largest activations for {len(codes)} latents")
        return cls(sae.W_dec.detach(), sae.b_dec.detach(), codes, resid, max_acts)


def resid_changes(
    latents: Latents, reading: str, alpha: float, chosen: Tensor | None = None
) -> Tensor:
    """Return what each latent's amplification adds to the residual, [n, d_model].

    V1: alpha max_j a_j d_f.  V2: (alpha - 1) a_f d_f.  V3: alpha a_f d_f + b_dec - x, the SAE's
    error left out with the other codes.  V4: alpha m_f d_f.

    Args:
        latents: Codes on the prefix.
        reading: A key of `READINGS`.
        alpha: Amplification.
        chosen: Latents asked for [n]; all by default.

    Raises:
        ValueError: an unknown reading, or an alpha that is not positive.
    """
    if reading not in READINGS:
        raise ValueError(f"unknown reading {reading!r}; known: {', '.join(READINGS)}")
    if not alpha > 0:
        raise ValueError(f"alpha is {alpha}; an amplification is positive")
    at = torch.arange(len(latents.codes)) if chosen is None else chosen
    rows, codes = latents.decoder[at], latents.codes[at, None]
    if reading == "V1":
        return alpha * latents.codes.max() * rows
    if reading == "V2":
        return (alpha - 1) * codes * rows
    if reading == "V3":
        return alpha * codes * rows + latents.bias - latents.resid
    return alpha * latents.max_acts[at, None] * rows
