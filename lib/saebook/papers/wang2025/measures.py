"""From tables to numbers an SAE: interpretability mu, utility g, and g after selection."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from saebook.papers.wang2025 import selection
from saebook.papers.wang2025.cells import OWN, PERMUTED, Tables, partners
from saebook.papers.wang2025.parameters import Parameters
from saebook.papers.wang2025.utility import utilities, with_hm

CONFIDENCE, OUTPUT = "V1", "output_difference"
N_RANDOM = 200
"""Random rankings an SAE."""
CEILING = "inventory_balanced"
"""Detection by the world's own concepts, where there is such a world."""


@dataclass(frozen=True, eq=False)
class Measured:
    """Everything the statistics need, drawn from the tables."""

    tables: Tables
    config: Parameters

    @cached_property
    def texts(self) -> pd.DataFrame:
        """Steered texts with hm."""
        return with_hm(self.tables["texts"])

    @cached_property
    def latents(self) -> pd.DataFrame:
        """A row a latent: interpretability, selection scores and steering score (arm: own rows).

        Columns of the tables, and factor, dev, score, half_a, half_b of `utilities`.
        """
        own = self.texts[self.texts["arm"] == OWN]
        steered = utilities(own, ["sae", "latent"], self.config.n_dev)
        return self.tables["latents"].merge(steered.reset_index(), on=["sae", "latent"])

    @cached_property
    def controls(self) -> pd.DataFrame:
        """Steering scores of the latents that every arm steers: sae, latent, arm, score, dev."""
        shared = self.texts[self.texts["arm"] == PERMUTED][["sae", "latent"]].drop_duplicates()
        texts = self.texts.merge(shared, on=["sae", "latent"])
        texts = texts.assign(arm=texts["arm"].astype(str))
        return utilities(texts, ["sae", "latent", "arm"], self.config.n_dev).reset_index()

    @cached_property
    def groups(self) -> dict[int, pd.DataFrame]:
        """The latents of each SAE."""
        return {int(str(sae)): part for sae, part in self.latents.groupby("sae")}

    @cached_property
    def saes(self) -> pd.DataFrame:
        """A row an SAE: its spec and figures, mu in its readings, g before and after selection."""
        rows = {sae: _numbers(part, sae, self.config.seed) for sae, part in self.groups.items()}
        numbers = pd.DataFrame.from_dict(rows, orient="index")
        return self.tables["saes"].loc[numbers.index].join(numbers)

    @cached_property
    def permuted(self) -> pd.DataFrame:
        """Latents of the permuted arm with the Delta Token Confidence of the row they got."""
        deltas = self.tables["deltas"]
        table = self.controls[self.controls["arm"] == PERMUTED]
        sizes = deltas.groupby("sae").size()
        got = [
            partners(int(sizes[sae]), self.config.seed)[latent].item()
            for sae, latent in zip(table["sae"], table["latent"].astype(int), strict=True)
        ]
        by_sae = {sae: part["delta"].to_numpy() for sae, part in deltas.groupby("sae")}
        found = [by_sae[sae][at] for sae, at in zip(table["sae"], got, strict=True)]
        return table.assign(V1=found)


def _numbers(part: pd.DataFrame, sae: int, seed: int) -> dict[str, float]:
    """One SAE's numbers from its latents."""
    score, dev = part["score"].to_numpy(float), part["dev"].to_numpy(float)
    even = np.arange(len(part)) % 2 == 0
    published = part["accuracy_published"].to_numpy(float)
    confidence, output = (part[name].to_numpy(float) for name in (CONFIDENCE, OUTPUT))
    rng = np.random.default_rng((seed, sae))
    chosen = selection.best_subset(score, confidence)
    random = selection.random_best_of(score, 2 * N_RANDOM, rng)
    known = {"mu_inventory": part[CEILING].mean()} if CEILING in part else {}
    return {
        **known,
        "mu": published.mean(),
        "mu_a": published[even].mean(),
        "mu_b": published[~even].mean(),
        "mu_true": part["accuracy_true"].mean(),
        "mu_balanced": part["balanced_true"].mean(),
        "mu_auroc": part["auroc_true"].mean(),
        "g": score.mean(),
        "g_a": score[even].mean(),
        "g_b": score[~even].mean(),
        "g_high": score[chosen].mean(),
        "g_high_a": part["half_a"].to_numpy(float)[chosen].mean(),
        "g_high_b": part["half_b"].to_numpy(float)[chosen].mean(),
        "n_high": len(chosen),
        "g_same_size": _random_subset(score, len(chosen), rng),
        "g_output": selection.best_of_score(score, output, "up"),
        "g_random": random[:N_RANDOM].mean(),
        "g_random_2": random[N_RANDOM:].mean(),
        "g_random_up": selection.random_best_of(score, N_RANDOM, rng, "up").mean(),
        "g_cross": selection.cross_fitted_score(dev, score, confidence),
        "g_cross_output": selection.cross_fitted_score(dev, score, output, "up"),
        "g_cross_random": _random_cross(dev, score, rng),
        "g_fixed": selection.one_tier_score(score, confidence),
        "g_fixed_output": selection.one_tier_score(score, output, "up"),
    }


def _random_subset(score: np.ndarray, size: int, rng: np.random.Generator) -> float:
    """Mean score of one random subset, so as noisy as a selected one."""
    return float(rng.permutation(score)[:size].mean())


def _random_cross(dev: np.ndarray, score: np.ndarray, rng: np.random.Generator) -> float:
    """Mean cross-fitted score under random rankings."""
    found = [
        selection.cross_fitted_score(dev, score, rng.random(len(score))) for _ in range(N_RANDOM)
    ]
    return float(np.mean(found))
