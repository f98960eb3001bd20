"""Fresh results beside the committed ones: disjoint intervals fail in CI, elsewhere they show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from saebook.hub.rehearsing import VARIABLE
from saebook.run import RunError
from saebook.run.compare import differences, read_rows
from saebook.run.publish import publish


def record(estimate, low, high, verdict: str = "reproduced") -> dict:
    return {"estimate": estimate, "low": low, "high": high, "verdict": verdict}


def write(path: Path, **rows: dict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"records": {"audit": {}, "testbed": rows, "paper": {}}}))
    return path


OLD = record(0.5, 0.4, 0.6)


@pytest.mark.parametrize(
    ("fresh", "conflict"),
    [
        (record(0.55, 0.45, 0.65), False),
        (record(0.7, 0.6, 0.8), False),
        (record(0.8, 0.7, 0.9), True),
        (record(0.2, 0.1, 0.3), True),
        (record(0.55, 0.45, 0.65, "inconclusive"), False),
        (record({"a": 0.5}, {"a": 0.4}, {"a": 0.6}), True),
    ],
)
def test_only_disjoint_intervals_conflict(tmp_path, fresh, conflict):
    one = write(tmp_path / "old.json", R1=OLD)
    two = write(tmp_path / "new.json", R1=fresh)
    (found,) = differences(one, two)
    assert found.is_conflict is conflict
    assert "committed  reproduced: 0.5 [0.4, 0.6]" in str(found) and "fresh" in str(found)


def test_parts_are_compared_one_by_one_and_processor_noise_is_none(tmp_path):
    nested = {"a": {"x": 0.5}, "b": {"x": 0.123456}}
    moved = {"a": {"x": 0.5}, "b": {"x": 0.123457}}
    one = write(tmp_path / "old.json", R1=record(nested, nested, nested))
    two = write(tmp_path / "new.json", R1=record(moved, moved, moved))
    assert [d.is_conflict for d in differences(one, two)] == [False]
    far = {"a": {"x": 0.5}, "b": {"x": 0.2}}
    three = write(tmp_path / "far.json", R1=record(far, far, far))
    (found,) = differences(one, three)
    assert found.is_conflict and "b.x 0.2" in str(found)


def test_a_row_that_is_gone_conflicts_and_a_new_row_does_not(tmp_path):
    one = write(tmp_path / "old.json", R1=OLD)
    two = write(tmp_path / "new.json", R2=OLD)
    assert [d.is_conflict for d in differences(one, two)] == [True, False]
    assert differences(one, one) == []


def test_a_file_that_is_no_result_is_named(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"records": {"audit": {"R1": {}}}}')
    with pytest.raises(RunError, match=r"x.json is not a results file"):
        read_rows(path)


@pytest.fixture
def moved(tiny, request_of):
    """A committed result and a fresh one whose interval has moved away."""
    committed = write(tiny.root / "book/results/testbed/tiny2020.json", R1=OLD)
    fresh = write(tiny.build / "results/testbed/tiny2020.json", R1=record(0.9, 0.8, 1.0))
    return request_of(), committed, fresh


def test_in_ci_a_disjoint_interval_fails_with_both_rows_and_nothing_is_copied(moved, monkeypatch):
    request, committed, _ = moved
    monkeypatch.setenv("CI", "true")
    before = committed.read_bytes()
    with pytest.raises(RunError) as caught:
        publish(request)
    assert "0.5 [0.4, 0.6]" in str(caught.value) and "0.9 [0.8, 1]" in str(caught.value)
    assert committed.read_bytes() == before


def test_elsewhere_both_rows_are_shown_and_the_fresh_file_is_copied_over(moved):
    request, committed, fresh = moved
    (shown,) = publish(request)
    assert "intervals disjoint" in shown
    assert committed.read_bytes() == fresh.read_bytes()
    assert publish(request) == []


def test_the_smoke_tier_and_overridden_runs_are_compared_with_nothing(request_of, monkeypatch):
    monkeypatch.setenv("CI", "true")
    assert publish(request_of("smoke")) == []
    assert publish(request_of(n=5)) == []


def test_a_rehearsal_is_kept_only_when_asked_to(tiny, request_of, monkeypatch):
    fresh = write(tiny.build / "results/paper/tiny2020.json", R1=OLD)
    kept = tiny.root / "book/results/paper/tiny2020.json"
    monkeypatch.setenv(VARIABLE, "1")
    assert publish(request_of("paper")) == [] and not kept.exists()
    publish(request_of("paper"), keep=True)
    assert kept.read_bytes() == fresh.read_bytes()
    with pytest.raises(RunError, match="rehearsals at the tier paper"):
        publish(request_of(), keep=True)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(RunError, match="in CI nothing is laid under book/results"):
        publish(request_of("paper"), keep=True)
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(RunError, match="rehearsals at the tier paper"):
        publish(request_of("paper"), keep=True)


def test_rows_as_the_library_records_them_can_be_compared(tmp_path):
    from saebook.claims.results import Record
    from saebook.claims.verdicts import Verdict

    row = Record(
        estimate={"a": 1.0}, low={"a": 0.5}, high={"a": 1.5}, n=3, unit="", controls={}, gates={},
        detail={}, verdict=Verdict.REPRODUCED, why="", digest="",
    )  # fmt: skip
    path = write(tmp_path / "x.json", R1=row.model_dump(mode="json"))
    assert read_rows(path)["R1 testbed"].parts == {"a": (1.0, 0.5, 1.5)}
