"""What a chapter measured: recorded once per claim and evidence block, judged on the spot."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import index
from pathlib import Path
from typing import Any, SupportsFloat, SupportsIndex, get_args

from pydantic import ValidationError

from saebook.claims.ledger import load_ledger
from saebook.claims.records import (
    Number,
    Record,
    ResultsError,
    end_of,
    named_controls,
    quantity_of,
)
from saebook.claims.rules import Quantity
from saebook.claims.saving import save_run, stored_parameters
from saebook.claims.schema import BLOCKS, Block, Ledger, Test
from saebook.claims.stable_json import plain, rounded
from saebook.claims.verdicts import Decision, Verdict, decide
from saebook.hub.rehearsing import rehearsing
from saebook.parameters import ChapterParameters

TIERS = ("smoke", "testbed", "full", "colab", "paper")
HUB_TIERS = ("colab", "paper")
# At a hub tier the testbed's cells run beside, at small sizes; the book takes no row from there.
_BLOCKS_OF_TIER: dict[str, tuple[Block, ...]] = {
    "smoke": ("audit", "testbed"),
    "testbed": ("audit", "testbed"),
    "full": ("audit", "testbed"),
    "colab": BLOCKS,
    "paper": BLOCKS,
}


@dataclass
class Results:
    """Results of one chapter at one tier and seed."""

    ledger: Ledger
    tier: str
    seed: int
    parameters: dict[str, Any]
    records: dict[Block, dict[str, Record]] = field(default_factory=lambda: {b: {} for b in BLOCKS})
    gates: dict[str, bool] = field(default_factory=dict)
    rehearsals: dict[str, str] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter, repr=False)

    @classmethod
    def start(
        cls,
        slug: str,
        tier: str,
        seed: int,
        parameters: ChapterParameters | Mapping[str, Any],
        *,
        ledger: Ledger | None = None,
    ) -> Results:
        """Begin a chapter's results.

        Args:
            slug: Paper key; its ledger is loaded unless one is given.
            tier: smoke, testbed, full, colab or paper.
            seed: The run's seed, stored with the results.
            parameters: The chapter's parameters, stored with the results.
            ledger: For tests; the book's own by default.

        Raises:
            ResultsError: The tier is unknown.
            LedgerError: The ledger is missing or broken.
        """
        if tier not in TIERS:
            raise ResultsError(f"tier {tier!r} is unknown; choose one of {', '.join(TIERS)}")
        held = ledger or load_ledger(slug)
        return cls(held, tier, int(seed), stored_parameters(parameters))

    @property
    def slug(self) -> str:
        """The paper's key."""
        return self.ledger.slug

    def gate(self, name: str, held: bool) -> bool:
        """State once whether a gate of the ledger held; every row that names it looks here.

        Raises:
            ResultsError: The ledger does not know the gate, or it was stated before.
        """
        if name not in self.ledger.gates:
            raise ResultsError(
                f"{self.slug} declares no gate {name!r}; it has {', '.join(self.ledger.gates)}"
            )
        if name in self.gates:
            raise ResultsError(f"gate {name!r} was already stated as {self.gates[name]}")
        self.gates[name] = bool(held)
        return bool(held)

    def record(
        self,
        claim_id: str,
        block: Block,
        estimate: Number,
        low: Number | None = None,
        high: Number | None = None,
        *,
        n: SupportsIndex,
        unit: str | None = None,
        controls: Mapping[str, SupportsFloat] | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> Decision:
        """Record one row and judge it by the ledger's rule; returns verdict and reason.

        Args:
            claim_id: Id in the ledger, such as `R4`.
            block: audit, testbed or paper; the last only at the tiers colab and paper.
            estimate: One number, or names to numbers where the rule has parts or cells.
            low: Lower end of the 95 % interval, in the estimate's shape; left away (with `high`)
                only where the ledger says `exact`.
            high: Upper end.
            n: Independent units behind the estimate.
            unit: Checked against the ledger's if given.
            controls: A value for every control the ledger names, and no other.
            detail: Anything JSON can hold that figures or prose need.

        Raises:
            ResultsError: Anything missing, unknown, not finite, or recorded twice.
        """
        test = self._open_row(claim_id, block, unit)
        place = f"{self.slug}:{claim_id}.{block}"
        try:
            quantity = quantity_of(test, estimate, low, high)
            record = self._judged(test, quantity, index(n), controls or {}, detail or {}, place)
        except ResultsError:
            raise
        except ValueError as error:
            raise ResultsError(f"{place}: {error}") from error
        digest = self.ledger[claim_id].digest(block)
        self.records[block][claim_id] = Record(**record, digest=digest)
        return Decision(record["verdict"], record["why"])

    def _open_row(self, claim_id: str, block: Block, unit: str | None) -> Test:
        if claim_id not in self.ledger.ids:
            raise ResultsError(f"{self.slug} has no claim {claim_id!r}: {self.ledger.ids}")
        if block not in get_args(Block):
            raise ResultsError(f"block {block!r} is unknown; choose one of {', '.join(BLOCKS)}")
        place = f"{self.slug}:{claim_id}.{block}"
        if block not in _BLOCKS_OF_TIER[self.tier]:
            raise ResultsError(f"{place} cannot be answered by a run at the {self.tier} tier")
        if block == "paper" and rehearsing():
            raise ResultsError(f"{place}: a rehearsal on stand-ins measures nothing; rehearse() it")
        held = self.ledger[claim_id].block(block)
        if not isinstance(held, Test):
            raise ResultsError(f"{place} is declared {held.status} in the ledger")
        if claim_id in self.records[block]:
            raise ResultsError(f"{place} was already recorded; each row has one place")
        if unit is not None and unit != held.unit:
            raise ResultsError(f"{place} is measured in {held.unit!r}, found {unit!r}")
        return held

    def _judged(
        self,
        test: Test,
        quantity: Quantity,
        n: int,
        controls: Mapping[str, SupportsFloat],
        detail: Mapping[str, Any],
        place: str,
    ) -> dict[str, Any]:
        if n < 1:
            raise ResultsError(f"{place} needs n of at least 1, found {n}")
        values = {
            k: rounded(float(v), f"control {k}") for k, v in named_controls(test, controls).items()
        }
        unstated = [g for g in test.gates if g not in self.gates]
        if unstated:
            raise ResultsError(f"{place} needs gate(...) called first for {unstated}")
        gates = {g: self.gates[g] for g in test.gates}
        musts = {c.name: (c.must, values[c.name]) for c in test.controls}
        verdict, why = decide(test.test, quantity, n=n, controls=musts, gates=gates)
        ends = {end: end_of(quantity, i) for i, end in enumerate(("estimate", "low", "high"))}
        found = {"n": n, "unit": test.unit, "controls": values, "gates": gates}
        return {**ends, **found, "detail": plain(detail, "detail"), "verdict": verdict, "why": why}

    def rehearse(self, claim_id: str, what: str) -> None:
        """Say that a row's paper-scale path was run on a stand-in in the published format.

        Raises:
            ResultsError: Unknown claim, or rehearsed before.
        """
        if claim_id not in self.ledger.ids or claim_id in self.rehearsals:
            raise ResultsError(f"{self.slug}:{claim_id} is unknown or already rehearsed")
        self.rehearsals[claim_id] = what

    def verdict(self, claim_id: str, block: Block) -> Decision:
        """The row's verdict, whether measured, rehearsed or unanswered."""
        record = self.records[block].get(claim_id)
        if record is not None:
            return Decision(record.verdict, record.why)
        if block == "paper" and claim_id in self.rehearsals:
            return Decision(Verdict.REHEARSED, self.rehearsals[claim_id])
        return Decision(*self.ledger.unanswered(claim_id, block))

    def changed_since(self) -> dict[str, str]:
        """Rows whose ledger entry differs from the one they were judged by, as `R4.testbed`.

        The value is the reason of the row's latest amendment, or a note that none was written.
        """
        changed = {}
        for block, rows in self.records.items():
            for claim_id, record in rows.items():
                claim = self.ledger[claim_id]
                if record.digest != claim.digest(block):
                    reasons = [a.reason for a in claim.amendments if a.block == block]
                    note = "the ledger changed after this run and no amendment says why"
                    changed[f"{claim_id}.{block}"] = reasons[-1] if reasons else note
        return changed

    def save(self, folder: Path | None = None) -> Path:
        """Write `<slug>.json`, whose bytes repeat, and `<slug>.run.json`, which holds what varies.

        Args:
            folder: By default `$SAEBOOK_RESULTS_DIR`, else the current folder.
        """
        return save_run(self.as_json(), self.started, folder)

    def as_json(self) -> dict[str, Any]:
        """Everything that is the same on every run of the same seed.

        Of a run at a hub tier without what it repeated of the testbed.
        """
        saved = [b for b in BLOCKS if b != "testbed" or self.tier not in HUB_TIERS]
        return {
            "slug": self.slug,
            "tier": self.tier,
            "seed": self.seed,
            "parameters": self.parameters,
            "ledger": self.ledger.digest,
            "gates": self.gates,
            "rehearsals": self.rehearsals,
            "records": {
                block: {i: r.model_dump(mode="json") for i, r in rows.items() if block in saved}
                for block, rows in self.records.items()
            },
        }


def load_results(path: Path, ledger: Ledger | None = None) -> Results:
    """Read back what `Results.save` wrote, against the ledger as it is now.

    Raises:
        ResultsError: The file is no result file, or holds a claim the ledger does not know.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        held = ledger or load_ledger(data["slug"])
        records: dict[Block, dict[str, Record]] = {
            block: {i: Record(**r) for i, r in data["records"][block].items()} for block in BLOCKS
        }
        results = Results(held, data["tier"], data["seed"], data["parameters"], records)
        results.gates, results.rehearsals = data["gates"], data["rehearsals"]
    except (json.JSONDecodeError, KeyError, TypeError, ValidationError) as error:
        raise ResultsError(f"{path.name} is not a results file of this version: {error}") from error
    known = set(held.ids)
    unknown = {i for rows in records.values() for i in rows if i not in known}
    if unknown:
        raise ResultsError(f"{path.name} holds claims the ledger does not know: {sorted(unknown)}")
    return results
