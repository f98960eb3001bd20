"""From tables to rows: known numbers in, known verdicts out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from saebook.claims import Results
from saebook.papers.li2025 import arms, effects, rows
from saebook.papers.li2025.cells import READINGS, row_of
from saebook.papers.li2025.gates import matched_sparsity
from saebook.papers.li2025.parameters import Parameters
from saebook.papers.li2025.sweep import at_equal_l0, swept

BITS = {"BT(P)": 6.0, "BT(F)": 3.0, "FAST": 2.0, "masked": 2.0, "BT(F) again": 3.05}


@pytest.fixture
def config() -> Parameters:
    return Parameters(n_seeds=3, n_more_seeds=3, n_resamples=200)


@pytest.fixture
def cells(config) -> pd.DataFrame:
    wanted = [
        *arms.grid(config),
        *arms.headline_cells(config),
        *arms.packing_cells(config),
        *arms.more_arms(config),
        *arms.sweep_cells(config),
    ]
    rng = np.random.default_rng(0)
    made = []
    for cell in wanted:
        bits = BITS.get(cell.arm, 4.0) + 0.01 * rng.standard_normal()
        special = bits - (2.0 if cell.arm == "FAST" and cell.family != "llama" else 0.0)
        errors = {name: special if "st" in name else bits for name in READINGS}
        made.append({**cell._asdict(), **errors, "l0": cell.target or 13.0})
    return pd.DataFrame(made)


def results(config) -> Results:
    made = Results.start("li2025", "smoke", 0, config)
    for gate in ("sae_valid", "grid_valid", "sink_present", "matched_sparsity"):
        made.gate(gate, True)
    return made


def test_known_gaps_come_out_as_they_were_put_in(cells, config):
    row = rows.special_row(cells, rows.place_of(config, config.family))
    assert row["estimate"]["to BT(F)"] == pytest.approx(3.0, abs=0.05)
    assert row["estimate"]["to BT(P)"] == pytest.approx(6.0, abs=0.05)
    assert rows.overall_row(cells, rows.place_of(config, "llama"))["estimate"] == pytest.approx(
        1.0, abs=0.05
    )
    assert rows.decomposition_row(cells, config)["estimate"] == pytest.approx(0.75, abs=0.02)
    assert rows.family_row(cells, config)["estimate"] == pytest.approx(2.0, abs=0.05)
    packing = rows.packing_row(cells, config)["estimate"]
    assert packing["matched L0"] == pytest.approx(1.0, abs=0.05)
    assert packing["against masked packing"] == pytest.approx(0.0, abs=0.05)


def test_a_table_in_which_everything_holds_is_reproduced(cells, config):
    made = results(config)
    for claim, row in {
        "F1": rows.special_row(cells, rows.place_of(config, config.family)),
        "F2": rows.overall_row(cells, rows.place_of(config, "gemma2")),
        "F6": rows.family_row(cells, config),
        "F11": rows.packing_row(cells, config),
    }.items():
        assert made.record(claim, "testbed", **row).verdict.value == "reproduced", claim


def test_a_table_without_any_effect_is_not_reproduced(cells, config):
    flat = cells.assign(**dict.fromkeys(READINGS, 2.0))
    rng = np.random.default_rng(1)
    for name in READINGS:
        flat[name] += 0.001 * rng.standard_normal(len(flat))
    made = results(config)
    decision = made.record("F11", "testbed", **rows.packing_row(flat, config))
    assert decision.verdict.value in ("not reproduced", "inconclusive")
    assert made.record(
        "F1", "testbed", **rows.special_row(flat, rows.place_of(config, config.family))
    ).verdict.value == ("not reproduced")


def test_wins_are_counted_over_cells_that_have_both_arms(cells, config):
    assert effects.wins(cells, "mse", "standard", "BT(P)") == (9, 9)
    lacking = cells[~((cells["arm"] == "FAST") & (cells["seed"] == 2))]
    assert effects.wins(lacking, "mse", "standard", "BT(P)") == (6, 6)


def test_one_cell_is_found_and_a_missing_one_is_named(cells, config):
    twin = arms.default_cell(config, "standard", "FAST")
    assert row_of(cells, twin)["mse"] == pytest.approx(2.0, abs=0.05)
    with pytest.raises(ValueError, match="0 rows"):
        row_of(cells, twin._replace(seed=9))


def test_arms_of_unequal_density_do_not_match(cells):
    clarity = pd.DataFrame({"arm": ["FAST", "BT(F)"], "seed": 0, "l0": [13.0, 13.5]})
    assert matched_sparsity(cells, clarity)
    assert not matched_sparsity(cells, clarity.assign(l0=[13.0, 15.0]))


def test_the_loss_is_relative_and_in_percent():
    assert rows.relative_loss(np.array([1.1, 2.2]), np.array([1.0, 2.0])) == pytest.approx(10)


def test_a_sweep_is_read_at_one_l0_and_never_beyond_what_it_reached(cells, config):
    found = at_equal_l0(cells, "mse", 13.0)
    gain = found.loc["standard", "BT(P)"] - found.loc["jumprelu", "FAST"]
    assert gain == pytest.approx(4.0, abs=0.1)
    two = swept(cells).query("architecture == 'standard' and arm == 'FAST' and target > 3")
    line = two.assign(mse=np.log2(two["l0"]))
    assert at_equal_l0(line, "mse", 9.0).loc["standard", "FAST"] == pytest.approx(np.log2(9.0))
    assert np.isnan(at_equal_l0(line, "mse", 16.0).loc["standard", "FAST"])
    with pytest.raises(ValueError, match="no sweep"):
        at_equal_l0(cells[cells["target"] == 0], "mse", 13.0)
    row = rows.packing_row(cells, config)
    gap = row["detail"]["sweep, gaps at an L0 of 13"]["mse"]["standard"]
    assert gap == pytest.approx(1.0, abs=0.05)
