"""Gates as results: recorded by name with value and bounds, so that chapters can look them up."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ValidationError
from scipy.stats import binomtest

from saebook.claims.records import ResultsError
from saebook.claims.saving import save_run, stored_parameters
from saebook.parameters import ChapterParameters

if TYPE_CHECKING:  # the package around it imports torch, which this floor does without
    from saebook.testbed.gates.result import GateResult

ROOM = 0.1
"""Room, as a share of the value, within which two machines' values of a gate are the same."""


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

    @property
    def is_of_sae(self) -> bool:
        """Whether it was measured on an SAE; else on a model or the world."""
        return self.gate.startswith("sae-")


@dataclass
class GateResults:
    """The gates a run evaluated, one row a gate and model."""

    slug: str
    tier: str
    seed: int
    parameters: dict[str, Any]
    records: dict[str, GateRecord] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)
    """What was gated, by name: the digest of a model's weights, or the world's version."""
    undefined: list[str] = field(default_factory=list)
    """Gates whose figure could not be computed, such as a spread in units of a zero error."""
    started: float = field(default_factory=time.perf_counter, repr=False)

    @classmethod
    def start(
        cls, slug: str, tier: str, seed: int, parameters: ChapterParameters | Mapping[str, Any]
    ) -> GateResults:
        """Begin a run's gates; the parameters are stored with them."""
        return cls(slug, tier, int(seed), stored_parameters(parameters))

    def record(self, gates: Iterable[GateResult]) -> list[GateRecord]:
        """Record gates as rows `<gate> <model>`; returns those whose figure is defined.

        Raises:
            ResultsError: A gate is recorded twice for one model.
        """
        found = []
        for gate in gates:
            row = f"{gate.name} {gate.model}"
            if row in self.records or row in self.undefined:
                raise ResultsError(f"gate {row!r} was already recorded; each row has one place")
            if math.isfinite(gate.value):
                self.records[row] = _record(gate)
                found.append(self.records[row])
            else:
                self.undefined.append(row)
        return found

    def save(self, folder: Path | None = None) -> Path:
        """Write `<slug>.json`, whose bytes repeat, and `<slug>.run.json`, which holds what varies.

        Args:
            folder: By default `$SAEBOOK_RESULTS_DIR`, else the current folder.
        """
        return save_run(self.as_json(), self.started, folder)

    def as_json(self) -> dict[str, Any]:
        """Everything that is the same on every run of the same seed."""
        rows = {row: record.model_dump(mode="json") for row, record in self.records.items()}
        return {
            "slug": self.slug,
            "tier": self.tier,
            "seed": self.seed,
            "parameters": self.parameters,
            "weights": self.weights,
            "undefined": sorted(self.undefined),
            "records": {"gates": rows},
        }


def load_gates(path: Path, weights: Mapping[str, str] | None = None) -> dict[str, GateRecord]:
    """Read the rows that `GateResults.save` wrote, by `<gate> <model>`.

    Args:
        path: The file; one that is not there holds no row.
        weights: Digests of what is there now, by name: rows measured on anything else are left
            out. An SAE's rows go by its model.

    Raises:
        ResultsError: The file holds no gates of this version.
    """
    if not path.is_file():
        return {}
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        made_on = held.get("weights", {})
        rows = {row: GateRecord(**r) for row, r in held["records"]["gates"].items()}
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError, ValidationError) as error:
        raise ResultsError(f"{path.name} holds no gates of this version: {error}") from error
    if weights is None:
        return rows
    same = {name for name, digest in weights.items() if made_on.get(name) == digest}
    return {row: record for row, record in rows.items() if record.model.split()[0] in same}


def _record(gate: GateResult) -> GateRecord:
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


def _room(gate: GateResult) -> tuple[float, float]:
    """Wilson's 95 % interval of a share, else a tenth of the value to either side."""
    if gate.unit.startswith("share") and 0 <= gate.value <= 1 and gate.n > 0:
        found = binomtest(round(gate.value * gate.n), gate.n).proportion_ci(method="wilson")
        return min(found.low, gate.value), max(found.high, gate.value)
    reach = ROOM * abs(gate.value)
    return gate.value - reach, gate.value + reach
