"""What a ledger may hold, and how a broken one is refused."""

import copy
import datetime

import pytest
import yaml

from saebook.claims.ledger import LedgerError, read_ledger
from saebook.claims.schema import Ledger
from saebook.claims.verdicts import Verdict


def written(tmp_path, raw, name="doe2020.yaml"):
    path = tmp_path / name
    path.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
    return path


def test_a_good_ledger_is_read_and_keeps_its_order(tmp_path, raw):
    held = read_ledger(written(tmp_path, raw))
    assert held.ids == ["C1", "C2", "C3"]
    assert len(list(held.rows())) == 9


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("claims", 0, "colour"), "red", r"C1\.colour"),
        (("claims", 0, "testbed", "tolerance"), 1, r"C1\.testbed\.tolerance"),
        (("claims", 1, "id"), "C1", "claim ids repeat: C1"),
        (("claims", 0, "testbed", "gates"), ["weather"], "undeclared gates"),
        (("claims", 0, "testbed", "controls"), [], "needs a control"),
        (("claims", 0, "origin"), "hearsay", r"C1\.origin"),
        (("claims", 0, "testbed", "smallest_effect"), None, "smallest_effect"),
        (("claims", 0, "published", 0, "read"), "read off", "reading_error"),
        (("claims", 2, "testbed", "why"), "", r"C3\.testbed\.why"),
        (("claims", 2, "testbed", "status"), "pending", r"C3\.testbed\.status"),
        (("paper", "arxiv"), "2001.00001", r"paper\.arxiv"),
        (("claims", 0, "testbed", "test", "rule"), "roughly", r"C1\.testbed\.test"),
        (("claims", 0, "id"), "claim one", r"claim one\.id"),
    ],
)
def test_a_broken_ledger_is_refused_with_file_claim_and_field(tmp_path, raw, where, value, message):
    target = raw
    for key in where[:-1]:
        target = target[key]
    target[where[-1]] = value
    with pytest.raises(LedgerError, match=message) as caught:
        read_ledger(written(tmp_path, raw))
    assert "doe2020.yaml" in str(caught.value)


def test_a_key_written_twice_is_refused_although_yaml_would_take_the_last(tmp_path):
    path = tmp_path / "doe2020.yaml"
    path.write_text("paper: {key: a}\npaper: {key: b}\n", encoding="utf-8")
    with pytest.raises(LedgerError, match="'paper' is written twice"):
        read_ledger(path)


def test_a_missing_file_or_a_wrong_name_is_refused(tmp_path, raw):
    with pytest.raises(LedgerError, match="no ledger"):
        read_ledger(tmp_path / "nobody2020.yaml")
    with pytest.raises(LedgerError, match="holds the claims of doe2020"):
        read_ledger(written(tmp_path, raw, "roe2021.yaml"))


def test_an_unanswered_row_gives_the_sentence_behind_a_shared_reason(ledger):
    assert ledger.unanswered("C3", "testbed") == (
        Verdict.NOT_APPLICABLE,
        "Needs the hub and a GPU.",
    )
    assert ledger.unanswered("C1", "paper")[0] is Verdict.NOT_ATTEMPTED


@pytest.mark.parametrize(
    ("key", "value", "changes"),
    [
        ("tolerance_why", "another reason", True),
        ("test", {"rule": "at_least", "value": 0.6, "no_effect": 0.0}, True),
        ("metric", "Another metric", True),
        ("alpha", 0.05, True),
        ("pending", "no time yet", False),
    ],
)
def test_the_digest_moves_with_what_was_preregistered_and_only_with_that(
    raw, ledger, key, value, changes
):
    other = copy.deepcopy(raw)
    other["claims"][0]["testbed"][key] = value
    changed = Ledger.model_validate(other)
    assert (changed["C1"].digest("testbed") != ledger["C1"].digest("testbed")) is changes
    assert changed["C1"].digest("audit") == ledger["C1"].digest("audit")
    assert (changed.digest != ledger.digest) is changes


def test_two_claims_with_the_same_test_have_different_digests(ledger):
    assert ledger["C1"].digest("audit") != ledger["C2"].digest("audit")


def test_an_amendment_needs_its_date_its_old_and_new_value_and_a_reason(raw):
    entry = {
        "date": datetime.date(2026, 1, 2),
        "block": "testbed",
        "field": "test.value",
        "old": "0.4",
        "new": "0.5",
        "reason": "a typing mistake",
    }
    raw["claims"][0]["amendments"] = [entry]
    assert Ledger.model_validate(raw)["C1"].amendments[0].reason == "a typing mistake"
    for key in entry:
        broken = {k: v for k, v in entry.items() if k != key}
        raw["claims"][0]["amendments"] = [broken]
        with pytest.raises(ValueError, match=key):
            Ledger.model_validate(raw)
