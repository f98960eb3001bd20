"""The fingerprint of the paper's SAE, from the published layout to the ledger's rows."""

from __future__ import annotations

import pytest

from saebook.claims import Results, Verdict
from saebook.hub import HubError
from saebook.papers.mayne2024 import published
from saebook.papers.mayne2024.parameters import Parameters
from saebook.parameters import ParameterError

CONFIG = Parameters(hub_names="gemma-scope-2b-l14-16k gemma-2-2b pile")


def test_a_name_may_carry_its_commit_and_two_names_are_refused():
    config = Parameters(hub_names="sae@abc model text@def")
    assert config.published_names == [("sae", "abc"), ("model", None), ("text", "def")]
    assert Parameters().published_names == []
    with pytest.raises(ParameterError, match="an SAE, a model and a text"):
        Parameters.checked({"hub_names": "sae model"})


def test_the_printed_numbers_are_found_in_a_file_that_holds_them(hub):
    rows = published.fingerprint_rows(published.load(CONFIG))
    assert rows["R1"]["estimate"] < 0.01
    assert rows["R1"]["detail"] == {"latents": [4888, 15603, 7589, 15471, 2350], "same_ids": True}
    assert rows["R2"]["detail"]["at_zero"] == "plain"
    assert rows["R2"]["estimate"] == pytest.approx(
        min(89.06 - 86.20, abs(rows["R2"]["detail"]["centred"] - 86.20)), abs=1e-4
    )
    assert rows["R3"]["estimate"] == pytest.approx(-0.82, abs=1e-4)


def test_the_rows_are_those_that_the_ledger_asks_for(hub, monkeypatch):
    rows = published.fingerprint_rows(published.load(CONFIG))
    monkeypatch.delenv("SAEBOOK_REHEARSAL")
    results = Results.start("mayne2024", "paper", 0, {})
    for claim, row in rows.items():
        results.record(claim, "paper", **row)
    assert results.verdict("R1", "paper").verdict is Verdict.REPRODUCED
    assert results.verdict("R2", "paper").verdict is Verdict.NOT_REPRODUCED
    assert results.verdict("R3", "paper").verdict is Verdict.REPRODUCED


def test_another_sae_of_the_same_set_fails_the_fingerprint(hub):
    loaded = published.load(CONFIG)
    loaded.sae.b_enc[100] = 50.0
    row = published.fingerprint_rows(loaded)["R1"]
    assert not row["detail"]["same_ids"]
    assert row["estimate"] == pytest.approx(35.94 - 19.80, abs=0.01)  # the third place


def test_the_sae_is_checked_on_its_own_model_with_published_text(hub):
    assert published.l0_on_its_model(published.load(CONFIG), CONFIG) == pytest.approx(84, rel=0.4)
    other = CONFIG.model_copy(update={"hub_names": "gemma-scope-2b-l14-16k mistral-7b pile"})
    with pytest.raises(HubError, match="it was trained on gemma-2-2b"):
        published.l0_on_its_model(published.load(CONFIG), other)
