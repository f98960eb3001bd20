"""Tidy frames between measuring and drawing."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch

from saebook.papers.mayne2024.arms import KINDS, Arm, control_overlaps
from saebook.papers.mayne2024.bias_latent import bias_latent
from saebook.papers.mayne2024.effects import slopes
from saebook.papers.mayne2024.overlap import shared_top
from saebook.papers.mayne2024.parameters import Parameters
from saebook.papers.mayne2024.signs import LatentSigns
from saebook.papers.mayne2024.vectors import Contrast

STEPS = ("at the letter", "without the mean", "in one pair", "v")
"""From an activation to a vector."""


def norm_frame(arms: Sequence[Arm]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Norms of ordinary activations (model, norm) and of vectors (model, behaviour, norm)."""
    text = [pd.DataFrame({"model": a.name, "norm": a.norms.numpy()}) for a in arms]
    vectors = [
        (arm.name, name, float(contrast.vector.norm()))
        for arm in arms
        for name, contrast in arm.contrasts.items()
    ]
    return pd.concat(text), pd.DataFrame(vectors, columns=["model", "behaviour", "norm"])


def shortening_frame(arms: Sequence[Arm]) -> pd.DataFrame:
    """What shortens a vector, step by step: a row a model, norms that are medians over behaviours.

    The steps are medians over prompts and pairs: an activation at the letter, the same without the
    mean of ordinary text, the difference within one pair, and v, the mean of those differences.
    Before them stands the norm below which one ordinary activation in a thousand lies.
    """
    rows = {arm.name: {"one in a thousand": float(arm.norms.quantile(0.001))} for arm in arms}
    for arm in arms:
        steps = torch.stack([_steps(c, arm.text.mean(0)) for c in arm.contrasts.values()])
        medians = steps.quantile(0.5, dim=0).tolist()
        rows[arm.name] |= dict(zip(STEPS, medians, strict=True))
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def _steps(contrast: Contrast, mean: torch.Tensor) -> torch.Tensor:
    """Norms of `STEPS` for one behaviour, [4]."""
    at_letter = torch.cat([contrast.positive, contrast.negative])
    parts = (at_letter, at_letter - mean, contrast.differences, contrast.vector[None])
    return torch.stack([part.norm(dim=1).median() for part in parts])


def zero_frame(arm: Arm) -> pd.DataFrame:
    """Latents active in SAE(0) or in some SAE(v): behaviour, latent, at_zero, value."""
    zero = arm.at_zero
    parts = []
    for name, contrast in arm.contrasts.items():
        acts = arm.encoded(contrast.vector)
        held = ((zero > 0) | (acts > 0)).nonzero().flatten()
        values = {
            "latent": held.numpy(),
            "at_zero": zero[held].numpy(),
            "value": acts[held].numpy(),
        }
        parts.append(pd.DataFrame({"behaviour": name, **values}))
    return pd.concat(parts, ignore_index=True)


def overlap_frame(arms: Sequence[Arm], config: Parameters) -> pd.DataFrame:
    """Top-five latents shared with SAE(0), at any value: model, kind, behaviour, shared."""
    rows = []
    for arm in arms:
        kinds = {kind: control_overlaps(arm, kind, config.n_draws, config.seed) for kind in KINDS}
        own = [shared_top(arm.at_zero, arm.encoded(c.vector)) for c in arm.contrasts.values()]
        kinds["steering vector"] = torch.stack(own)[:, None]
        for kind, counts in kinds.items():
            means = counts.float().mean(1).tolist()
            rows += [(arm.name, kind, *pair) for pair in zip(arm.contrasts, means, strict=True)]
    return pd.DataFrame(rows, columns=["model", "kind", "behaviour", "shared"])


def clearest_negative(signs: Sequence[LatentSigns]) -> tuple[str, int]:
    """Behaviour and latent that fires most reliably on negatives, by the interval's upper end.

    Raises:
        ValueError: No latent fires reliably more on negatives.
    """
    best = [(float(s.high[s.negative].min()), i) for i, s in enumerate(signs) if s.negative.any()]
    if not best:
        raise ValueError("no latent fires reliably more on negatives; raise n_pairs or n_tokens")
    chosen = signs[min(best)[1]]
    high = torch.where(chosen.negative, chosen.high, torch.inf)
    return chosen.behaviour, int(high.argmin())


