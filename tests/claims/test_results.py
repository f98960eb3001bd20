"""Recording: what is refused, what is judged, and that the bytes repeat."""

import datetime
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from saebook.claims.results import Results, ResultsError, load_results
from saebook.claims.schema import Ledger
from saebook.claims.stable_json import write_json
from saebook.claims.verdicts import Verdict


@pytest.fixture
def results(ledger):
    started = Results.start("doe2020", "testbed", 0, {"n_pairs": 40}, ledger=ledger)
    started.gate("sae_valid", True)
    return started


def record_c1(results, **changes):
    fields = {"low": 0.4, "high": 0.8, "n": 40, "controls": {"shuffled": 0.1}} | changes
    return results.record("C1", "testbed", fields.pop("estimate", 0.6), **fields)


def test_a_recorded_row_is_judged_on_the_spot(results):
    assert record_c1(results).verdict is Verdict.REPRODUCED
    assert results.verdict("C1", "testbed").verdict is Verdict.REPRODUCED


def test_named_parts_are_recorded_as_mappings(results):
    got = results.record(
        "C2",
        "testbed",
        {"left": 1.0, "right": -1.0},
        {"left": 0.5, "right": -1.5},
        {"left": 1.5, "right": -0.5},
        n=40,
        controls={"null": 0.0},
    )
    assert got.verdict is Verdict.REPRODUCED


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.record("C9", "testbed", 1.0, n=1), "no claim 'C9'"),
        (lambda r: r.record("C1", "lab", 1.0, n=1), "block 'lab' is unknown"),
        (lambda r: r.record("C1", "paper", 1.0, 0.9, 1.1, n=1), "cannot be answered"),
        (lambda r: r.record("C3", "testbed", 1.0, n=1), "not applicable"),
        (lambda r: record_c1(r, controls={}), "controls have to be exactly"),
        (lambda r: record_c1(r, controls={"shuffled": 0.1, "x": 1}), "controls have to be exactly"),
        (lambda r: record_c1(r, controls={"shuffled": float("nan")}), "finite"),
        (lambda r: record_c1(r, estimate=float("nan")), "finite"),
        (lambda r: record_c1(r, high=float("inf")), "finite"),
        (lambda r: record_c1(r, low=None, high=None), "interval is needed"),
        (lambda r: record_c1(r, low=None), "both ends"),
        (lambda r: record_c1(r, low=0.7), "does not hold"),
        (lambda r: record_c1(r, n=0), "n of at least 1"),
        (lambda r: record_c1(r, unit="percent"), "measured in 'share'"),
        (lambda r: record_c1(r, detail={"path": object()}), r"detail\.path"),
        (lambda r: record_c1(r, detail={"x": [1.0, float("nan")]}), r"detail\.x\[1\]"),
        (lambda r: (record_c1(r), record_c1(r)), "already recorded"),
        (lambda r: r.gate("sae_valid", True), "already stated"),
        (lambda r: r.gate("weather", True), "no gate 'weather'"),
        (
            lambda r: record_c1(r, **{k: {"a": 1} for k in ("estimate", "low", "high")}),
            "one number",
        ),
    ],
)
def test_what_cannot_be_recorded_is_refused_by_name(results, call, message):
    with pytest.raises(ResultsError, match=message):
        call(results)


def test_a_refused_record_leaves_nothing_behind(results):
    with pytest.raises(ResultsError):
        record_c1(results, controls={})
    assert results.records["testbed"] == {}
    record_c1(results)


def test_a_gate_has_to_be_stated_before_a_row_that_names_it(ledger):
    fresh = Results.start("doe2020", "testbed", 0, {}, ledger=ledger)
    with pytest.raises(ResultsError, match="needs gate"):
        record_c1(fresh)
    fresh.gate("sae_valid", False)
    assert record_c1(fresh).verdict is Verdict.INCONCLUSIVE


def test_an_unknown_tier_is_refused(ledger):
    with pytest.raises(ResultsError, match="tier 'quick'"):
        Results.start("doe2020", "quick", 0, {}, ledger=ledger)


def saved(ledger, folder, scale=1.0):
    run = Results.start("doe2020", "testbed", 3, {"b": 1, "a": np.float32(0.1)}, ledger=ledger)
    run.gate("sae_valid", True)
    run.record(
        "C1",
        "testbed",
        np.float64(0.6) * scale,
        0.1 + 0.2,
        np.float32(0.8),
        n=np.int64(40),
        controls={"shuffled": -0.0},
        detail={"per_layer": (1 / 3, 2), "ok": np.True_},
    )
    run.record("C1", "audit", 7, n=7)
    return run.save(folder)


def test_of_a_folder_on_this_machine_only_its_name_is_kept(ledger, tmp_path):
    given = {"folder": str(tmp_path / "pairs"), "prefix": "leo finds / the", "n": 3}
    stored = Results.start("doe2020", "testbed", 0, given, ledger=ledger).parameters
    assert stored == {"folder": "pairs", "prefix": "leo finds / the", "n": 3}


