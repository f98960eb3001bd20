"""Scores of a latent from next-token distributions: confidence, output and input score."""

from __future__ import annotations

import math

import pandas as pd
from torch import Tensor


def token_confidence(logprobs: Tensor, k: int = 1) -> Tensor:
    """C_k(p) = -(1/k) sum of log p over the k likeliest tokens, in nats, [n] (2510.03659, 4.1).

    Args:
        logprobs: log p [n, vocabulary].
        k: Tokens counted.

    Raises:
        ValueError: k below 1 or above the vocabulary.
    """
    if not 1 <= k <= logprobs.shape[-1]:
        raise ValueError(f"k {k} is out of range; the vocabulary has {logprobs.shape[-1]} tokens")
    return -logprobs.topk(k, dim=-1).values.mean(-1)


def delta_token_confidence(changed: Tensor, base: Tensor, k: int = 1) -> Tensor:
    """C_k after a change minus C_k before, nats, [n]: below 0 the model gets surer.

    With k = 1 it lies between log pmax_base and log |V| + log pmax_base.

    Args:
        changed: log p under each change [n, vocabulary].
        base: log p without one [vocabulary].
        k: Tokens counted.
    """
    return token_confidence(changed, k) - token_confidence(base[None], k)


def output_score(changed: Tensor, base: Tensor, tokens: Tensor) -> pd.DataFrame:
    """Output score of each latent in both forms (Arad et al. 2505.20063, section 4).

    P(M) = (1 - r/|V|) p, with r the 0-based rank and p the probability of the likeliest token of
    the latent's logit lens M. `difference` is P_int - P_base, as printed; `intervened` is P_int
    alone, as the authors' code returns it.

    Args:
        changed: log p under each latent's amplification [n, vocabulary].
        base: log p without one [vocabulary].
        tokens: Ids of M [n, m].

    Returns:
        Columns difference and intervened, row i for latent i.

    Raises:
        ValueError: numbers of rows differ.
    """
    if len(changed) != len(tokens):
        raise ValueError(f"{len(changed)} distributions for {len(tokens)} token lists")
    after = _ranked_probability(changed, tokens)
    before = _ranked_probability(base[None].expand_as(changed), tokens)
    return pd.DataFrame(
        {"difference": (after - before).double().numpy(), "intervened": after.double().numpy()}
    )


def _ranked_probability(logprobs: Tensor, tokens: Tensor) -> Tensor:
    best = logprobs.gather(1, tokens).max(1).values
    rank = (logprobs > best[:, None]).sum(1)
    return (1 - rank / logprobs.shape[1]) * best.exp()


def input_score(peak_tokens: Tensor, tokens: Tensor) -> Tensor:
    """Share of a latent's peak tokens that its own logit lens lists, [n] (2505.20063, section 3).

    Args:
        peak_tokens: Id of the strongest token of each activating text [n, texts].
        tokens: Ids of the logit lens [n, m].

    Raises:
        ValueError: numbers of rows differ, or no activating text.
    """
    if len(peak_tokens) != len(tokens) or not peak_tokens.shape[1]:
        raise ValueError(
            f"peak tokens {tuple(peak_tokens.shape)} and logit lens {tuple(tokens.shape)} must "
            "share their rows, with at least one text"
        )
    found = (peak_tokens[:, :, None] == tokens[:, None]).any(-1)
    return found.double().mean(1)


def effect_sizes(changed: Tensor, base: Tensor) -> pd.DataFrame:
    """How far each change moves the distribution, whatever the direction.

    Returns:
        Columns kl (KL(p_int || p_base), nats) and entropy_change (H(p_int) - H(p_base), nats).
    """
    p = changed.double().exp()
    kl = (p * (changed.double() - base.double())).sum(1)
    entropy = -(p * changed.double()).sum(1)
    start = -(base.double().exp() * base.double()).sum()
    return pd.DataFrame({"kl": kl.numpy(), "entropy_change": (entropy - start).numpy()})


def lens_kurtosis(logits: Tensor) -> Tensor:
    """Excess kurtosis of each latent's logit lens over the vocabulary, [n]; 0 for a normal one.

    Raises:
        ValueError: a row that does not vary.
    """
    centred = logits.double() - logits.double().mean(1, keepdim=True)
    variance = centred.square().mean(1)
    if not bool((variance > 0).all()):
        raise ValueError(f"logit lens {int((variance <= 0).nonzero()[0])} does not vary")
    return centred.pow(4).mean(1) / variance.square() - 3


def confidence_bounds(base: Tensor) -> tuple[float, float]:
    """Least and largest possible Delta Token Confidence at k = 1, nats."""
    top = float(base.max())
    return top, math.log(base.shape[-1]) + top
