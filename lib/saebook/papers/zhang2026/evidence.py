"""Scores and sizes of change by domain, from the records: what every row is computed from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from saebook.papers.zhang2026 import sts
from saebook.papers.zhang2026.cells import Cell
from saebook.papers.zhang2026.parameters import Parameters
from saebook.papers.zhang2026.records import Records
from saebook.papers.zhang2026.worlds import Kind

Pair = tuple[np.ndarray, np.ndarray]
"""Score and size of change of each domain."""


@dataclass(frozen=True)
class Evidence:
    """The records with the choices that turn them into scores."""

    records: Records
    config: Parameters
    family: str = "gemma2-base"
    sae: tuple[int, str] | None = None
    """Layer and name of the default SAE where the parameters don't say it."""
    n_latents: int | None = None
    """How many latents are scored, in place of the smallest set with a share of the change."""

    @property
    def default(self) -> tuple[int, str]:
        """Layer and name of the default SAE."""
        return self.sae or (self.config.layer, f"L0 {self.config.sparsity:g}")

    def change(
        self, kind: Kind, source: str, pairing: str = "aligned", sae: tuple[int, str] | None = None
    ) -> np.ndarray:
        """Return the change that the source's demonstrations foresee, [d_sae]."""
        layer, name = sae or self.default
        world = "format" if kind == "format" else "skill"
        path = f"change/{world}/{source}/{layer}/{name}/{pairing}"
        return self.records.vector(self.family, path)

    def profile(
        self, kind: Kind, score: str = "ICL", sae: tuple[int, str] | None = None
    ) -> np.ndarray:
        """Return what a score sums, [14, d_sae]."""
        layer, name = sae or self.default
        world = "skill" if kind == "null" else kind
        return self.records.vector(self.family, f"profile/{world}/{layer}/{name}/{score}", True)

    def chosen(self, change: np.ndarray) -> np.ndarray:
        """Return the set of latents that is scored, see `n_latents` and `sts.smallest_set`."""
        if self.n_latents is not None:
            return sts.top(change, self.n_latents)
        return sts.smallest_set(change, self.config.share_of_change)

    def scores(
        self,
        kind: Kind,
        source: str,
        score: str = "ICL",
        sae: tuple[int, str] | None = None,
        chosen: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return each domain's score, [14]."""
        latents = self.chosen(self.change(kind, source, sae=sae)) if chosen is None else chosen
        return sts.sts(self.profile(kind, score, sae), latents)

    def sizes(self, kind: Kind, source: str, variant: str = "sft") -> np.ndarray | None:
        """Return the mean over seeds of each domain's |change in accuracy|, [14], or None."""
        deltas = self.records.deltas(kind, self.family, source, variant)
        return None if deltas is None else np.abs(deltas).mean(0)

    def pairs(
        self,
        kind: Kind,
        sources: Sequence[str],
        score: str = "ICL",
        sae: tuple[int, str] | None = None,
    ) -> dict[str, Pair]:
        """Return score and size of every source that was run and read with this SAE."""
        found = {}
        for source in sources:
            sizes = self.sizes(kind, source)
            if sizes is not None and self.read(kind, source, score, sae):
                found[source] = (self.scores(kind, source, score, sae), sizes)
        return found

    def read(
        self, kind: Kind, source: str, score: str = "ICL", sae: tuple[int, str] | None = None
    ) -> bool:
        """Return whether the records hold what a score of this SAE needs."""
        layer, name = sae or self.default
        worlds = ("format" if kind == "format" else "skill", "skill" if kind == "null" else kind)
        return self.records.has(
            self.family, f"change/{worlds[0]}/{source}/{layer}/{name}/aligned"
        ) and self.records.has(self.family, f"profile/{worlds[1]}/{layer}/{name}/{score}")

    def n_seeds(self, kind: Kind, source: str, variant: str = "sft") -> int:
        """Return how many seeds of a cell were run."""
        return len(self.records.seeds(kind, self.family, source, variant))

    def cells(self, kind: Kind, sources: Sequence[str], variant: str = "sft") -> list[Cell]:
        """Return the cells that were run."""
        return [
            Cell(kind, self.family, source, seed, variant)
            for source in sources
            for seed in self.records.seeds(kind, self.family, source, variant)
        ]

    def interval(
        self, pairs: Sequence[Pair], statistic: Callable[[np.ndarray], np.ndarray]
    ) -> dict[str, float]:
        """Return estimate, low and high of a statistic of the pairs' correlations.

        Args:
            pairs: Each with fourteen domains; the same domains are drawn for all of them.
            statistic: Maps correlations [n_pairs, n_draws] to values [n_draws]; the first draw
                is the sample itself.
        """
        n, resamples = len(pairs[0][0]), self.config.n_resamples
        draws = np.random.default_rng(self.config.seed).integers(n, size=(resamples, n))
        draws = np.vstack([np.arange(n), draws])
        r = np.stack([sts.rows_r(x[draws], y[draws]) for x, y in pairs])
        return widened(statistic(r))


def widened(values: np.ndarray) -> dict[str, float]:
    """Return the first value as the estimate, with the 95 % interval of the others around it."""
    estimate = float(values[0])
    low, high = np.nanquantile(values[1:], [0.025, 0.975])
    return {
        "estimate": estimate,
        "low": float(min(low, estimate)),
        "high": float(max(high, estimate)),
    }
