"""Gates as results: recorded by name with value and bounds, so that chapters can look them up."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import pandas as pd
from pydantic import BaseModel, ValidationError
from scipy.stats import binomtest

from saebook.claims.ledger import load_ledger
from saebook.claims.provenance import provenance
from saebook.claims.results import ResultsError
from saebook.claims.schema import Ledger, Test
from saebook.claims.stable_json import plain, write_json
from saebook.parameters import ChapterParameters
from saebook.paths import claims_dir, results_dir

ROOM = 0.1
"""Room, as a share of the value, within which two machines' values of a gate are the same."""

LEDGER_GATES: dict[str, tuple[tuple[str, str], ...]] = {
    "steering-moves": (("mayne2024", "behaviours_steer"),),
    "unsteered-undecided": (("mayne2024", "unsteered_balanced"),),
    "two-shots": (("zhang2026", "demonstrations_help"),),
    "position-0-norm": (("li2025", "sink_present"), ("he2024", "sink_present")),
    **{
        name: tuple((slug, "sae_valid") for slug in
                    ("mayne2024", "wang2025", "li2025", "he2024", "zhang2026"))
        for name in ("sae-l0", "sae-fvu", "sae-dead", "sae-loss", "sae-f1", "sae-nameable",
                     "sae-stability")
    },
}  # fmt: skip
"""Gates of the testbed that papers' ledgers know under a name of their own: (paper, its gate)."""


class Gate(Protocol):
    """What is recorded of a gate; `saebook.testbed.gates.GateResult` is one."""

    @property
    def name(self) -> str:
        """Name of the gate."""
        ...

    @property
    def paper(self) -> str:
        """Slug of the paper that needs it, or `general`."""
        ...

    @property
    def model(self) -> str:
        """What it was measured on."""
        ...

    @property
    def value(self) -> float:
        """The figure."""
        ...

    @property
    def low(self) -> float:
        """Smallest value that passes, or -inf."""
        ...

    @property
    def high(self) -> float:
        """Largest value that passes, or inf."""
        ...

    @property
    def unit(self) -> str:
        """Unit of the figure."""
        ...

    @property
    def says(self) -> str:
        """What the figure is."""
        ...

    @property
    def n(self) -> int:
        """Items measured."""
        ...

    @property
    def passed(self) -> bool:
        """Whether the value lies within its bounds."""
        ...


class GateRecord(BaseModel, frozen=True, extra="forbid"):
    """One gate on one model, in the fields the runner compares (`estimate`, `low`, `high`)."""

    gate: str
    paper: str
    model: str
    passed: bool
    verdict: Literal["holds", "fails"]
    estimate: float
    low: float
    """Lower end of the room within which a second run agrees; no bound of the gate."""
    high: float
    least: float | None
    """Smallest value that passes, if there is a bound."""
    most: float | None
    unit: str
    n: int
    says: str


@dataclass
class GateResults:
    """The gates a run evaluated, one row a gate and model."""

    slug: str
    tier: str
    seed: int
    parameters: dict[str, Any]
    records: dict[str, GateRecord] = field(default_factory=dict)
    undefined: list[str] = field(default_factory=list)
    """Gates whose figure could not be computed, such as a spread in units of a zero error."""
    started: float = field(default_factory=time.perf_counter, repr=False)

    @classmethod
    def start(
        cls, slug: str, tier: str, seed: int, parameters: ChapterParameters | Mapping[str, Any]
    ) -> GateResults:
        """Begin a run's gates; the parameters are stored with them."""
        values = (
            parameters.model_dump(mode="json") if isinstance(parameters, BaseModel) else parameters
        )
        return cls(slug, tier, int(seed), plain(dict(values), "parameters"))

    def record(self, gates: Iterable[Gate]) -> None:
        """Record gates as rows `<gate> <model>`.

        Raises:
            ResultsError: A gate is recorded twice for one model.
        """
        for gate in gates:
            row = f"{gate.name} {gate.model}"
            if row in self.records or row in self.undefined:
                raise ResultsError(f"gate {row!r} was already recorded; each row has one place")
            if math.isfinite(gate.value):
                self.records[row] = _record(gate)
            else:
                self.undefined.append(row)

    def save(self, folder: Path | None = None) -> Path:
        """Write `<slug>.json`, whose bytes repeat, and `<slug>.run.json`, which holds what varies.

        Args:
            folder: By default `$SAEBOOK_RESULTS_DIR`, else the current folder.
        """
        path = (folder or results_dir()) / f"{self.slug}.json"
        write_json(path, self.as_json())
        write_json(path.with_suffix(".run.json"), provenance(time.perf_counter() - self.started))
        return path

    def as_json(self) -> dict[str, Any]:
        """Everything that is the same on every run of the same seed."""
        rows = {row: record.model_dump(mode="json") for row, record in self.records.items()}
        return {
            "slug": self.slug,
            "tier": self.tier,
            "seed": self.seed,
            "parameters": self.parameters,
            "undefined": sorted(self.undefined),
            "records": {"gates": rows},
        }


