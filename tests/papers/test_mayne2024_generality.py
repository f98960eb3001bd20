"""Which SAEs stand behind R15, what its cells say, and which tables of record are believed."""

from __future__ import annotations

import pandas as pd
import pytest

from saebook.claims import load_ledger
from saebook.papers.mayne2024 import families, generality, grid
from saebook.papers.mayne2024.arms import Arm
from saebook.papers.mayne2024.construction import build_construction
from saebook.papers.mayne2024.parameters import Parameters
from saebook.papers.mayne2024.saes import sae_spec
from saebook.papers.mayne2024.tables_of_record import Tables
from saebook.paths import RESULTS_VARIABLE

CONFIG = Parameters(n_resamples=50)
PASSES = {"R4": lambda x: x <= 0.1, "R5": lambda x: x >= 2,
          "R8": lambda x: x > 1, "R11": lambda x: 0.3 <= x <= 0.7}  # fmt: skip


@pytest.fixture(scope="module")
def arm() -> Arm:
    made = build_construction(0)
    return Arm("made up", made.sae, made.text, {"made up": made.contrast})


def _placed(cells: pd.DataFrame, spec, counted: bool = True) -> pd.DataFrame:
    place = dict(zip(grid.PLACE, grid.place(spec), strict=True))
    return cells.assign(**place, **{"in grid": counted, generality.VALID: True})


def test_the_grid_varies_one_factor_at_a_time():
    specs = grid.grid(CONFIG)
    assert len(specs) == len(set(specs)) == 31
    own = [s for s in specs if s.subject == CONFIG.mean3_model]
    assert {s.layer for s in own} == {1, 2, 3, 4, 5} and {s.seed for s in own} == {0, 1, 2}
    assert {s.d_sae for s in own} == {384, 768} and {s.sparsity for s in own} >= {2.0, 34.0}
    assert {s.subject for s in specs} == {*grid.FAMILIES, CONFIG.mean0_model, CONFIG.mean3_model}
    home = sae_spec(CONFIG, CONFIG.mean3_model)
    for spec in own:
        changed = [f for f in grid.FACTORS if getattr(spec, f) != getattr(home, f)]
        assert len(changed) <= 1, changed


def test_the_crossing_has_every_layer_at_three_sparsities_and_is_not_counted(arm):
    specs = grid.crossing(CONFIG)
    assert len(specs) == 15 and len(set(specs) - set(grid.grid(CONFIG))) == 8
    cells = generality.cells_of(arm, PASSES, CONFIG)
    both = pd.concat([_placed(cells, spec, spec in grid.grid(CONFIG)) for spec in specs])
    table = generality.crossed(both, CONFIG)
    assert table.shape == (4 * 5, 3) and table.notna().all(axis=None)
    control = _placed(cells, sae_spec(CONFIG, CONFIG.mean0_model))
    assert generality.generality_row(pd.concat([both, control]), CONFIG)["n"] == 7


def test_what_a_table_of_cells_lacks_is_named(arm):
    specs = grid.grid(CONFIG)
    cells = generality.cells_of(arm, PASSES, CONFIG)
    lacking = grid.missing(CONFIG, _placed(cells, specs[0]))
    assert len(lacking) == len(specs) - 1 and list(lacking) == list(grid.PLACE)
    whole = pd.concat([_placed(cells, spec) for spec in specs])
    assert grid.missing(CONFIG, whole).empty


def test_cells_hold_together_only_where_all_four_do(arm):
    cells = generality.cells_of(arm, PASSES, CONFIG)
    assert cells["all hold"].tolist() == [True]
    strict = generality.cells_of(arm, {**PASSES, "R5": lambda x: x > 5}, CONFIG)
    assert strict["all hold"].tolist() == [False] and strict["R4 holds"].tolist() == [True]


def test_the_share_leaves_the_control_model_out(arm):
    cells = generality.cells_of(arm, PASSES, CONFIG)
    own, other = (_placed(cells, sae_spec(CONFIG, name)) for name in ("llama-base", "qwen2-base"))
    control = _placed(cells, sae_spec(CONFIG, CONFIG.mean0_model)).assign(**{"all hold": False})
    row = generality.generality_row(pd.concat([own, other, control]), CONFIG)
    assert row["estimate"] == 1 and row["n"] == 2
    assert row["controls"] == {"share_of_cells_at_mean0": 0.0}


def test_cells_of_saes_that_fail_their_checks_are_shown_and_do_not_count(arm):
    cells = generality.cells_of(arm, PASSES, CONFIG)
    good, bad = (_placed(cells, sae_spec(CONFIG, name)) for name in ("llama-base", "qwen2-base"))
    control = _placed(cells, sae_spec(CONFIG, CONFIG.mean0_model))
    bad = bad.assign(**{generality.VALID: False, "all hold": False})
    both = pd.concat([good, bad, control])
    row = generality.generality_row(both, CONFIG)
    assert row["estimate"] == 1 and row["n"] == 1
    assert row["detail"]["cells_of_all_saes"] == 2 and row["detail"]["share_over_all_saes"] == 0.5
    assert not generality.enough_valid(both, CONFIG)
    many = pd.concat([good] * generality.ENOUGH + [bad, control])
    assert generality.enough_valid(many, CONFIG)
    assert generality.by_factor(both, "subject")[generality.VALID].tolist() == [1, 0, 1]


