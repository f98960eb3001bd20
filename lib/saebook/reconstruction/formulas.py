"""How well an SAE reconstructs: one function a quantity, its formula in its docstring.

"Explained variance" names at least six different formulas in the literature; none is called that
here. Throughout, x are activations [n, d], recon their reconstructions [n, d], codes latent
activations [n, d_sae]. Sums run in float64.
"""

from __future__ import annotations

import torch
from torch import Tensor


def _pair(x: Tensor, recon: Tensor) -> tuple[Tensor, Tensor]:
    if x.ndim != 2 or x.shape != recon.shape:
        raise ValueError(
            f"x {tuple(x.shape)} and recon {tuple(recon.shape)} must share one shape [n, d]"
        )
    if len(x) < 2:
        raise ValueError(f"{len(x)} token(s) have no variance; give at least two")
    return x.double(), recon.double()


def _ratio(part: Tensor, whole: Tensor) -> float:
    if float(whole) == 0:
        raise ValueError("the activations do not vary, so no share of their variance is defined")
    return float(part / whole)


def l0(codes: Tensor) -> float:
    """Mean number of active latents a token: mean_i #{j : codes_ij > 0}."""
    return float((codes > 0).sum(-1).double().mean())


def fvu_pooled(x: Tensor, recon: Tensor) -> float:
    """Fraction of variance unexplained, pooled: sum ||x - recon||^2 / sum ||x - mean(x)||^2.

    One mean per dimension. The book's default.
    """
    x, recon = _pair(x, recon)
    return _ratio((x - recon).square().sum(), (x - x.mean(0)).square().sum())


def fvu_mean_of_ratios(x: Tensor, recon: Tensor) -> float:
    """Mean over tokens of ||x_i - recon_i||^2 / ||x_i - mean(x)||^2.

    One minus sae-lens's "legacy" explained variance; tokens near the mean weigh heavily.
    """
    x, recon = _pair(x, recon)
    whole = (x - x.mean(0)).square().sum(-1)
    if bool((whole == 0).any()):
        raise ValueError("a token equals the mean activation, so its ratio is undefined")
    return float(((x - recon).square().sum(-1) / whole).mean())


def nmse_uncentered(x: Tensor, recon: Tensor) -> float:
    """Normalised mean squared error without centring: sum ||x - recon||^2 / sum ||x||^2.

    A large mean makes it small; compare `fvu_pooled`.
    """
    x, recon = _pair(x, recon)
    return _ratio((x - recon).square().sum(), x.square().sum())


def fvu_variance_of_residual(x: Tensor, recon: Tensor) -> float:
    """Variance of the residual over that of x: sum_d Var(x - recon)_d / sum_d Var(x)_d.

    The residual is centred too, so a constant bias in the reconstruction costs nothing.
    """
    x, recon = _pair(x, recon)
    return _ratio((x - recon).var(0).sum(), x.var(0).sum())


def fvu_mean_over_dimensions(x: Tensor, recon: Tensor) -> float:
    """Mean over dimensions of sum_i (x - recon)_id^2 / sum_i (x - mean(x))_id^2.

    Every dimension weighs the same, however small its variance.
    """
    x, recon = _pair(x, recon)
    whole = (x - x.mean(0)).square().sum(0)
    if bool((whole == 0).any()):
        raise ValueError("a dimension does not vary, so its ratio is undefined")
    return float(((x - recon).square().sum(0) / whole).mean())


def fvu_within_token(x: Tensor, recon: Tensor) -> float:
    """sum ||x - recon||^2 / sum_i ||x_i - mean over dimensions of x_i||^2.

    Centres each token on its own scalar mean instead of each dimension on its mean over tokens.
    """
    x, recon = _pair(x, recon)
    return _ratio((x - recon).square().sum(), (x - x.mean(-1, keepdim=True)).square().sum())


EXPLAINED_VARIANCES = {
    "1 - fvu_pooled": fvu_pooled,
    "1 - fvu_mean_of_ratios": fvu_mean_of_ratios,
    "1 - nmse_uncentered": nmse_uncentered,
    "1 - fvu_variance_of_residual": fvu_variance_of_residual,
    "1 - fvu_mean_over_dimensions": fvu_mean_over_dimensions,
    "1 - fvu_within_token": fvu_within_token,
}
"""The six formulas that go by "explained variance", by the name that says which."""


def explained_variances(x: Tensor, recon: Tensor) -> dict[str, float]:
    """All six explained variances of one reconstruction, named by formula."""
    return {name: 1.0 - metric(x, recon) for name, metric in EXPLAINED_VARIANCES.items()}


def cosine(x: Tensor, recon: Tensor) -> float:
    """Mean over tokens of the cosine between x and recon; zero where either is the zero vector."""
    x, recon = _pair(x, recon)
    return float(torch.nn.functional.cosine_similarity(x, recon, dim=-1).mean())


def dead_fraction(codes: Tensor, window_tokens: int) -> float:
    """Share of latents that fire on none of the first `window_tokens` tokens.

    The window is part of the definition: a longer one finds fewer dead.

    Raises:
        ValueError: fewer tokens than the window.
    """
    if not 0 < window_tokens <= len(codes):
        raise ValueError(f"window of {window_tokens} tokens, but {len(codes)} tokens given")
    return float((~(codes[:window_tokens] > 0).any(0)).double().mean())
