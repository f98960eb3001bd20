"""Tables of record: read back on the same models, measured again on others."""

from __future__ import annotations

import pandas as pd
import pytest

from saebook.records import read_record, recorded_table, shard


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.setenv("SAEBOOK_RESULTS_DIR", str(tmp_path))
    calls = []

    def make():
        calls.append(1)
        return pd.DataFrame({"arm": ["FAST"], "bits": [1.5]})

    return make, calls, tmp_path


def test_a_full_run_writes_what_a_testbed_run_reads(made):
    make, calls, folder = made
    first = recorded_table("li2025", "cells", "full", "abc", make)
    again = recorded_table("li2025", "cells", "testbed", "abc", make, folder)
    assert len(calls) == 1
    pd.testing.assert_frame_equal(first, again)


def test_a_record_of_other_models_is_not_used(made, caplog):
    make, calls, folder = made
    recorded_table("li2025", "cells", "full", "abc", make)
    recorded_table("li2025", "cells", "testbed", "other", make, folder)
    assert len(calls) == 2 and "other models" in caplog.text
    assert read_record("li2025", "missing", "abc", folder) is None


def test_a_smoke_run_measures_and_writes_nothing(made):
    make, calls, folder = made
    recorded_table("li2025", "cells", "smoke", "abc", make, folder)
    assert calls and not list(folder.iterdir())


def test_a_full_run_goes_on_from_the_tables_of_its_size_alone(made):
    make, calls, _ = made
    for size in ("a", "a", "b", "b"):
        recorded_table("li2025", "cells", "full", "abc", make, size=size)
    assert len(calls) == 2


def test_shares_of_a_grid_are_apart_and_together_the_whole():
    jobs = list(range(11))
    shares = [shard(jobs, f"{i}/4") for i in range(1, 5)]
    assert sorted(job for share in shares for job in share) == jobs
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert shard(jobs, "1/1") == jobs


@pytest.mark.parametrize("which", ["0/4", "5/4", "2", "a/b", "-1/4", "1/0", ""])
def test_a_share_that_is_none_is_refused(which):
    with pytest.raises(ValueError, match="2/8 for the second of eight"):
        shard([1, 2], which)