def projection_frame(arm: Arm, behaviour: str, latent: int) -> pd.DataFrame:
    """Encoder pre-activation x W_enc + b_enc of one latent: group, value.

    Groups: positive and negative prompts (a row a prompt), SAE(0)'s bias, v and alpha v.
    """
    contrast, direction = arm.contrasts[behaviour], arm.sae.W_enc[:, latent]
    bias = arm.sae.b_enc[latent]
    v = contrast.vector
    groups = {
        "positive prompts": contrast.positive @ direction + bias,
        "negative prompts": contrast.negative @ direction + bias,
        "zero": bias[None],
        "v": (v @ direction + bias)[None],
        "v at a typical norm": (arm.alpha(behaviour) * (v @ direction) + bias)[None],
    }
    parts = [pd.DataFrame({"group": name, "value": x.numpy()}) for name, x in groups.items()]
    return pd.concat(parts, ignore_index=True)


def curve_frame(frame: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Log-odds of the matching side by vector and coefficient, with the spread over behaviours.

    Columns vector, coeff, log_odds (nats; mean over prompts, then the median over behaviours), low
    and high (quartiles over behaviours).
    """
    own = frame[frame["measure"] == measure]
    means = own.groupby(["vector", "coeff", "behaviour"], sort=False)["log_odds"].mean()
    groups = means.groupby(["vector", "coeff"], sort=False)
    columns = {
        "log_odds": groups.median(),
        "low": groups.quantile(0.25),
        "high": groups.quantile(0.75),
    }
    return pd.DataFrame(columns).reset_index()


def steerability_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Steerability (mean slope over prompts, nats per unit of coefficient), a column a vector."""
    return slopes(frame).mean(axis=1).unstack("vector").round(3)


def unsteered_frame(moves: pd.DataFrame) -> pd.DataFrame:
    """Unsteered behaviour read two ways, a row a behaviour: by probability and by choice.

    Args:
        moves: Output of `movements`.
    """
    names = {"unsteered": "matching share of the mass", "chosen": "prompts leaning to it"}
    wide = moves.pivot(index="behaviour", columns="measure", values=list(names))
    return wide.rename(columns=names, level=0).round(2)


def bias_frame(arm: Arm) -> pd.DataFrame:
    """Pre-activation of the bias-driven latent: group, value.

    Groups: ordinary text (a row a token), zero, v and v at a typical norm (a row a behaviour).
    """
    found = bias_latent(arm)
    direction = arm.sae.W_enc[:, found.latent]
    vectors = torch.stack([c.vector for c in arm.contrasts.values()]) @ direction
    alphas = torch.tensor([arm.alpha(name) for name in arm.contrasts])
    groups = {
        "ordinary text": arm.text @ direction,
        "zero": torch.zeros(1),
        "v": vectors,
        "v at a typical norm": alphas * vectors,
    }
    parts = [
        pd.DataFrame({"group": name, "value": (x + found.bias).numpy()})
        for name, x in groups.items()
    ]
    return pd.concat(parts, ignore_index=True)


def gauge_frames(arms: dict[str, Arm], n: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Pre-activations before and after a gauge shift, on text and at zero.

    Args:
        arms: By name, the trained SAE first.
        n: Pairs of token and latent to draw for the text.
        seed: Of the draw.

    Returns:
        On text: SAE, before, after (n rows an SAE but the first); at zero: SAE, latent, value.
    """
    names = list(arms)
    pre = {name: arm.text @ arm.sae.W_enc + arm.sae.b_enc for name, arm in arms.items()}
    first = pre[names[0]].flatten()
    at = torch.randint(len(first), (n,), generator=torch.Generator().manual_seed(seed))
    text = [
        pd.DataFrame({"SAE": name, "before": first[at], "after": pre[name].flatten()[at]})
        for name in names[1:]
    ]
    zero = [
        pd.DataFrame({"SAE": name, "latent": range(len(b)), "value": b.numpy()})
        for name, b in ((name, arms[name].sae.b_enc) for name in names)
    ]
    return pd.concat(text, ignore_index=True), pd.concat(zero, ignore_index=True)
