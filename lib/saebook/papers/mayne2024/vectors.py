"""Contrastive vectors, the vectors that mean nothing, and where their norms lie (section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from saebook.activations import capture, letter_positions, stream_activations
from saebook.corpora import token_batches
from saebook.papers.mayne2024.sources import Source
from saebook.stats import Interval, proportion_interval
from saebook.steering import contrastive_vector
from saebook.subjects import Subject, hook_name

PERCENT = 100.0


@dataclass(frozen=True, eq=False)
class Contrast:
    """Activations at the option letter of one behaviour's pairs, [n_pairs, d_model] each."""

    behaviour: str
    positive: Tensor
    negative: Tensor

    @property
    def differences(self) -> Tensor:
        """Positive minus negative, pair by pair, [n_pairs, d_model]."""
        return self.positive - self.negative

    @property
    def vector(self) -> Tensor:
        """The steering vector v = mean(a+ - a-), not normalised, [d_model] (CAA, 2312.06681)."""
        return contrastive_vector(self.positive, self.negative)

    def resampled(self, draws: int, seed: int) -> Tensor:
        """Vectors [draws, d_model] from pairs drawn with replacement."""
        return resample_weights(len(self.positive), draws, seed) @ self.differences

    def shuffled(self, draws: int, seed: int) -> Tensor:
        """Vectors [draws, d_model] from the same pairs with labels swapped by coin toss."""
        return (
            shuffled_signs(len(self.positive), draws, seed) @ self.differences / len(self.positive)
        )

    def random(self, draws: int, seed: int) -> Tensor:
        """Vectors [draws, d_model] of v's norm and uniform direction."""
        noise = torch.randn(draws, len(self.vector), generator=_generator(seed))
        return noise / noise.norm(dim=1, keepdim=True) * self.vector.norm()

    def split_half_cosine(self, seed: int) -> float:
        """Cosine of the vectors from two disjoint random halves of the pairs."""
        order = torch.randperm(len(self.positive), generator=_generator(seed))
        half = len(order) // 2
        first, second = (self.differences[part].mean(0) for part in (order[:half], order[half:]))
        return float(torch.cosine_similarity(first, second, dim=0))


def resample_weights(n: int, draws: int, seed: int) -> Tensor:
    """Bootstrap weights [draws, n]: how often each item is drawn, over n. Rows sum to 1."""
    drawn = torch.randint(n, (draws, n), generator=_generator(seed))
    counts = torch.zeros(draws, n).scatter_add_(1, drawn, torch.ones(draws, n))
    return counts / n


def shuffled_signs(n: int, draws: int, seed: int) -> Tensor:
    """Signs [draws, n], each plus or minus one with even odds: labels shuffled within pairs."""
    return torch.randint(2, (draws, n), generator=_generator(seed)).float() * 2 - 1


def spread_interval(own: float | Tensor, spread: Tensor) -> Interval:
    """An estimate with the 2.5 and 97.5 % quantiles of its resamples [n], itself included."""
    low, high = torch.quantile(spread.float(), torch.tensor([0.025, 0.975])).tolist()
    estimate = float(own)
    return Interval(estimate, min(low, estimate), max(high, estimate))


def contrasts_by_layer(
    subject: Subject, source: Source, behaviour: str, layers: Sequence[int], n_pairs: int, seed: int
) -> dict[int, Contrast]:
    """Read a behaviour's pairs at the option letter of several blocks, in one pass of the model.

    The letter is found by its offset and checked to be A or B.

    Raises:
        ValueError: An unknown behaviour, a layer out of range, or a letter that is not found.
    """
    positive, negative = source.pair_texts(behaviour, n_pairs, seed)
    texts, n = positive + negative, len(positive)
    at = letter_positions(subject.tokenizer, texts)
    read = capture(subject, texts, list(layers), positions=at, batch_size=source.batch_size)
    return {layer: Contrast(behaviour, acts[:n], acts[n:]) for layer, acts in read.items()}


def capture_contrasts(
    subject: Subject, source: Source, layer: int, n_pairs: int, seed: int
) -> dict[str, Contrast]:
    """Read all behaviours of a source at one block, as `contrasts_by_layer` does."""
    return {
        name: contrasts_by_layer(subject, source, name, [layer], n_pairs, seed)[layer]
        for name in source.behaviours
    }


def ordinary_activations(
    subject: Subject, source: Source, layer: int, n_tokens: int, seed: int
) -> Tensor:
    """Activations [n_tokens, d_model] of ordinary text, BOS left out, one text a sequence.

    Raises:
        ValueError: The texts hold fewer tokens than asked for.
    """
    parts, found = [], 0
    batches = token_batches(
        subject,
        source.texts(n_tokens, seed),
        context=source.context,
        packing="single",
        batch_size=source.batch_size,
    )
    for batch in stream_activations(subject, batches, [layer], drop_bos=True):
        parts.append(batch[hook_name(layer)].cpu())
        found += len(parts[-1])
        if found >= n_tokens:
            return torch.cat(parts)[:n_tokens]
    raise ValueError(f"the texts hold {found} tokens, {n_tokens} are asked for; give more texts")


def mean_share(acts: Tensor) -> float:
    """Share of the mean squared norm that the mean activation holds, ||E a||^2 / E ||a||^2."""
    return float(acts.mean(0).square().sum() / acts.square().sum(1).mean())


def norm_percentile(norms: Tensor, contrast: Contrast, draws: int, seed: int) -> Interval:
    """Percentile of ||v|| among activation norms, with a 95 % interval, in percent (R4).

    The interval is an envelope over both samples: Wilson's lower bound on the share of tokens
    below the 2.5 % quantile of the bootstrapped norm, and the upper bound at its 97.5 % quantile.

    Args:
        norms: Norms of single-token activations [n_tokens].
        contrast: The behaviour's pairs.
        draws: Bootstrap resamples of the pairs.
        seed: Of the resamples.
    """
    own = contrast.vector.norm()
    spread = contrast.resampled(draws, seed).norm(dim=1)
    low, high = torch.quantile(spread, torch.tensor([0.025, 0.975]))
    below = [int((norms <= bound).sum()) for bound in (min(low, own), own, max(high, own))]
    wilson = [proportion_interval(count, len(norms)) for count in below]
    bounds = (wilson[1].estimate, wilson[0].low, wilson[2].high)
    return Interval(*(PERCENT * value for value in bounds))


def percentile_without_the_mean(text: Tensor, contrast: Contrast) -> float:
    """Percentile of the prompts' own activations, less the mean of text, among text's norms (R4).

    It takes away what all activations share and nothing else: no pair is compared and nothing is
    averaged. In percent, of the median norm over both sides' prompts.

    Args:
        text: Ordinary activations [n_tokens, d_model].
        contrast: The behaviour's pairs.
    """
    bare = torch.cat([contrast.positive, contrast.negative]) - text.mean(0)
    return PERCENT * float((text.norm(dim=1) <= bare.norm(dim=1).median()).double().mean())


def typical_percentile(norms: Tensor) -> float:
    """Percentile of every second norm's median among the others, near 50: R4's measuring rod."""
    return PERCENT * float((norms[1::2] <= norms[::2].median()).double().mean())


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
