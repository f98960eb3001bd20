"""The first model's grid trained again from other seeds: which numbers belong to the recipe?

The paper trains each SAE once. A number that another seed of the same recipe does not give again
says nothing about architecture or sparsity, and cannot be explained by another such number.
"""

from __future__ import annotations

import hashlib
from itertools import combinations

import numpy as np
import pandas as pd

from saebook.papers.wang2025.association import tau
from saebook.papers.wang2025.gates import spread_over_error, validity
from saebook.papers.wang2025.grid import Progress, cell_key, grid_specs, measure_grid
from saebook.papers.wang2025.measures import Measured
from saebook.papers.wang2025.parameters import Parameters
from saebook.records import matching_record, recorded_table
from saebook.zoo import HouseSource
from saebook.zoo.validity import SAE_VALID

NUMBERS = {
    "mu": "detection accuracy",
    "mu_balanced": "balanced, true labels",
    "g": "steering score",
    "g_high": "the same, selected",
    "valid_l0": "L0",
    "valid_fvu_pooled": "variance unexplained",
}
"""What is compared between seeds, by column."""
RECIPE = ["architecture", "sparsity"]
KEPT = ["seed", *RECIPE, "mu", "mu_a", "mu_b", "mu_balanced", "g", "g_a", "g_b", "g_high"]


def seed_numbers(config: Parameters, say: Progress | None = None) -> pd.DataFrame | None:
    """Return the numbers of the first model's SAEs of `more_sae_seeds`, a row an SAE.

    Measured at the full tier and read from its records elsewhere.

    Returns:
        Columns seed, architecture, sparsity, mu and g with their halves, mu_balanced, g_high, and
        the figures of `SAE_VALID`; None where no record fits these sizes, or no seed is named.
    """
    runs = [_of_seed(config, seed) for seed in config.more_seeds]
    if not runs:
        return None
    source = HouseSource()
    keys = [cell_key(spec, run, source) for run in runs for spec in grid_specs(run)]
    made_on = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]
    if config.tier != "full":
        return matching_record("wang2025", "seeds", made_on)
    return recorded_table(
        "wang2025", "seeds", config.tier, made_on, lambda: _measured(runs, say), size=made_on
    )


def _of_seed(config: Parameters, seed: int) -> Parameters:
    """The same run on one model and seed, with four fifths of the latents.

    The tables' own SAEs set how many latents are asked for; the sparsest of another seed can have
    fewer of them in enough windows.
    """
    fewer = max(config.n_control_latents, config.n_latents * 4 // 5)
    changes = {"model_names": config.models[0], "sae_seeds": str(seed), "n_latents": fewer}
    return config.model_copy(update=changes)


def _measured(runs: list[Parameters], say: Progress | None) -> pd.DataFrame:
    parts = []
    for run in runs:
        tables = measure_grid(run, only=list(range(len(grid_specs(run)))), say=say)
        parts.append(Measured(tables, run).saes[[*KEPT, *SAE_VALID]])
    return pd.concat(parts, ignore_index=True)


def with_first_seed(m: Measured, again: pd.DataFrame) -> pd.DataFrame:
    """Put the numbers of the tables' own seed, of the first model, above those of the others.

    Each SAE is reduced to the latents that were drawn first, as many as the others have.
    """
    saes, latents = m.tables["saes"], m.tables["latents"]
    own = saes.index[saes["model"] == m.config.models[0]]
    n = _of_seed(m.config, 0).n_latents
    fewer = latents[latents["sae"].isin(own)].groupby("sae").head(n)
    first = Measured({**m.tables, "latents": fewer}, m.config).saes
    return pd.concat([first[[*KEPT, *SAE_VALID]], again], ignore_index=True)


def by_seed(saes: pd.DataFrame) -> pd.DataFrame:
    """What each seed says of C1, and the means of the seeds together: a row a seed.

    Args:
        saes: As `with_first_seed` gives it.

    Returns:
        Columns valid SAEs (share), spread of utility (split-half errors), tau_b of interpretability
        and utility, the same with balanced accuracy.
    """
    rows = {
        f"seed {seed}": {
            "valid SAEs": float(validity(own)["all"]),
            "spread of utility, errors": spread_over_error(own, "g"),
            "tau_b": tau(own["mu"].tolist(), own["g"].tolist()),
            "tau_b, balanced": tau(own["mu_balanced"].tolist(), own["g"].tolist()),
        }
        for seed, own in saes.groupby("seed")
    }
    mean = saes.groupby(RECIPE, as_index=False).mean(numeric_only=True)
    rows["mean of the seeds"] = {
        "valid SAEs": float(validity(saes)["all"]),
        "spread of utility, errors": spread_over_error(mean, "g"),
        "tau_b": tau(mean["mu"].tolist(), mean["g"].tolist()),
        "tau_b, balanced": tau(mean["mu_balanced"].tolist(), mean["g"].tolist()),
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def recipe_shares(saes: pd.DataFrame) -> pd.DataFrame:
    """How much of each number belongs to the recipe: a row a number of `NUMBERS`.

    Columns: spread between recipes and between seeds of one recipe (standard deviations), the
    intraclass correlation ICC(1) = (B - W) / (B + (k - 1) W) of the mean squares between and
    within recipes of k seeds, and the mean tau_b between two seeds.

    Raises:
        ValueError: There are recipes without every seed.
    """
    k, sizes = saes["seed"].nunique(), saes.groupby(RECIPE).size()
    if k < 2 or (sizes != k).any():
        raise ValueError(f"{int((sizes != k).sum())} recipes lack some of the {k} seeds")
    rows = {}
    for name, says in NUMBERS.items():
        table = saes.pivot_table(index=RECIPE, columns="seed", values=name).to_numpy()
        between = k * table.mean(1).var(ddof=1)
        within = table.var(axis=1, ddof=1).mean()
        total = between + (k - 1) * within
        pairs = [tau(a.tolist(), b.tolist()) for a, b in combinations(table.T, 2)]
        rows[says] = {
            "between recipes": float(np.sqrt(max(0.0, (between - within) / k))),
            "between seeds": float(np.sqrt(within)),
            "ICC": float((between - within) / total) if total > 0 else float("nan"),
            "tau_b of two seeds": float(np.mean(pairs)),
        }
    return pd.DataFrame.from_dict(rows, orient="index")
