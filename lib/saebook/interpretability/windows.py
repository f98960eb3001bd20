"""The windows on which a latent is explained and detected (SAEBench 2503.09532, auto-interp).

A window is a token with `buffer` tokens to either side. For each latent: its strongest windows,
windows drawn by importance (probability proportional to the squared activation), and random ones.
Windows of one latent do not overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

LEAST_LIVE = 15
"""A latent is live when it fires on more tokens than these (SAEBench)."""


@dataclass(frozen=True)
class WindowSizes:
    """How many windows of each kind, SAEBench's numbers by default."""

    buffer: int = 10
    """Tokens to either side of the centre."""
    top_generation: int = 10
    """Strongest windows from which the explanation is made."""
    weighted_generation: int = 5
    """Importance-weighted windows from which the explanation is made."""
    top_scoring: int = 2
    weighted_scoring: int = 2
    random_scoring: int = 10

    def __post_init__(self) -> None:
        smallest = {"buffer": 0, "top_generation": 1, "random_scoring": 1}
        for name, value in vars(self).items():
            if value < smallest.get(name, 0):
                raise ValueError(f"{name} {value} is below {smallest.get(name, 0)}")
        if self.top_scoring + self.weighted_scoring < 1:
            raise ValueError("a scoring set without an active window cannot be scored")

    @property
    def width(self) -> int:
        """Tokens a window."""
        return 2 * self.buffer + 1

    @property
    def top(self) -> int:
        """Strongest windows a latent."""
        return self.top_generation + self.top_scoring

    @property
    def weighted(self) -> int:
        """Importance-weighted windows a latent."""
        return self.weighted_generation + self.weighted_scoring

    @property
    def generation(self) -> int:
        """Windows of the generation set."""
        return self.top_generation + self.weighted_generation

    @property
    def scoring(self) -> int:
        """Windows of the scoring set, M."""
        return self.top_scoring + self.weighted_scoring + self.random_scoring


@dataclass(frozen=True, eq=False)
class LatentWindows:
    """Windows of some latents, as places in a corpus of sequences."""

    latents: Tensor
    """Columns of the codes [n]."""
    generation: Tensor
    """(sequence, first column) of the windows of each generation set [n, generation, 2]."""
    scoring: Tensor
    """The same of the scoring sets: top, weighted, then random windows [n, scoring, 2]."""
    max_acts: Tensor
    """Largest activation of each latent in its windows, v_max [n]."""
    sizes: WindowSizes

    def read(self, places: Tensor, values: Tensor) -> Tensor:
        """Values [n_seq, context, ...] at windows [n, windows, 2]: [n, windows, width, ...]."""
        columns = places[..., 1, None] + torch.arange(self.sizes.width)
        return values[places[..., 0, None], columns]

    def acts(self, places: Tensor, codes: Tensor) -> Tensor:
        """Each latent's own activations in its windows, [n, windows, width]."""
        columns = places[..., 1, None] + torch.arange(self.sizes.width)
        return codes[places[..., 0, None], columns, self.latents[:, None, None]]


def live_latents(codes: Tensor, more_than: int = LEAST_LIVE) -> Tensor:
    """Latents that fire on more than `more_than` tokens of codes [..., d_sae], ids [n]."""
    fires = (codes > 0).flatten(0, -2).sum(0)
    return (fires > more_than).nonzero().flatten()


def scoreable_latents(
    codes: Tensor, kept: Tensor, sizes: WindowSizes, seed: int, keys: Sequence[int] | None = None
) -> Tensor:
    """Live latents that have enough windows without overlap for both sets, columns of codes [n].

    `latent_windows` with the same arguments refuses none of them.
    """
    dense, places = codes.numpy(), _Places(kept.numpy(), sizes)
    key = _keys(codes, keys)
    chosen = [
        latent
        for latent in live_latents(codes).tolist()
        if _windows_of(dense[..., latent], places, _rng(seed, key[latent])) is not None
    ]
    return torch.tensor(chosen, dtype=torch.long)


def _keys(codes: Tensor, keys: Sequence[int] | None) -> Sequence[int]:
    if keys is not None and len(keys) != codes.shape[-1]:
        raise ValueError(f"{len(keys)} keys for {codes.shape[-1]} columns of codes")
    return range(codes.shape[-1]) if keys is None else keys


def _rng(seed: int, latent: int) -> np.random.Generator:
    return np.random.default_rng((seed, latent))


