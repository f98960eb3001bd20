"""Recorded gates for reading: one row a gate over all models, and what follows where it fails."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping

import pandas as pd

from saebook.claims.gates import GateRecord
from saebook.claims.ledger import load_ledger
from saebook.claims.schema import Ledger, Test
from saebook.paths import claims_dir

LEDGER_GATES: dict[str, tuple[tuple[str, str], ...]] = {
    "steering-moves": (("mayne2024", "behaviours_steer"),),
    "residual-mean": (("mayne2024", "default_component"),),
    "unsteered-undecided": (("mayne2024", "unsteered_balanced"),),
    "two-shots": (("zhang2026", "demonstrations_help"),),
    "position-0-norm": (("li2025", "sink_present"), ("he2024", "sink_present")),
    **{
        name: tuple((slug, "sae_valid") for slug in
                    ("mayne2024", "wang2025", "li2025", "he2024", "zhang2026"))
        for name in ("sae-l0", "sae-fvu", "sae-dead", "sae-loss", "sae-f1")
    },
    "sae-nameable": (),
    "sae-stability": (),
}  # fmt: skip
"""Gates of the testbed that papers' ledgers know under a name of their own: (paper, its gate).

The last two describe an SAE and are in no ledger's `sae_valid`.
"""
MOST_NAMED = 6
"""Models that a sentence names; more are counted."""
MOST_PAPERS = 2
"""Papers whose claims a sentence names; of more it counts them."""


def gate_frame(records: Iterable[GateRecord]) -> pd.DataFrame:
    """One row a gate and model, in the columns that the figures of gates draw.

    Returns:
        Columns gate, model, paper, value, low and high (bounds, infinite where there is none),
        unit, n, passed, says.
    """
    rows = [
        {
            **record.model_dump(include={"gate", "model", "paper", "unit", "n", "passed", "says"}),
            "value": record.estimate,
            "low": -math.inf if record.least is None else record.least,
            "high": math.inf if record.most is None else record.most,
        }
        for record in records
    ]
    columns = ["gate", "model", "paper", "value", "low", "high", "unit", "n", "passed", "says"]
    return pd.DataFrame(rows, columns=pd.Index(columns))


def gate_table(records: Iterable[GateRecord], now: Iterable[GateRecord] = ()) -> pd.DataFrame:
    """One row a gate: what it measures and asks, on how many models it holds, where it fails.

    Args:
        records: Gates of record; without any, the table shows the others alone.
        now: The same gates measured by this run, told in a column of their own.

    Raises:
        ValueError: Neither holds a gate.
    """
    parts = {"of record": gate_frame(records), "now": gate_frame(now)}
    parts = {name: part for name, part in parts.items() if len(part)}
    if not parts:
        raise ValueError("gate_table got no gates; there is nothing to show")
    both = pd.concat(list(reversed(parts.values())))  # a record on disk is sorted by name
    rows = [_table_row(gate, rows, parts) for gate, rows in both.groupby("gate", sort=False)]
    columns = ["gate", "measures", "asks for", *parts]
    return pd.DataFrame(rows, columns=pd.Index(columns)).set_index("gate").rename_axis(None)


def consequences(records: Iterable[GateRecord], ledgers: Mapping[str, Ledger]) -> Iterator[str]:
    """A Markdown sentence a failing gate: where it fails, and which claims are inconclusive there.

    Args:
        records: Gates, failing or not.
        ledgers: Ledgers by paper, see `all_ledgers`.
    """
    frame = gate_frame(record for record in records if not record.passed)
    for gate, rows in frame.groupby("gate", sort=False):
        where = _places(rows)
        claims = claims_behind(str(gate), str(rows["paper"].iloc[0]), ledgers)
        yield f"**{gate}** fails on {where}. {_follows(claims, len(ledgers))}"


def claims_behind(
    gate: str, paper: str, ledgers: Mapping[str, Ledger]
) -> dict[str, tuple[str, ...]]:
    """Testbed claims that a failing gate makes inconclusive, where they rest on its model.

    Args:
        gate: Its name in the testbed.
        paper: Slug of the paper that needs it, or `general`.
        ledgers: Ledgers by paper.

    Returns:
        Ids by paper: the claims whose ledger names the gate; for a gate no ledger names, every
        testbed claim of its paper, and of every paper when it is a general one.
    """
    everywhere = [(slug, "") for slug in ledgers if paper in ("general", slug)]
    pairs = LEDGER_GATES.get(gate, everywhere)
    found = {slug: _tested(ledgers[slug], wanted) for slug, wanted in pairs if slug in ledgers}
    return {slug: ids for slug, ids in found.items() if ids}


def all_ledgers() -> dict[str, Ledger]:
    """Every ledger of the book, by paper."""
    return {path.stem: load_ledger(path.stem) for path in sorted(claims_dir().glob("*.yaml"))}


def _table_row(
    gate: object, rows: pd.DataFrame, parts: Mapping[str, pd.DataFrame]
) -> dict[str, object]:
    """One gate: what it measures, its bounds, and how it came out in each part."""
    first = rows.iloc[0]
    asked = {"measures": re.split(r" \(|, knob", first["says"])[0], "asks for": _bounds(first)}
    outcome = {name: _outcome(part[part["gate"] == gate]) for name, part in parts.items()}
    return {"gate": gate, **asked, **outcome}


def _outcome(rows: pd.DataFrame) -> str:
    """`7 of 8 (n = 840); fails on qwen2-base 0.33`."""
    if rows.empty:
        return "–"
    failing = rows[~rows["passed"]]
    told = f"{rows['passed'].sum()} of {len(rows)} (n = {rows['n'].max():,})"
    return f"{told}; fails on {_places(failing)}" if len(failing) else told


def _bounds(row: pd.Series) -> str:
    low, high, unit = row["low"], row["high"], row["unit"]
    if math.isinf(low):
        return f"at most {high:g} {unit}"
    return f"at least {low:g} {unit}" if math.isinf(high) else f"{low:g} to {high:g} {unit}"


def _follows(claims: Mapping[str, tuple[str, ...]], papers: int) -> str:
    if not claims:
        return "No pre-registered claim rests on it."
    if len(claims) == papers > 1:
        return "Inconclusive there: every testbed claim."
    long = len(claims) > MOST_PAPERS
    told = (
        f"{len(ids)} claims of {slug}" if long else f"{slug} {', '.join(ids)}"
        for slug, ids in claims.items()
    )
    return f"Inconclusive there: {'; '.join(told)}."


def _places(rows: pd.DataFrame) -> str:
    """Models with their values; what all of their names begin with is said once."""
    names = [str(model).split() for model in rows["model"]]
    first, last = min(names), max(names)
    alike = zip(first[:-1], last[:-1], strict=False) if len(names) > 1 else ()
    shared = [a for a, b in alike if a == b]
    short = [" ".join(name[len(shared) :]) for name in names]
    values = [f"{value:.3g}" for value in rows["value"]]
    lead = f"{' '.join(shared)}: " if shared else ""
    if len(names) > MOST_NAMED:
        least, most = rows["value"].min(), rows["value"].max()
        return f"{lead}{len(names)} of them, from {least:.3g} to {most:.3g}"
    return lead + ", ".join(f"{n} ({v})" for n, v in zip(short, values, strict=True))


def _tested(ledger: Ledger, gate: str) -> tuple[str, ...]:
    """Ids of claims with a testbed test, those that name the gate if one is given."""
    tests = {claim_id: ledger[claim_id].block("testbed") for claim_id in ledger.ids}
    held = ((i, test) for i, test in tests.items() if isinstance(test, Test))
    return tuple(i for i, test in held if not gate or gate in test.gates)