def test_a_factor_s_table_holds_only_saes_that_differ_in_that_factor(arm):
    cells = generality.cells_of(arm, PASSES, CONFIG)
    own = [s for s in grid.grid(CONFIG) if s.subject == CONFIG.mean3_model]
    tables = generality.one_factor(pd.concat([_placed(cells, s) for s in own]), CONFIG)
    assert {name: len(table) for name, table in tables.items()} == {
        "layer": 5, "architecture": 2, "sparsity": 6, "d_sae": 2,
        "apply_b_dec_to_input": 2, "seed": 3,
    }  # fmt: skip
    for table in tables.values():
        assert table["cells"].eq(1).all() and table["all four"].eq(1).all()


def test_cells_measured_twice_agree_where_they_say_the_same(arm):
    cells = _placed(generality.cells_of(arm, PASSES, CONFIG), sae_spec(CONFIG, "llama-base"))
    table = generality.agreement(cells, cells.assign(**{"R5 holds": False, "all hold": False}))
    assert table["same"].to_dict() == {"R4": 1, "R5": 0, "R8": 1, "R11": 1, "all four": 0}


def _family() -> families.Family:
    interval = {"low": 0.4, "high": 0.6, "n": 9, "detail": {}}
    ends = {"low": {"a": 0.1, "b": 0.2}, "high": {"a": 0.3, "b": 0.4}, "n": 5, "detail": {}}
    whole = {"estimate": 0.5, **interval, "controls": {"c": 0.1}}
    parts = {"estimate": {"a": 0.2, "b": 0.3}, **ends, "controls": {"d": 1.0, "e": 2.0}}
    found = {"R9": whole, "R10": whole, "R11": parts, "R12": whole, "R13": parts}
    profile = pd.DataFrame({"layer": [0, 1], "estimate": [1.0, 2], "low": [0.5, 1], "high": [3, 4]})
    gates = {"sae_valid": True, "vector_reliable": False}
    return families.Family(found, gates, {"best_latent_f1_median": 0.8}, profile)


def test_a_model_survives_being_laid_out_as_a_table(tmp_path):
    family, path = _family(), tmp_path / "rows.parquet"
    families.tidy("one", family).to_parquet(path)
    table = pd.concat([pd.read_parquet(path), families.tidy("two", family)])
    found = families.untidy(table, "one")
    assert found.gates == family.gates and found.checks == family.checks
    for claim, row in family.rows.items():
        kept = {name: value for name, value in row.items() if name != "detail"}
        assert found.rows[claim] == kept, claim
    pd.testing.assert_frame_equal(found.profile, family.profile, check_dtype=False)
    frame = families.family_frame({"one": found})
    assert frame.loc["one", "R11: negative, median"] == pytest.approx(0.25)
    assert frame.loc["one", "R13: kept b"] == pytest.approx(0.3)
    assert families.profile_frame({"one": found, "two": family})["model"].nunique() == 2


def test_the_gates_of_other_models_are_those_that_the_ledger_asks_of_these_rows():
    ledger = load_ledger("mayne2024")
    assert set().union(*(ledger[c].testbed.gates for c in families.CLAIMS)) == set(families.GATES)


def test_no_family_without_an_sae_gives_an_empty_table():
    table = families.measure_families({}, None, CONFIG)  # type: ignore[arg-type]
    assert table.empty and list(table) == list(families.COLUMNS)


def test_a_table_of_record_is_believed_only_for_the_models_and_measure_it_was_made_with(
    tmp_path, monkeypatch
):
    monkeypatch.setenv(RESULTS_VARIABLE, str(tmp_path))
    full = Parameters(tier="full")
    kept = pd.DataFrame({"value": [1.0]})
    Tables.of(full).measured("cells", lambda: kept)
    again = Tables.of(full).measured("cells", lambda: kept + 1)
    assert again["value"].tolist() == [1.0]  # a stopped run goes on from what it kept
    monkeypatch.setattr("saebook.records.records_dir", lambda: tmp_path)
    live = kept + 5
    assert Tables.of(CONFIG).recorded("cells", lambda: live)["value"].tolist() == [1.0]
    assert Tables.of(CONFIG).measured("cells", lambda: live) is live
    for changed in ({"measure": "letter"}, {"seed": 1}, {"layer": 2}, {"model_name": "llama-base"}):
        other = Tables.of(CONFIG.model_copy(update=changed))
        assert other.recorded("cells", lambda: live) is live, changed
