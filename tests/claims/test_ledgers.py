"""The book's own ledgers: ninety rows, none left out, numbers as printed."""

import re

import pytest

from saebook.claims.ledger import SLUGS, load_all
from saebook.claims.schema import Test, Unanswered
from saebook.paths import claims_dir

LEDGERS = load_all()

IDS = {
    "mayne2024": [f"R{i}" for i in range(1, 16)],
    "wang2025": [f"C{i}" for i in range(1, 12)]
    + [f"K{i}" for i in range(1, 9)]
    + [f"B{i}" for i in range(1, 6)],
    "li2025": [f"F{i}" for i in range(1, 13)],
    "he2024": [f"L{i}" for i in range(1, 9)],
    "zhang2026": [f"C{i}" for i in range(1, 18)],
    "yang2024": [f"K{i}" for i in range(1, 15)],
}


@pytest.mark.parametrize("slug", SLUGS)
def test_every_claim_of_a_paper_has_its_row(slug):
    assert LEDGERS[slug].ids == IDS[slug]


def test_the_book_holds_exactly_ninety_claims():
    assert sum(len(ledger) for ledger in LEDGERS.values()) == 90
    assert {p.stem for p in claims_dir().glob("*.yaml")} == set(SLUGS)


PRINTED = [
    ("mayne2024", "R1", [89.06, 35.94, 19.80, 11.84, 10.74]),
    ("mayne2024", "R2", [86.20, 89.06]),
    ("mayne2024", "R3", [-0.82]),
    ("mayne2024", "R6", [95.04, 36.34, 22.64, 18.89, 11.35, 90.90, 36.69, 19.32, 12.38, 10.52,
                         90.59, 34.35, 20.11, 12.24, 11.18]),
    ("mayne2024", "R11", [51.2]),
    ("mayne2024", "R12", [14]),
    ("wang2025", "C1", [0.2979, 0.1590, 0.4191]),
    ("wang2025", "C2", [0.2499, 0.2575, 0.1651, 0.3272]),
    ("wang2025", "C3", [0.5429, 0.3524, 0.1810, 0.1810, -0.2190, -0.0476]),
    ("wang2025", "C4", [-0.2026, 0.3203, 0.4248, 0.3595, 0.3856]),
    ("wang2025", "C6", [0.133, 0.171, 0.142, 0.328, 0.399, 0.289]),
    ("wang2025", "B2", [0.695, 0.917, 0.942]),
    ("li2025", "F1", [0.6468, 1.5093, 5.1985, 1.5096, -9.7604, -8.0743, -4.0005]),
    ("li2025", "F2", [1.3892, 1.4749, 2.0024]),
    ("li2025", "F8", [21.1, 10.2, 7.0, 23.4, 10.9, 7.8]),
    ("he2024", "L1", [0.162, 0.090]),
    ("he2024", "L4", [0.0086, 12, 55, 50]),
    ("zhang2026", "C2", [57, 62, 57]),
    ("zhang2026", "C4", [0.71, 0.90, 0.60, 0.81, 0.78, 0.77]),
    ("zhang2026", "C8", [0.78, 0.77, 0.72, 0.75, 0.65]),
    ("zhang2026", "C13", [74.2, 74.0, 75.6, 76.9]),
    ("yang2024", "K1", [0.94, 1.02, 0.83, 1.07]),
    ("yang2024", "K2", [1.81, 1.44, 1.77]),
    ("yang2024", "K6", [0.34, 1.11, -0.61, -0.66]),
    ("yang2024", "K9", [46.24, 45.54, 3]),
]  # fmt: skip


@pytest.mark.parametrize(("slug", "claim_id", "values"), PRINTED)
def test_published_numbers_are_those_printed(slug, claim_id, values):
    assert [p.value for p in LEDGERS[slug][claim_id].published] == values


def test_recomputed_numbers_follow_from_printed_ones():
    def value(slug, claim, quantity):
        return {p.quantity: p.value for p in LEDGERS[slug][claim].published}[quantity]

    shift = {
        "corrigibility": "corrigible-neutral-HHH",
        "sycophancy": "sycophancy",
        "coordinate-other-ais": "coordinate-other-ais",
    }
    zero = value("mayne2024", "R1", "SAE(0) latent 4888")
    for name, behaviour in shift.items():
        found = value("mayne2024", "R6", f"{behaviour} latent 4888") - zero
        said = value("mayne2024", "R7", f"encoder shift of latent 4888 by the {name} vector")
        assert found == pytest.approx(said, abs=0.005)
    selected = [p.value for p in LEDGERS["wang2025"]["C6"].published][3:]
    output = [p.value for p in LEDGERS["wang2025"]["C7"].published][1:4]
    mean = sum(s / o - 1 for s, o in zip(selected, output, strict=True)) / 3 * 100
    assert mean == pytest.approx(
        value("wang2025", "C7", "mean relative improvement in Table 2"), abs=0.05
    )


ROWS = [
    pytest.param(ledger, block, claim, id=f"{slug}:{claim.id}.{block}")
    for slug, ledger in LEDGERS.items()
    for block, claim in ledger.rows()
]


@pytest.mark.parametrize(("ledger", "block", "claim"), ROWS)
def test_every_row_is_either_a_test_or_says_why_not(ledger, block, claim):
    held = claim.block(block)
    word, why = ledger.unanswered(claim.id, block)
    assert len(why.split()) > 4, f"{word} has no reason"
    assert re.fullmatch(r"[A-Z“][^\n]*\.", claim.says), "one sentence with a full stop"
    if isinstance(held, Unanswered):
        assert block != "paper", "at paper scale every claim has a rule"
    elif block == "audit":
        assert held.exact or held.smallest_effect is not None


def test_only_rows_about_named_weights_or_models_are_not_applicable_on_the_testbed():
    absent = {
        (slug, claim.id)
        for slug, ledger in LEDGERS.items()
        for claim in ledger.claims
        if isinstance(claim.testbed, Unanswered)
    }
    assert absent == {
        ("mayne2024", "R1"),
        ("mayne2024", "R2"),
        ("mayne2024", "R3"),
        ("mayne2024", "R6"),
        ("wang2025", "C5"),
        ("li2025", "F7"),
    }


def test_every_gate_and_every_shared_reason_of_a_ledger_is_used():
    for slug, ledger in LEDGERS.items():
        blocks = [claim.block(block) for block, claim in ledger.rows()]
        gates = {g for held in blocks if isinstance(held, Test) for g in held.gates}
        assert gates == set(ledger.gates), slug
        said = {held.pending if isinstance(held, Test) else held.why for held in blocks}
        assert set(ledger.reasons) <= said, slug


def test_claims_of_origin_paper_derived_and_ours_are_counted():
    found = [claim.origin for ledger in LEDGERS.values() for claim in ledger.claims]
    assert {o: found.count(o) for o in set(found)} == {"paper": 68, "derived": 5, "ours": 17}