def latent_windows(
    codes: Tensor,
    kept: Tensor,
    latents: Sequence[int],
    seed: int,
    sizes: WindowSizes | None = None,
    keys: Sequence[int] | None = None,
) -> LatentWindows:
    """Choose the windows of each latent; a latent's windows do not depend on the others asked for.

    Args:
        codes: Latent activations [n_seq, context, columns].
        kept: Real tokens but BOS, bool [n_seq, context]; windows hold no others.
        latents: Columns of the codes.
        seed: Of the weighted and random draws, keyed by latent.
        sizes: Numbers of windows; SAEBench's by default.
        keys: Key of each column's draws, by default its number; give the latents' ids where the
            codes hold some of an SAE's latents only.

    Raises:
        ValueError: no latents, one out of range, a dead one, one with too few windows, or a
            corpus too short for the random windows. All latents at fault are named.
    """
    sizes = sizes or WindowSizes()
    wanted = [int(latent) for latent in latents]
    _check(codes, wanted)
    places = _Places(kept.numpy(), sizes)
    dense, key = codes.numpy(), _keys(codes, keys)
    sets, short = [], []
    for latent in wanted:
        found = _windows_of(dense[..., latent], places, _rng(seed, key[latent]))
        sets.append(found)
        if found is None:
            short.append(latent)
    if short:
        raise ValueError(
            f"latents {short} have fewer than {sizes.top + sizes.weighted} active windows that do "
            "not overlap, or the corpus has too few others; give more tokens or choose among "
            "scoreable_latents"
        )
    starts = torch.from_numpy(np.stack([s for s in sets if s is not None]))
    parts = _divided(starts, sizes)
    peaks = codes.flatten(0, 1).amax(0)[torch.tensor(wanted)]
    return LatentWindows(torch.tensor(wanted), *parts, max_acts=peaks, sizes=sizes)


def _check(codes: Tensor, latents: Sequence[int]) -> None:
    if not latents:
        raise ValueError("there are no latents to choose windows for")
    odd = [latent for latent in latents if not 0 <= latent < codes.shape[-1]]
    if odd:
        raise ValueError(f"latents {odd} are out of range; the SAE has {codes.shape[-1]}")
    dead = [latent for latent in latents if not bool((codes[..., latent] > 0).any())]
    if dead:
        raise ValueError(f"latents {dead} are dead: they fire on no token of this corpus")


class _Places:
    """Where windows may be centred, and which are still free."""

    def __init__(self, kept: np.ndarray, sizes: WindowSizes) -> None:
        self.sizes, self.context = sizes, kept.shape[1]
        if self.context < sizes.width:
            raise ValueError(
                f"sequences of {self.context} tokens are shorter than a window of {sizes.width}"
            )
        views = np.lib.stride_tricks.sliding_window_view(kept, sizes.width, axis=1)
        allowed = np.zeros_like(kept)
        allowed[:, sizes.buffer : self.context - sizes.buffer] = views.all(-1)
        self.allowed = allowed

    def block(self, taken: np.ndarray, row: int, centre: int) -> None:
        """Mark every centre whose window would overlap one at (row, centre)."""
        reach = self.sizes.width - 1
        taken[row, max(0, centre - reach) : centre + reach + 1] = True

    def greedy(self, order: np.ndarray, taken: np.ndarray, most: int) -> list[tuple[int, int]]:
        """First `most` places of `order` (flat indices) that are free; they are then taken."""
        found: list[tuple[int, int]] = []
        for flat in order:
            if len(found) == most:
                break
            row, centre = divmod(int(flat), self.context)
            if not taken[row, centre]:
                self.block(taken, row, centre)
                found.append((row, centre))
        return found


def _windows_of(act: np.ndarray, places: _Places, rng: np.random.Generator) -> np.ndarray | None:
    """Centres of one latent's windows, top then weighted then random [n, 2], or None."""
    sizes, taken = places.sizes, ~places.allowed
    active = np.flatnonzero((act > 0) & places.allowed)
    strongest = active[np.argsort(-act.flat[active], kind="stable")]
    top = places.greedy(strongest, taken, sizes.top)
    least = act[top[-1]] if top else 0.0
    below = active[act.flat[active] < least]
    weighted = places.greedy(_weighted_order(act.flat[below], below, rng), taken, sizes.weighted)
    # Ties at the least top peak leave too few below it: take the strongest that are left.
    weighted += places.greedy(strongest, taken, sizes.weighted - len(weighted))
    rest = rng.permutation(np.flatnonzero(~taken))
    random = places.greedy(rest, taken, sizes.random_scoring)
    if (len(top), len(weighted), len(random)) != (sizes.top, sizes.weighted, sizes.random_scoring):
        return None
    rng.shuffle(top)  # which of the strongest are scored is left to chance
    return np.array(top + weighted + random)


def _weighted_order(values: np.ndarray, places: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Places in the order of draws without replacement, odds proportional to value squared.

    Exponential races: the smallest E / weight comes first (Efraimidis and Spirakis 2006).
    """
    return places[np.argsort(rng.exponential(size=len(values)) / np.square(values, dtype=float))]


def _divided(centres: Tensor, sizes: WindowSizes) -> tuple[Tensor, Tensor]:
    """Generation and scoring sets as (sequence, first column)."""
    starts = centres.clone()
    starts[..., 1] -= sizes.buffer
    top, weighted = starts[:, : sizes.top], starts[:, sizes.top : sizes.top + sizes.weighted]
    rest = starts[:, sizes.top + sizes.weighted :]
    generation = [top[:, : sizes.top_generation], weighted[:, : sizes.weighted_generation]]
    scoring = [top[:, sizes.top_generation :], weighted[:, sizes.weighted_generation :], rest]
    return torch.cat(generation, 1), torch.cat(scoring, 1)