def load_gates(path: Path) -> dict[str, GateRecord]:
    """Read the rows that `GateResults.save` wrote, by `<gate> <model>`.

    Raises:
        ResultsError: The file holds no gates of this version.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["records"]["gates"]
        return {row: GateRecord(**record) for row, record in rows.items()}
    except (json.JSONDecodeError, KeyError, TypeError, ValidationError) as error:
        raise ResultsError(f"{path.name} holds no gates of this version: {error}") from error


def claims_behind(gate: Gate | GateRecord, ledgers: Mapping[str, Ledger]) -> tuple[str, ...]:
    """Testbed claims that a failing gate makes inconclusive, as `mayne2024:R13`.

    Claims whose ledger names the gate; for a gate no ledger names, every testbed claim of its
    paper, and of every paper when it is a general one. They are so where they rest on its model.
    """
    name = gate.gate if isinstance(gate, GateRecord) else gate.name
    named = LEDGER_GATES.get(name)
    if named is not None:
        pairs = [(slug, wanted) for slug, wanted in named if slug in ledgers]
    elif gate.paper == "general":
        pairs = [(slug, "") for slug in ledgers]
    else:
        pairs = [(gate.paper, "")] if gate.paper in ledgers else []
    return tuple(
        f"{slug}:{claim_id}"
        for slug, wanted in pairs
        for claim_id in _tested(ledgers[slug], wanted)
    )


def all_ledgers() -> dict[str, Ledger]:
    """Every ledger of the book, by paper."""
    return {path.stem: load_ledger(path.stem) for path in sorted(claims_dir().glob("*.yaml"))}


def consequences(
    records: Iterable[GateRecord], ledgers: Mapping[str, Ledger], shown: int = 6
) -> pd.DataFrame:
    """One row a failing gate: value, bounds, and the claims it makes inconclusive.

    Args:
        records: Gates, failing or not.
        ledgers: Ledgers by paper, see `all_ledgers`.
        shown: Claims named at most; the rest is counted.
    """
    columns = ["gate", "model", "value", "least", "most", "unit", "inconclusive on this model"]
    rows = []
    for record in (r for r in records if not r.passed):
        claims = claims_behind(record, ledgers)
        more = f" and {len(claims) - shown} more" if len(claims) > shown else ""
        said = ", ".join(claims[:shown]) + more if claims else "no pre-registered claim"
        bounds = [math.nan if b is None else b for b in (record.least, record.most)]
        rows.append([record.gate, record.model, record.estimate, *bounds, record.unit, said])
    return pd.DataFrame(rows, columns=pd.Index(columns))


def _tested(ledger: Ledger, gate: str) -> list[str]:
    """Ids of claims with a testbed test, those that name the gate if one is given."""
    tests = {claim_id: ledger[claim_id].block("testbed") for claim_id in ledger.ids}
    return [i for i, t in tests.items() if isinstance(t, Test) and (not gate or gate in t.gates)]


def _record(gate: Gate) -> GateRecord:
    low, high = _room(gate)
    return GateRecord(
        gate=gate.name,
        paper=gate.paper,
        model=gate.model,
        passed=gate.passed,
        verdict="holds" if gate.passed else "fails",
        estimate=gate.value,
        low=low,
        high=high,
        least=gate.low if math.isfinite(gate.low) else None,
        most=gate.high if math.isfinite(gate.high) else None,
        unit=gate.unit,
        n=gate.n,
        says=gate.says,
    )


def _room(gate: Gate) -> tuple[float, float]:
    """Wilson's 95 % interval of a share, else a tenth of the value to either side."""
    if gate.unit.startswith("share") and 0 <= gate.value <= 1 and gate.n > 0:
        found = binomtest(round(gate.value * gate.n), gate.n).proportion_ci(method="wilson")
        return min(found.low, gate.value), max(found.high, gate.value)
    reach = ROOM * abs(gate.value)
    return gate.value - reach, gate.value + reach