def test_the_same_numbers_give_the_same_bytes_whatever_the_last_bits(ledger, tmp_path):
    first = saved(ledger, tmp_path / "a").read_bytes()
    second = saved(ledger, tmp_path / "b", scale=1 + 1e-12).read_bytes()
    assert first == second
    assert first.endswith(b"}\n")
    assert b"-0.0" not in first
    held = json.loads(first)
    assert held["records"]["testbed"]["C1"]["low"] == 0.3
    assert held["records"]["testbed"]["C1"]["detail"]["per_layer"] == [0.333333, 2]
    assert list(held) == sorted(held)


def test_bytes_do_not_depend_on_the_hash_seed(tmp_path):
    code = (
        "import sys; from pathlib import Path; from saebook.claims.stable_json import write_json;"
        "write_json(Path(sys.argv[1]), {k: 1 / 3 for k in {'x', 'y', 'z', 'w'}})"
    )
    for seed in ("1", "2"):
        env = os.environ | {"PYTHONHASHSEED": seed}
        target = str(tmp_path / f"{seed}.json")
        subprocess.run([sys.executable, "-c", code, target], env=env, check=True)
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()


def test_what_varies_lies_in_a_file_of_its_own_without_host_or_path(ledger, tmp_path):
    path = saved(ledger, tmp_path)
    run = json.loads(path.with_suffix(".run.json").read_text())
    assert {"seconds", "versions", "processor", "threads"} <= set(run)
    text = json.dumps(run) + path.read_text()
    assert str(tmp_path) not in text
    assert os.uname().nodename not in text


def test_results_come_back_as_they_were_saved(ledger, tmp_path):
    path = saved(ledger, tmp_path)
    again = load_results(path, ledger)
    assert again.verdict("C1", "testbed").verdict is Verdict.REPRODUCED
    assert again.save(tmp_path / "again").read_bytes() == path.read_bytes()


def test_the_results_folder_comes_from_the_environment(ledger, tmp_path, monkeypatch):
    monkeypatch.setenv("SAEBOOK_RESULTS_DIR", str(tmp_path / "here"))
    assert Results.start("doe2020", "smoke", 0, {}, ledger=ledger).save().parent.name == "here"


def test_a_failed_write_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "r.json"
    write_json(path, {"a": 1})
    before = path.read_bytes()
    monkeypatch.setattr(os, "fdopen", lambda *a, **k: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_json(path, {"a": 2})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["r.json"]


_FULL_DISK = """
import resource, sys
from pathlib import Path
from saebook.claims.stable_json import write_json
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    write_json(Path(sys.argv[1]), {"a": "x" * 100_000})
except OSError as error:
    print("refused:", error.strerror)
"""


def test_a_disk_that_refuses_leaves_the_old_results_whole(tmp_path):
    path = tmp_path / "r.json"
    write_json(path, {"a": 1})
    before = path.read_bytes()
    command = [sys.executable, "-c", _FULL_DISK, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "refused: File too large\n"
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["r.json"]


def amended(raw, with_amendment):
    raw["claims"][0]["testbed"]["test"]["value"] = 0.3
    if with_amendment:
        raw["claims"][0]["amendments"] = [
            {
                "date": datetime.date(2026, 1, 2),
                "block": "testbed",
                "field": "test.value",
                "old": "0.5",
                "new": "0.3",
                "reason": "the bound was mistyped",
            }
        ]
    return Ledger.model_validate(raw)


@pytest.mark.parametrize(
    ("with_amendment", "note"), [(True, "mistyped"), (False, "no amendment says why")]
)
def test_a_rule_changed_after_the_run_is_noticed(raw, ledger, tmp_path, with_amendment, note):
    path = saved(ledger, tmp_path)
    assert load_results(path, ledger).changed_since() == {}
    changed = load_results(path, amended(raw, with_amendment)).changed_since()
    assert list(changed) == ["C1.testbed"]
    assert note in changed["C1.testbed"]


def test_a_file_that_is_no_results_file_is_refused(ledger, tmp_path):
    path = tmp_path / "x.json"
    for text in ("{", "{}", '{"slug": "doe2020"}'):
        path.write_text(text)
        with pytest.raises(ResultsError, match=r"x\.json"):
            load_results(path, ledger)


def test_results_about_a_claim_the_ledger_lost_are_refused(raw, ledger, tmp_path):
    path = saved(ledger, tmp_path)
    raw["claims"] = raw["claims"][1:]
    with pytest.raises(ResultsError, match="C1"):
        load_results(path, Ledger.model_validate(raw))


def test_a_rehearsal_shows_only_while_nothing_was_measured(ledger):
    run = Results.start("doe2020", "testbed", 0, {}, ledger=ledger)
    run.rehearse("C1", "a random Gemma 2 in the published format")
    assert run.verdict("C1", "paper").verdict is Verdict.REHEARSED
    assert run.verdict("C1", "testbed").verdict is Verdict.NOT_ATTEMPTED
    with pytest.raises(ResultsError, match="already rehearsed"):
        run.rehearse("C1", "again")


def test_the_claims_floor_does_not_import_torch():
    code = (
        "import sys, saebook.claims, saebook.claims.gate_tables; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
