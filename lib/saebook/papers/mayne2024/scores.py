"""How good a description of a steering vector is: seven measures of each remedy."""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor

from saebook.papers.mayne2024.overlap import TOP, shared_top
from saebook.papers.mayne2024.remedies import REMEDIES, UNSIGNED, Case
from saebook.steering import error_left, refit, strongest

SILENT = 0.01
"""A latent that fires on fewer than 1 % of both kinds of prompt is spurious in a description."""
MEASURES = (
    "overlap with SAE(0)",
    "sign accuracy",
    "spurious rate",
    "cosine",
    "refitted FVU",
    "steering kept",
    "stability",
)
"""In the order of the figure; "steering kept" needs a model and is added where there is one."""
BETTER_LOW = frozenset({"overlap with SAE(0)", "spurious rate", "refitted FVU"})


def score_case(case: Case, k: int, draws: int, seed: int) -> pd.DataFrame:
    """Score every remedy on one vector.

    Args:
        case: The vector.
        k: Latents that a description keeps, the same for all (its L0).
        draws: Bootstrap resamples of the pairs for the stability.
        seed: Of the resamples.

    Returns:
        A row a remedy: case, remedy and

        overlap with SAE(0): share of the top five of SAE(0) among the description's top five;
        sign accuracy: of the k latents that truly differ most, the share whose sign is right in
        the description (zero is wrong);
        spurious rate: of the k strongest latents, the share that fires on fewer than 1 % of
        both kinds of prompt;
        cosine: between the description decoded (without the decoder bias) and v;
        refitted FVU: ||v - c D||^2 / ||v||^2 with the k strongest latents, weights refitted, of
        at least zero where the remedy has no signs;
        stability: mean Jaccard index of the k strongest latents over resampled pairs.
    """
    found, spread = case.describe(k), case.describe_resampled(k, draws, seed)
    rows = [
        {
            "case": case.name,
            "remedy": name,
            **_scores(case, found[name], k, name not in UNSIGNED),
            "stability": _stability(found[name], spread[name], k),
        }
        for name in REMEDIES
    ]
    return pd.DataFrame(rows)


def kept_vector(case: Case, description: Tensor, k: int, signed: bool) -> Tensor:
    """The k strongest latents refitted and decoded [d_in]; zero for an empty description."""
    if not bool(description.any()):
        return torch.zeros_like(case.mean)
    latents = strongest(description, k)
    return refit(case.sae.W_dec, case.contrast.vector, latents, signed) @ case.sae.W_dec[latents]


def _scores(case: Case, description: Tensor, k: int, signed: bool) -> dict[str, float]:
    v = case.contrast.vector
    zero = case.sae.encode(torch.zeros_like(v)[None])[0]
    true = strongest(case.truth, k)
    decoded = description @ case.sae.W_dec
    return {
        "overlap with SAE(0)": float(shared_top(zero, description.abs())) / TOP,
        "sign accuracy": _share(description[true].sign() == case.truth[true].sign()),
        "spurious rate": _spurious(case, description, k),
        "cosine": float(torch.cosine_similarity(decoded, v, dim=0)),
        "refitted FVU": error_left(v, kept_vector(case, description, k, signed)),
    }


def _share(mask: Tensor) -> float:
    return float(mask.double().mean())


def _spurious(case: Case, description: Tensor, k: int) -> float:
    """Share of the k strongest that are silent on prompts; of none, none is spurious."""
    if not bool(description.any()):
        return 0.0
    sides = (case.contrast.positive, case.contrast.negative)
    silent = torch.stack([(case.sae.encode(side) > 0).float().mean(0) < SILENT for side in sides])
    return _share(silent.all(0)[strongest(description, k)])


def _stability(description: Tensor, spread: Tensor, k: int) -> float:
    """Mean Jaccard index of kept latents; two empty descriptions agree."""
    own = _kept(description[None], k)
    others = _kept(spread, k)
    union = (own | others).sum(1)
    shared = (own & others).sum(1)
    return float(torch.where(union > 0, shared / union.clamp_min(1), 1.0).mean())


def _kept(descriptions: Tensor, k: int) -> Tensor:
    """Mask [n, d_sae] of each row's k strongest latents, those that are not zero."""
    size = descriptions.abs()
    mask = torch.zeros_like(size, dtype=torch.bool)
    mask.scatter_(1, size.topk(min(k, size.shape[1])).indices, True)
    return mask & (size > 0)
