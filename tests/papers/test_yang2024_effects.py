"""Gains, nulls and rows on made-up records whose answers are known; one arm trained for real."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from saebook.claims import load_ledger
from saebook.papers.yang2024 import (
    effects,
    gates,
    records,
    rows,
    side_rows,
    sources,
    tables,
    training,
)
from saebook.papers.yang2024.arms import (
    FREE,
    INTERFERENCE,
    PREREQUISITE,
    Arm,
    Cell,
    Plan,
)
from saebook.papers.yang2024.effects import Table
from saebook.papers.yang2024.parameters import Parameters
from saebook.papers.yang2024.sittings import shown_items, sitting
from saebook.papers.yang2024.starts import _untrained, load_start
from saebook.papers.yang2024.training import Settings, train_cell
from saebook.stats import t_interval

PLAN = Plan(("small", "large"), "large", "guessing")
N_TEST = 200
ASKED = {test: (1 / tables.OPTIONS[test], N_TEST) for test in effects.SETS}


def accuracy_of(arm: Arm) -> float:
    """A made-up truth: Curriculum helps where there is a prerequisite, Blocked harms."""
    if arm.model == PLAN.chance_model:
        return 0.2167
    if arm.world == FREE:
        return 0.4
    if arm.order == "Curriculum" and not arm.label.startswith("redrawn"):
        return 0.48 if arm.world == PREREQUISITE else 0.4
    if arm.order == "Blocked" and arm.categories == "given" and arm.show == "once":
        return 0.3 if arm.world == INTERFERENCE else 0.4
    return 0.4


@pytest.fixture(scope="module")
def made() -> pd.DataFrame:
    rng, found = np.random.default_rng(0), []
    for arm in PLAN.arms():
        for seed in PLAN.seeds(arm):
            for test in effects.SETS:
                bits = rng.random(N_TEST) < accuracy_of(arm)
                found.append(records.rows_of(arm, seed, test, bits, "w"))
    return pd.DataFrame(found)


@pytest.fixture(scope="module")
def held(made: pd.DataFrame) -> rows.Evidence:
    return rows.Evidence(Table(made), PLAN, PLAN.models, 100, 0)


def test_records_come_back_bit_by_bit(made, tmp_path):
    again = records.read(records.write(made, tmp_path / records.FILE))
    assert len(again) == len(made) and set(PLAN.arms()) == records.held_arms(again)
    row = made.iloc[7]
    same = again[(again["seed"] == row["seed"]) & (again["test"] == row["test"])]
    twin = records.select(same, [Arm(**{f: row[f] for f in records.FIELDS})]).iloc[0]
    assert twin["bits"] == row["bits"]
    assert records.unpacked(row["bits"], row["n"]).sum() == records.accuracies(made)["right"][7]


def test_records_that_do_not_fit_are_refused(made, tmp_path):
    with pytest.raises(ValueError, match="make full"):
        records.read(tmp_path / "none.parquet")
    with pytest.raises(ValueError, match="version"):
        records.accuracies(made.assign(version=99))
    with pytest.raises(ValueError, match="number of bits"):
        records.accuracies(made.assign(n=N_TEST + 50))
    with pytest.raises(ValueError, match="no record of"):
        records.select(made, [Arm("elsewhere", FREE, "Blocked")])


def test_an_arm_with_a_label_it_cannot_read_is_refused():
    with pytest.raises(ValueError, match="a curriculum needs one"):
        Arm("m", PREREQUISITE, "Curriculum")
    with pytest.raises(ValueError, match="a curriculum needs one"):
        Arm("m", PREREQUISITE, "Blocked", "models")
    with pytest.raises(ValueError, match="'Spiral'"):
        Arm("m", PREREQUISITE, "Spiral")
    with pytest.raises(ValueError, match="needs six"):
        Plan(("a", "b"), "a", draws=3)


def test_the_paper_s_nine_orders_stand_in_each_world_with_an_effect():
    core = [a for a in PLAN.core("small") if a.world == PREREQUISITE and a.draw == 0]
    assert len(core) == 9
    assert len({arm.key for arm in PLAN.arms()}) == len(PLAN.arms())


def test_margins_are_means_over_sets_and_over_models():
    grid = np.arange(6 * 2 * 3 * 1, dtype=float).reshape(6, 2, 3, 1)
    found = effects.margins(grid)
    assert found.shape == (6, 5, 1)
    assert found[0, :, 0].tolist() == [1.0, 4.0, 1.5, 2.5, 3.5]


def test_the_average_best_gain_is_the_one_read_from_the_margins_by_hand():
    grid = np.zeros((6, 2, 3, 2))
    grid[3, 0] += 6
    assert effects.average_best_gain(grid) == pytest.approx((6 + 0 + 3 + 3 + 3) / 5)
    assert effects.largest_set_gain(grid) == pytest.approx(3)


def test_random_orders_pass_our_test_one_time_in_twenty_and_the_paper_s_far_more_often():
    rng = np.random.default_rng(1)
    ours, paper = [], []
    for _ in range(12):
        pool, other = rng.standard_normal((2, 6, 2, 3, 5))
        found = effects.false_pass_rates(pool, other, 60, 0)
        ours.append(found["ours"])
        paper.append(found["paper"])
    assert np.mean(ours) < 0.2
    assert np.mean(paper) > 0.3


def test_a_null_needs_six_shuffles():
    with pytest.raises(ValueError, match="needs six"):
        effects.null_gains(np.zeros((5, 1, 3, 2)), 10, 0)


def test_reassigned_orders_keep_every_seed_s_runs_together():
    pool = np.arange(6 * 1 * 3 * 4, dtype=float).reshape(6, 1, 3, 4)
    play = effects.reassigned(pool, np.random.default_rng(0))
    assert (np.sort(play[..., 2], axis=0) == np.sort(pool[..., 2], axis=0)).all()
    assert (np.diff(play[:, 0, :, 1], axis=1) == 4).all()


def test_the_spread_that_seeds_make_is_taken_off():
    alike = np.tile(np.array([0.0, 1.0, -1.0, 0.5]), (3, 1))
    assert effects.excess_spread(alike) < 0
    assert effects.excess_spread(alike + np.array([[5.0], [0.0], [-5.0]])) > 3


def test_an_interval_over_four_runs_is_nearly_as_wide_as_student_s():
    runs = np.array([0.0, 1.0, 2.0, 5.0])
    found = effects.resampled_seeds(lambda index: float(runs[index].mean()), 4, 4000, 0)
    student = t_interval(runs)
    assert found.estimate == student.estimate
    assert (found.low, found.high) == (0.0, 5.0)
    assert 0.6 < (found.high - found.low) / (student.high - student.low) < 1


def test_a_known_gain_is_found_beyond_the_null_and_none_where_there_is_none(held):
    found = rows.best_gain_row(held)
    assert found["estimate"][PREREQUISITE] > 2
    assert found["controls"]["gain_beyond_null_in_the_order_free_world"] < 1.5


def test_the_positive_controls_see_the_made_up_effects(held):
    frame = gates.positive_controls(held)
    assert gates.control_holds(frame)
    assert frame.loc[INTERFERENCE, "effect"] > 4 and frame.loc[PREREQUISITE, "n"] == 10


def test_models_near_chance_are_set_aside(held, made):
    frame = gates.chance_frame(held, ASKED)
    assert frame["above"].to_dict() == {"small": True, "large": True, "guessing": False}
    assert gates.above_chance(held, frame).models == PLAN.models
    guess = made.assign(bits=[np.packbits(np.arange(N_TEST) % 5 == 0).tobytes()] * len(made))
    low = dataclasses.replace(held, table=Table(guess))
    frame = gates.chance_frame(low, ASKED)
    assert not frame["above"].any()
    assert gates.above_chance(low, frame).models == PLAN.models


ROWS = {
    "K1": rows.best_gain_row,
    "K2": rows.ceiling_row,
    "K3": rows.interleaved_row,
    "K4": rows.sweep_row,
    "K5": rows.winners_row,
    "K6": rows.interaction_row,
    "K7": side_rows.labels_row,
    "K8": side_rows.best_overall_row,
    "K9": side_rows.large_row,
    "K10": side_rows.clusters_row,
    "K11": rows.blocked_row,
    "K12": side_rows.repetition_row,
    "K13": side_rows.rate_row,
    "K14": lambda held: rows.chance_row(held, gates.chance_frame(held, ASKED)),
}


def test_rows_whose_cells_have_more_runs_read_all_of_them(held):
    runs = {claim: make(held)["n"] for claim, make in ROWS.items()}
    more = {"K7": 12, "K10": 12, "K12": 12}
    assert runs == {claim: more.get(claim, 4) for claim in ROWS}


def test_a_row_reads_as_many_runs_as_all_of_its_cells_have_on_record(held, made):
    last = PLAN.cluster_arms()[-1]
    own = (made["categories"] == last.categories) & (made["order"] == last.order)
    stopped = dataclasses.replace(held, table=Table(made[~own | (made["seed"] < 7)]))
    assert side_rows.clusters_row(stopped)["n"] == 7
    fewer = dataclasses.replace(held, table=Table(made[~own | (made["seed"] < 3)]))
    with pytest.raises(records.MissingRecords, match="1 of 4 runs"):
        side_rows.clusters_row(fewer)


def test_a_cell_holds_as_many_runs_as_are_trained_together_and_no_run_comes_twice():
    cells = PLAN.cells()
    found = [run for cell in cells for run in cell.runs]
    assert len(found) == len(set(found)) == sum(len(PLAN.seeds(arm)) for arm in PLAN.arms())
    assert {len(cell.seeds) for cell in cells} == {4, 10}
    first = [cell.arm for cell in cells[: len(PLAN.arms())]]
    assert first == PLAN.arms()


def test_the_model_at_chance_is_drawn_from_its_seed_and_has_a_house_model_s_shape():
    drawn, house = load_start("untrained-gemma2-base-d32"), load_start("gemma2-base-d32")
    shapes = [{n: p.shape for n, p in m.model.named_parameters()} for m in (drawn, house)]
    assert shapes[0] == shapes[1] and drawn.family == house.family
    _untrained.cache_clear()
    assert load_start("untrained-gemma2-base-d32").digest == drawn.digest != house.digest
    with pytest.raises(ValueError, match="gemma2-base-d7"):
        load_start("untrained-gemma2-base-d7")


def test_leaving_out_every_model_loses_all_of_the_gain():
    grid = np.zeros((6, 2, 3, 2))
    grid[3, 0] += 6
    every = np.arange(2)
    assert effects.change_without(grid, grid, every) == 0
    assert effects.change_without(grid, None, every) == -1
    assert effects.change_without(np.zeros_like(grid), None, every) == 0
    assert effects.change_without(grid, grid[:, 1:], every) == -1
    assert effects.change_without(grid, grid[:, :1], every) == pytest.approx(6 / 3 - 1)


def test_every_row_has_the_shape_and_the_controls_that_the_ledger_asks_for(held):
    from saebook.claims import Results

    ledger = load_ledger("yang2024")
    results = Results.start("yang2024", "smoke", 0, {})
    for gate in ledger.gates:
        results.gate(gate, True)
    for claim, make in ROWS.items():
        results.record(claim, "testbed", **make(held))
    assert set(ROWS) == set(ledger.ids)


def test_a_few_questions_are_trained_in_their_order_and_repeat():
    arm = Arm("gemma2-base", PREREQUISITE, "Curriculum", "oracle", n_items=24)
    cell, settings = Cell(arm, (0, 1)), Settings(6, 3e-3)
    found, again = train_cell(cell, settings), train_cell(cell, settings)
    assert found["bits"].tolist() == again["bits"].tolist()
    assert found["n"].tolist() == [6, 6, 6] * 2
    sat = sitting("gemma2", PREREQUISITE, False, 24, 6)
    shown = shown_items(arm, sat, 0, "repository")
    assert len(shown) == 18
    hard = sat.label("oracle", 0)[shown].tolist()
    assert hard == sorted(hard)
    free = dataclasses.replace(arm, world=FREE)
    assert shown_items(free, sat, 0, "repository") != shown


def test_a_testbed_run_without_records_says_so_and_measures_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(sources, "records_dir", lambda: tmp_path)
    found = sources.chapter_records(Parameters())
    nothing = sources.evidence(found, Parameters())
    assert found.empty and nothing.models == ()
    assert gates.positive_controls(nothing).empty
    assert not gates.control_holds(gates.positive_controls(nothing))
    for claim, make in ROWS.items():
        with pytest.raises(records.MissingRecords):
            rows.chance_row(nothing, TWO) if claim == "K14" else make(nothing)


TWO = pd.DataFrame({"accuracy": [21.0, 40.0], "above": [False, True]}, index=["small", "large"])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"models": "a"}, "at least two"),
        ({"chance_model": "gemma2-base"}, "one of the grid's"),
        ({"n_side": 3}, "at least n_seeds 4"),
        ({"side_model": "gemma2-base-d7"}, "gemma2-base-d7"),
        ({"n_large": 30}, "n_large 30"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(changed, words):
    with pytest.raises(ValueError, match=words):
        Parameters.checked({**Parameters().model_dump(), **changed})


def test_what_has_no_record_is_named_and_not_made_up(made):
    config = Parameters.checked({**Parameters().model_dump(), "models": "small,large",
                                 "side_model": "large", "n_large": 2622,
                                 "chance_model": "guessing"})  # fmt: skip
    assert sources.evidence(made, config).models == ("small", "large")
    assert sources.missing(made, config).sum() == 0
    without = made[~((made["model"] == "small") & (made["order"] == "Blocked"))]
    assert sources.evidence(without, config).models == ("large",)
    assert sources.missing(without, config).sum() == 3
    one = rows.Evidence(Table(without), PLAN, ("large",), 100, 0)
    with pytest.raises(records.MissingRecords, match="at least two"):
        rows.interaction_row(one)
    with pytest.raises(records.MissingRecords, match="none can be left out"):
        rows.chance_row(one, TWO.loc[["large"]])
    with pytest.raises(records.MissingRecords, match="Blocked"):
        rows.Evidence(Table(without), PLAN, ("small",), 100, 0).grid(PREREQUISITE)


def test_a_grid_goes_on_from_records_of_its_own_settings_and_weights(made, monkeypatch, tmp_path):
    config = Parameters.checked({**Parameters().model_dump(), "models": "small,large",
                                 "side_model": "large", "n_large": 2622,
                                 "chance_model": "guessing"})  # fmt: skip
    monkeypatch.setattr(sources, "records_dir", lambda: tmp_path)
    monkeypatch.setattr(sources, "_weights", lambda model: "w" if model == "large" else "other")
    assert sources.recorded(config) is None
    records.write(made, tmp_path / records.FILE, config.settings.text)
    held = sources.recorded(config)
    assert held is not None and set(held["model"]) == {"large"}
    cells = [cell for cell in PLAN.cells() if cell.arm.model == "large"][-3:]
    monkeypatch.setattr(training, "records_of", lambda *_: pytest.fail("a cell was trained anew"))
    found = training.grid(cells, config.settings, held=held)
    assert records.held_runs(found) == set().union(*(cell.runs for cell in cells))
    fewer = found[found["seed"] != cells[0].seeds[0]]
    assert training.missing_cells(cells, fewer)[0] == cells[0]
    other = Parameters.checked({**config.model_dump(), "lr": 1e-4})
    assert sources.recorded(other) is None
