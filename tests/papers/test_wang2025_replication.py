"""Which numbers belong to an SAE's recipe and which to its seed, on made-up grids."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from saebook.papers.wang2025 import replication
from saebook.papers.wang2025.grid import grid_specs
from saebook.papers.wang2025.parameters import Parameters
from saebook.zoo.validity import SAE_BOUNDS, SAE_VALID


def grid(noise: float, n_seeds: int = 3) -> pd.DataFrame:
    """Thirty recipes; mu and g are the recipe's plus noise, all figures within their bounds."""
    rng = np.random.default_rng(0)
    rows = []
    recipes = [(a, s) for a in ("topk", "gated", "standard") for s in range(10)]
    own = rng.normal(size=len(recipes))
    for seed in range(n_seeds):
        for value, (architecture, sparsity) in zip(own, recipes, strict=True):
            mu, g = value + noise * rng.normal(size=2)
            held = {n: float(np.clip(0.75, *SAE_BOUNDS[n][:2])) for n in SAE_VALID}
            halves = {f"{n}_{half}": v for n, v in (("mu", mu), ("g", g)) for half in "ab"}
            numbers = {"mu": mu, "g": g, "mu_balanced": mu, "g_high": g}
            row = {"seed": seed, "architecture": architecture, "sparsity": sparsity}
            rows.append({**row, **held, **halves, **numbers})
    return pd.DataFrame(rows)


def test_without_noise_a_number_belongs_to_the_recipe():
    shares = replication.recipe_shares(grid(0.0))
    assert shares.loc["steering score", "ICC"] == pytest.approx(1)
    assert shares.loc["steering score", "tau_b of two seeds"] == pytest.approx(1)
    assert shares.loc["steering score", "between seeds"] == pytest.approx(0)


def test_with_noise_alone_it_belongs_to_the_seed():
    saes = grid(1.0)
    saes["g"] = np.random.default_rng(1).normal(size=len(saes))
    shares = replication.recipe_shares(saes)
    assert abs(shares.loc["steering score", "ICC"]) < 0.3
    assert shares.loc["steering score", "between seeds"] == pytest.approx(1, abs=0.2)


def test_the_intraclass_correlation_is_the_textbooks():
    saes = grid(0.5)
    table = saes.pivot_table(index=replication.RECIPE, columns="seed", values="mu").to_numpy()
    n, k = table.shape
    between = k * ((table.mean(1) - table.mean()) ** 2).sum() / (n - 1)
    within = ((table - table.mean(1, keepdims=True)) ** 2).sum() / (n * (k - 1))
    expected = (between - within) / (between + (k - 1) * within)
    found = replication.recipe_shares(saes)
    assert found.loc[replication.NUMBERS["mu"], "ICC"] == pytest.approx(expected)


def test_every_seed_and_their_mean_have_a_row():
    table = replication.by_seed(grid(0.5))
    assert table.index.tolist() == ["seed 0", "seed 1", "seed 2", "mean of the seeds"]
    assert (table["valid SAEs"] == 1).all()
    assert table.loc["mean of the seeds", "tau_b"] > table["tau_b"].iloc[:3].mean()


def test_the_tables_own_seed_is_reduced_to_as_many_latents_as_the_others_have(monkeypatch):
    seen = {}

    class Made:
        def __init__(self, tables, config):
            seen.update(tables)
            self.saes = grid(0.5, n_seeds=1)

    monkeypatch.setattr(replication, "Measured", Made)
    saes = pd.DataFrame({"model": ["gemma2-base", "gemma2-base", "llama-base"]})
    latents = pd.DataFrame({"sae": np.repeat([0, 1, 2], 20), "latent": np.tile(np.arange(20), 3)})
    config = Parameters(n_latents=20, n_control_latents=5)
    m = SimpleNamespace(tables={"saes": saes, "latents": latents}, config=config)
    both = replication.with_first_seed(m, grid(0.5, n_seeds=1).assign(seed=7))  # type: ignore[arg-type]
    assert seen["latents"].groupby("sae")["latent"].agg(list).tolist() == [list(range(16))] * 2
    assert both["seed"].tolist() == [0] * 30 + [7] * 30


def test_recipes_without_every_seed_are_refused():
    with pytest.raises(ValueError, match="1 recipes lack some of the 3 seeds"):
        replication.recipe_shares(grid(0.5).iloc[1:])
    with pytest.raises(ValueError, match="lack some of the 1 seeds"):
        replication.recipe_shares(grid(0.5, n_seeds=1))


def test_a_run_of_other_sizes_has_no_seeds_on_record_and_measures_none(monkeypatch):
    monkeypatch.setattr(replication, "measure_grid", None)
    smoke = Parameters(tier="smoke", n_latents=5, n_control_latents=5, more_sae_seeds="1")
    assert replication.seed_numbers(smoke) is None
    assert replication.seed_numbers(Parameters(more_sae_seeds="")) is None
    assert Parameters(sae_seeds="1", more_sae_seeds="2 1 2").more_seeds == (2,)


def test_at_the_full_tier_the_first_models_grid_is_measured_seed_by_seed(tmp_path, monkeypatch):
    monkeypatch.setenv("SAEBOOK_RESULTS_DIR", str(tmp_path))
    asked = []

    class Made:
        def __init__(self, tables, config):
            self.saes = grid(0.5, n_seeds=1).assign(seed=config.seeds[0])

    def measured(config, only, say):
        asked.append((config.models, config.seeds, len(only)))
        return {}

    monkeypatch.setattr(replication, "measure_grid", measured)
    monkeypatch.setattr(replication, "Measured", Made)
    config = Parameters(tier="full", more_sae_seeds="4 5")
    found = replication.seed_numbers(config)
    assert asked == [(("gemma2-base",), (4,), 30), (("gemma2-base",), (5,), 30)]
    assert found is not None and found["seed"].unique().tolist() == [4, 5]
    again = replication.seed_numbers(config)
    assert again is not None and again.equals(found) and len(asked) == 2
    assert len(grid_specs(config)) == 90
