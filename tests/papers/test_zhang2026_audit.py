"""The audit of Zhang et al.: the printed numbers follow from the plotted points, or they do not."""

from __future__ import annotations

import pytest

from saebook.papers.zhang2026 import audit, tables


def test_the_plotted_points_give_the_printed_correlations() -> None:
    found = audit.correlations()
    assert len(found) == 6
    assert found["r"].to_numpy() == pytest.approx(found["printed"].to_numpy(), abs=0.021)


def test_the_domains_plotted_are_the_extremes_of_size() -> None:
    for column, model in enumerate(tables.MODELS[:2]):
        sizes = {domain: abs(values[column]) for domain, values in tables.DELTAS.items()}
        assert set(audit.extremes(sizes)) == set(tables.FIGURE_3[model, "act"])


def test_gemma_hangs_on_engineering_alone() -> None:
    gemma = audit.correlations().set_index(["model", "score"]).loc["Gemma2-9B"]
    assert gemma["without_engineering"].to_dict() == pytest.approx(
        {"act": -0.24, "ICL": 0.07}, abs=0.03
    )
    assert set(gemma["left_out"]) == {"engineering"}


def test_choosing_extremes_raises_a_true_half_to_about_six_tenths() -> None:
    found = audit.selection_inflation(0.5, 400, seed=1)
    assert all(0.55 < r < 0.68 for r in found.values())
    assert all(found[model] < r for model, r in audit.selection_inflation(0.6, 400, seed=1).items())


def test_choosing_extremes_leaves_no_correlation_at_none() -> None:
    assert all(abs(r) < 0.06 for r in audit.selection_inflation(0.0, 2000, seed=2).values())


def test_a_true_r_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"true_r is 1\.2"):
        audit.selection_inflation(1.2, 10, seed=0)


def test_too_few_domains_have_no_extremes() -> None:
    with pytest.raises(ValueError, match="3 domains cannot give 4"):
        audit.extremes({"a": 1.0, "b": 2.0, "c": 3.0})


def test_one_models_change_foretells_anothers_until_engineering_goes() -> None:
    found = audit.between_models()
    assert found["r"].between(0.65, 0.8).all()
    assert found["without_engineering"].max() < 0.5


def test_the_four_small_domains_lie_within_noise() -> None:
    noise = audit.binomial_noise().set_index("domain")
    assert noise.loc["law", "error"] == pytest.approx(2.12, abs=0.01)
    assert (noise.loc[["psychology", "biology", "history"], "Llama3-8B"] < 1).all()


def test_the_printed_leads_and_costs_are_what_the_ledger_names() -> None:
    assert audit.leads() == {"over training-free": 0.68, "over post-hoc": 0.18}
    assert audit.selective_leads() == {"K=1000": 1.4, "K=3000": 2.9}
    assert audit.mixture_cost() == 1.2
    assert audit.sparsity_trend()["drop"] == 0.13
    spread = audit.spread_over_models()
    assert spread["act"] - spread["ICL"] == pytest.approx(0.13, abs=0.01)
