"""Statistics of the chapter on made-up tables in which the answer is known."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from saebook import plots
from saebook.claims import Results, load_ledger
from saebook.claims.schema import Test
from saebook.papers.wang2025 import (
    association,
    association_rows,
    audit,
    cards,
    frames,
    gates,
    method_rows,
    methods,
    selection_rows,
)
from saebook.papers.wang2025.cells import ARMS, OWN, RANDOM
from saebook.papers.wang2025.checks import slow_tau_b
from saebook.papers.wang2025.measures import Measured
from saebook.papers.wang2025.parameters import Parameters
from saebook.papers.wang2025.utility import utilities, with_hm
from saebook.papers.wang2025.variants import variants
from saebook.plots import wang2025 as figures
from saebook.stats import Interval
from saebook.zoo import ARCHITECTURES
from saebook.zoo.grid import SPARSITIES
from saebook.zoo.validity import SAE_BOUNDS, SAE_VALID

N_LATENTS, D_SAE, FACTORS = 12, 40, (0.5, 1.0, 2.0)
CONFIG = Parameters(
    tier="smoke", model_names="m", n_latents=N_LATENTS, n_control_latents=6, n_prompts=8,
    factors="0.5 1 2", n_resamples=100,
)  # fmt: skip


def made_up(informative: bool, seed: int = 0) -> dict[str, pd.DataFrame]:
    """Thirty SAEs whose latents steer with odds that |Delta| tells, or that nothing tells."""
    rng = np.random.default_rng(seed)
    saes, parts = [], {name: [] for name in ("latents", "texts", "deltas", "floors")}
    for i, (arch, sparsity) in enumerate((a, s) for a in ARCHITECTURES for s in SPARSITIES):
        inside = {n: b.least if np.isinf(b.most) else (b.least + b.most) / 2
                  for n, b in SAE_BOUNDS.items()}  # fmt: skip
        figures_ = {n: inside[n] for n in SAE_VALID} | {"valid_l0": float(sparsity)}
        saes.append({"sae": i, "model": "m", "seed": 0, "architecture": arch,
                     "sparsity": float(sparsity), "key": str(i), **figures_})  # fmt: skip
        delta, ids = rng.normal(size=D_SAE), rng.permutation(D_SAE)[:N_LATENTS]
        odds = np.clip(np.abs(delta[ids]) / 2.5, 0.02, 0.95) if informative else np.full(12, 0.3)
        skill = rng.random(N_LATENTS) + i / 60
        latents = dict.fromkeys(variants(CONFIG), delta[ids])
        for name in ("accuracy_published", "balanced_published", "auroc_published",
                     "accuracy_true", "balanced_true", "auroc_true", "inventory_accuracy",
                     "inventory_balanced", "inventory_auroc"):  # fmt: skip
            latents[name] = skill + 0.1 * rng.random(N_LATENTS)
        for name in ("concept_f1", "density", "max_act", "input_score", "kurtosis", "kl",
                     "output_difference", "output_intervened", "entropy_change"):  # fmt: skip
            latents[name] = rng.random(N_LATENTS)
        frame = pd.DataFrame(latents).assign(latent=ids, n_true=4, concept="entity/otter", sae=i)
        parts["latents"].append(frame)
        parts["deltas"].append(
            pd.DataFrame({"delta": delta, "random": rng.random(D_SAE), "sae": i})
        )
        for arm in ARMS:
            share = odds if arm == OWN else np.full(N_LATENTS, 0.05)
            for at, latent in enumerate(ids[: None if arm == OWN else 6]):
                grid = pd.MultiIndex.from_product([FACTORS, range(8)]).to_frame(index=False)
                grid.columns = ["factor", "prompt"]
                concept = (rng.random(len(grid)) < share[at]).astype(int) * 2
                parts["texts"].append(grid.assign(
                    arm=arm, latent=latent, sae=i, concept=concept, instruction=2, fluency=2,
                    lexicon=concept, success=rng.integers(0, 4, len(grid)),
                ))  # fmt: skip
        kinds = [RANDOM] * 4 + ["permuted encoder"] * 4
        parts["floors"].append(pd.DataFrame(
            {"kind": kinds, "balanced_true": 0.3, "accuracy_published": 0.3, "sae": i}
        ))  # fmt: skip
    names = (methods.CHOSEN, methods.CLAMPED, methods.DIFFMEAN, methods.PROMPT, methods.NOTHING)
    grid = pd.MultiIndex.from_product([names, range(8), range(8)]).to_frame(index=False)
    grid.columns = ["method", "item", "prompt"]
    graded = grid.assign(factor=1.0, instruction=2, fluency=2, model="m",
                         concept=(rng.random(len(grid)) < 0.5) * 2)  # fmt: skip
    graded.loc[graded["method"] == methods.NOTHING, "concept"] = 0
    detection = pd.DataFrame(rng.random((8, 4)), columns=["named", "chosen", "diffmean", "random"])
    return {
        "saes": pd.DataFrame(saes).set_index("sae"),
        **{name: pd.concat(part, ignore_index=True) for name, part in parts.items()},
        "methods": graded,
        "detection": detection.assign(concept=range(8), model="m", sae="topk-7"),
        "prefixes": pd.DataFrame([{"model": "m", "prefix": "a", "low": -2.0, "high": 5.0}]),
    }


@pytest.fixture(scope="module")
def told() -> Measured:
    return Measured(made_up(informative=True), CONFIG)


@pytest.fixture(scope="module")
def untold() -> Measured:
    return Measured(made_up(informative=False), CONFIG)


def test_every_testbed_row_of_the_ledger_can_be_recorded(told: Measured):
    results = Results.start("wang2025", "smoke", 0, CONFIG)
    for name, (_, held) in gates.gate_values(told).items():
        results.gate(name, held)
    table, saes = selection_rows.rank_correlations(told), told.saes
    scores = method_rows.method_scores(told)
    rows = {
        "C1": association_rows.overall_row(saes, CONFIG),
        "C2": association_rows.matched_row(saes, CONFIG),
        "C3": association_rows.density_row(saes, CONFIG),
        "C4": association_rows.gated_row(saes, CONFIG),
        "C6": selection_rows.doubling_row(told),
        "C7": selection_rows.beats_output_row(told),
        "C8": selection_rows.order_row(told),
        "C9": selection_rows.steady_row(told),
        "C10": association_rows.vanishing_row(saes, CONFIG),
        "C11": selection_rows.shape_row(told),
        "K1": selection_rows.chance_row(told),
        "K2": selection_rows.crossfit_row(told),
        "K3": selection_rows.ranking_row(told, table),
        "K4": association_rows.labels_row(saes, CONFIG),
        "K5": association_rows.reliability_row(saes, CONFIG),
        "K6": selection_rows.effect_row(told, table),
        "K7": selection_rows.variants_row(told, selection_rows.variant_ratios(told)),
        "K8": method_rows.floor_row(told, scores),
        "B1": method_rows.methods_row(told, scores),
        "B2": method_rows.detection_row(told),
        "B3": method_rows.harder_row(told),
        "B4": method_rows.success_row(told),
        "B5": association_rows.sparsity_row(saes, CONFIG),
    }
    for claim, row in rows.items():
        results.record(claim, "testbed", **row)
    ledger = load_ledger("wang2025")
    asked = {c.id for c in ledger.claims if isinstance(c.block("testbed"), Test)}
    assert asked == set(rows)


def test_selection_beats_chance_only_where_the_score_tells_something(told, untold):
    knowing, guessing = (selection_rows.chance_row(m) for m in (told, untold))
    assert knowing["low"] > 0
    assert guessing["low"] < 0.05 and guessing["estimate"] < knowing["estimate"] / 2
    best = selection_rows.doubling_row(untold)
    assert best["estimate"] > 1.2, "the best of eighteen subsets gains without any information"
    crossed = selection_rows.crossfit_row(untold)["estimate"]
    assert crossed["over no selection, fixed tier"] == pytest.approx(1, abs=0.25)
    assert selection_rows.rank_correlations(told)["confidence"].mean() > 0.5


def test_permuted_rows_are_ranked_by_the_confidence_of_the_row_they_got(told):
    table = told.permuted
    deltas = told.tables["deltas"].groupby("sae")["delta"].apply(np.array)
    own = [deltas[s][i] for s, i in zip(table["sae"], table["latent"], strict=True)]
    assert not np.isclose(table["V1"], own).any()
    assert set(told.controls["arm"]) == set(ARMS)


def test_a_permuted_decoder_and_permuted_encoders_both_have_to_fail(told):
    table, lost = gates.permutation_table(told), gates.encoder_loss(told)
    assert lost.low > 0.3 and gates.permutations_fail(table, lost)
    assert not gates.permutations_fail(table, Interval(0.001, -0.01, 0.02))
    table.loc["permuted decoder", "utility"] = table.loc["as trained", "utility"]
    assert not gates.permutations_fail(table, lost)


def test_taus_agree_with_scipy_and_a_slow_transcription_on_ties_and_are_zero_for_constants():
    rng = np.random.default_rng(0)
    for _ in range(20):
        x, y = rng.integers(4, size=(2, 15))
        assert association.tau(x, y) == pytest.approx(kendalltau(x, y).statistic)
        assert association.tau(x, y) == pytest.approx(slow_tau_b(x.tolist(), y.tolist()))
    assert association.tau([1, 1, 1], [1, 2, 3]) == 0 and association.rho([1.0], [2.0]) == 0


def test_a_partial_tau_removes_what_a_third_variable_explains():
    z = np.arange(40)
    assert association.partial_tau(z, z, np.random.default_rng(0).random(40)) > 0.9
    rng = np.random.default_rng(1)
    x, y = z + rng.normal(0, 6, 40), z + rng.normal(0, 6, 40)
    assert association.tau(x, y) > 0.5 > abs(association.partial_tau(x, y, z)) + 0.2


def test_matched_groups_vary_along_one_axis_and_printed_groups_mix_models():
    index = pd.MultiIndex.from_product([ARCHITECTURES, SPARSITIES, ["a", "b"]])
    saes = index.to_frame(index=False)
    saes.columns = ["architecture", "sparsity", "model"]
    saes = saes.assign(mu=np.arange(60.0), g=np.arange(60.0))
    flipped = saes.assign(g=saes["g"] * np.where(saes["model"] == "a", 1, -1))
    assert association.matched_psis(saes) == {"architecture": 1, "sparsity": 1, "model": 1}
    assert association.matched_psis(flipped)["architecture"] == 0
    assert len(association.group_taus(saes, ["architecture", "model"])) == 10
    table = association.association_table(saes)
    assert table.loc[("overall", "all"), "n"] == 60 and len(table) == 1 + 5 + 6 + 2


def test_the_drop_with_density_and_the_exception_are_read_from_the_right_groups(told):
    saes = told.saes.assign(g=told.saes["mu"])
    dense = saes["sparsity"] == SPARSITIES[-2]
    saes.loc[dense, "g"] = -saes.loc[dense, "mu"]
    assert association_rows.density_drop(saes) == pytest.approx(2)
    gated = saes.assign(g=np.where(saes["architecture"] == "gated", -saes["mu"], saes["mu"]))
    assert association_rows.gated_gap(gated) == pytest.approx(-2)


def test_reliability_is_spearman_brown_and_zero_below_zero():
    x = pd.Series(np.arange(20.0))
    assert association_rows.reliability(x, x) == 1
    assert association_rows.reliability(x, -x) == 0


def test_the_factor_is_chosen_on_other_prompts_and_ties_take_the_smallest():
    rows = [(f, p, h) for f, hs in {0.5: (1, 1, 0, 0), 1.0: (1, 1, 2, 2), 2.0: (0, 0, 2, 2)}.items()
            for p, h in enumerate(hs)]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["factor", "prompt", "hm"]).assign(latent=3)
    found = utilities(frame, ["latent"], n_dev=2).loc[3]
    assert found["factor"] == 0.5 and found["dev"] == 1 and found["score"] == 0
    better = frame.assign(hm=np.where(frame["factor"] == 1.0, 2, frame["hm"]))
    assert utilities(better, ["latent"], n_dev=2).loc[3, "score"] == 2
    with pytest.raises(ValueError, match="nothing to score"):
        utilities(frame, ["latent"], n_dev=4)


def test_zeros_are_kept_in_the_harmonic_mean():
    frame = pd.DataFrame({"concept": [2, 0], "instruction": [1, 2], "fluency": [2, 2]})
    assert with_hm(frame)["hm"].tolist() == [1.5, 0]


def test_a_filter_that_keeps_nothing_gains_nothing():
    table = pd.DataFrame({"sae": [0, 1], "success": [1.0, 5.0], "output_difference": [0.0, 0.5],
                          "input_score": 1.0})  # fmt: skip
    sums = method_rows.filter_sums(table)
    assert method_rows.filter_gain(sums) == 2 and sums["both"].tolist() == [0, 1]
    none = method_rows.filter_sums(table.assign(output_difference=0.0))
    assert method_rows.filter_gain(none) == 0


def test_slopes_are_rank_correlations_and_zero_where_nothing_moves(told):
    slopes = method_rows.instruction_slopes(told)
    assert (slopes == 0).all(), "every made-up instruction grade is 2"
    rng = np.random.default_rng(3)
    texts = told.tables["texts"].assign(instruction=rng.integers(3, size=len(told.tables["texts"])))
    moved = Measured({**told.tables, "texts": texts}, CONFIG)
    own = texts[(texts["arm"] == OWN) & (texts["sae"] == 4)]
    means = own.groupby(["latent", "factor"])["instruction"].mean().unstack("factor")
    slow = [association.rho(list(FACTORS), row.tolist()) for row in means.to_numpy()]
    assert method_rows.instruction_slopes(moved)[4] == pytest.approx(np.mean(slow))


@pytest.mark.parametrize("factors", ["", "0.5 0.5", "2 1", "-1 2", "one two", "0"])
def test_factors_that_do_not_rise_are_refused(factors):
    with pytest.raises(ValueError, match=r"factors|at least 1"):
        Parameters(factors=factors)


def test_more_control_latents_than_latents_are_refused():
    with pytest.raises(ValueError, match="n_control_latents 6 exceeds"):
        Parameters(n_latents=5, n_control_latents=6)


def test_every_figure_is_drawn_from_its_frame(told):
    plots.use_style()
    drawn = [
        (figures.sae_scatter, (told.saes,)),
        (figures.latent_bins, (frames.latent_bins(told, 4),)),
        (figures.tau_by_sparsity, (frames.tau_frame(told, audit.sparsity_taus()),)),
        (figures.lifts, (frames.lift_frame(told),)),
        (figures.delta_histogram, (frames.delta_frame(told), [-2.0, 5.0])),
        (figures.labels_by_l0, (frames.label_frame(told),)),
        (figures.lines_by, (frames.factor_frame(told), "measure", "value", "grade")),
        (figures.lines_by, (frames.latent_curves(told), "label", "hm", "harmonic mean")),
    ]
    for draw, arguments in drawn:
        _, (ax,) = plots.figure()
        draw(ax, *arguments)
        assert ax.get_xlabel() or ax.get_xticklabels()
        assert ax.get_ylabel() and ax.has_data()
    assert len(frames.correlation_table(told, selection_rows.rank_correlations(told))) == 13


def test_a_card_shows_everything_and_escapes_it():
    card = cards.Card(
        7, "entity/<otter>", 0.9, [("<b>", 0.8)], ["fish"], [(["a", "b"], [0.0, 1.0])],
        [(0.5, "law : the <i>", (2, 1, 2))],
    )  # fmt: skip
    html = figures.latent_card(card).html
    assert "latent 7" in html and "&lt;otter&gt;" in html and "&lt;i&gt;" in html
    assert "2 1 2" in html and "<b>," not in html


def test_figures_refuse_frames_without_their_columns():
    _, (ax,) = plots.figure()
    with pytest.raises(ValueError, match="valid_l0"):
        figures.sae_scatter(ax, pd.DataFrame({"mu": [1], "g": [1], "architecture": ["topk"]}))
