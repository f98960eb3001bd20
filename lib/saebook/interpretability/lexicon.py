"""A deterministic explainer and detector: the words, in their context, on which a latent fires.

From the marked generation windows it learns P(active | previous token, token). A pair that it has
not seen takes the odds of both tokens together, odds(token) odds(previous) / odds(density), and a
token not seen takes the latent's density. A window is predicted to fire when that probability
reaches one half somewhere in it. Activations are causal, so only the token before is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

THRESHOLD = 0.5
"""Probability from which a window is predicted to fire; fixed before anything was run."""
ACTIVE_SHARE = 0.01
"""A token counts as active above this share of the latent's largest activation (SAEBench)."""
STRENGTH = 1.0
"""Weight of the shorter context, in observations of the longer one."""


@dataclass(frozen=True, eq=False)
class LexiconExplainer:
    """Explanations of n latents, learnt at once."""

    density: Tensor
    """Share of tokens on which each latent fires [n]: what is said of a word never seen."""
    vocabulary: int
    _unigrams: tuple[np.ndarray, np.ndarray]
    """Sorted keys (latent, token) and P(active | token)."""
    _previous: tuple[np.ndarray, np.ndarray]
    """Sorted keys (latent, token) and P(active | token stands before)."""
    _bigrams: tuple[np.ndarray, np.ndarray]
    """Sorted keys (latent, previous, token) and P(active | previous, token)."""
    _counts: np.ndarray
    """Active occurrences of each unigram key."""

    @classmethod
    def learn(
        cls, ids: Tensor, acts: Tensor, max_acts: Tensor, density: Tensor, vocabulary: int
    ) -> LexiconExplainer:
        """Learn from generation windows.

        Args:
            ids: Token ids [n, windows, width].
            acts: The latent's own activations there [n, windows, width].
            max_acts: Largest activation of each latent [n].
            density: Share of corpus tokens on which it fires [n].
            vocabulary: Number of token ids.

        Raises:
            ValueError: shapes that do not agree.
        """
        if ids.shape != acts.shape or len(max_acts) != len(ids) or len(density) != len(ids):
            raise ValueError(
                f"ids {tuple(ids.shape)}, acts {tuple(acts.shape)}, max_acts and density must "
                "have one row a latent"
            )
        active = (acts > ACTIVE_SHARE * max_acts[:, None, None]).numpy()
        unigram, bigram = _keys(ids, vocabulary)
        prior = _inside(density)
        keys, hits, totals = _counted(unigram, active)
        words = keys, _shrunk(hits, totals, prior[keys // vocabulary])
        keys, seen, totals = _counted(unigram[..., :-1], active[..., 1:])
        before = keys, _shrunk(seen, totals, prior[keys // vocabulary])
        keys, seen, totals = _counted(bigram[..., 1:], active[..., 1:])
        latent, rest = np.divmod(keys, vocabulary**2)
        previous, token = np.divmod(rest, vocabulary)
        apart = _combined(
            _looked_up(words, latent * vocabulary + token, prior[latent]),
            _looked_up(before, latent * vocabulary + previous, prior[latent]),
            prior[latent],
        )
        return cls(density, vocabulary, words, before, (keys, _shrunk(seen, totals, apart)), hits)

    def probabilities(self, ids: Tensor) -> Tensor:
        """P(active) at every token of windows [n, windows, width], latent i in row i."""
        if len(ids) != len(self.density):
            raise ValueError(f"{len(ids)} rows of windows for {len(self.density)} explanations")
        unigram, bigram = _keys(ids, self.vocabulary)
        prior = np.broadcast_to(_inside(self.density)[:, None, None], unigram.shape)
        found = _looked_up(self._unigrams, unigram, prior)
        before = _looked_up(self._previous, unigram[..., :-1], prior[..., 1:])
        apart = _combined(found[..., 1:], before, prior[..., 1:])
        found[..., 1:] = _looked_up(self._bigrams, bigram[..., 1:], apart)
        return torch.from_numpy(found)

    def window_scores(self, ids: Tensor) -> Tensor:
        """Largest P(active) in each window, [n, windows]; predicted to fire from `THRESHOLD`."""
        return self.probabilities(ids).amax(-1)

    def words(self, latent: int, most: int = 10) -> list[tuple[int, float]]:
        """Tokens of explanation `latent` (its row) by how much activity they account for.

        Returns:
            (token id, P(active | token)), most telling first; tokens that are more often silent
            than active are left out.
        """
        keys, probability = self._unigrams
        own = (keys // self.vocabulary == latent) & (probability >= THRESHOLD)
        weight = self._counts[own] * probability[own]
        order = np.argsort(-weight, kind="stable")[:most]
        tokens = (keys[own] % self.vocabulary)[order]
        return [(int(t), float(p)) for t, p in zip(tokens, probability[own][order], strict=True)]


def _inside(density: Tensor) -> np.ndarray:
    """Densities off 0 and 1, where odds are undefined."""
    return density.double().numpy().clip(1e-6, 1 - 1e-6)


def _keys(ids: Tensor, vocabulary: int) -> tuple[np.ndarray, np.ndarray]:
    """Keys of (latent, token) and (latent, previous, token); column 0 has no previous token."""
    token = ids.numpy().astype(np.int64)
    latent = np.arange(len(token))[:, None, None]
    previous = np.concatenate([np.zeros_like(token[..., :1]), token[..., :-1]], axis=-1)
    return latent * vocabulary + token, (latent * vocabulary + previous) * vocabulary + token


def _counted(keys: np.ndarray, active: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct keys, how often each is active and how often it stands."""
    distinct, where = np.unique(keys.ravel(), return_inverse=True)
    hits = np.bincount(where.ravel(), weights=active.ravel().astype(float))
    return distinct, hits, np.bincount(where.ravel()).astype(float)


def _shrunk(hits: np.ndarray, totals: np.ndarray, below: np.ndarray) -> np.ndarray:
    return (hits + STRENGTH * below) / (totals + STRENGTH)


def _combined(word: np.ndarray, before: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Probability from two pieces of evidence that share one prior: odds multiply."""
    odds = word / (1 - word) * before / (1 - before) * (1 - prior) / prior
    return odds / (1 + odds)


def _looked_up(
    table: tuple[np.ndarray, np.ndarray], keys: np.ndarray, otherwise: np.ndarray
) -> np.ndarray:
    known, values = table
    at = np.searchsorted(known, keys).clip(max=len(known) - 1)
    return np.where(known[at] == keys, values[at], otherwise)
