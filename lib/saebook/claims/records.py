"""One row of results: its numbers, checked for shape and finiteness before they are judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, SupportsFloat

from pydantic import BaseModel

from saebook.claims.rules import Quantity, check_shape
from saebook.claims.schema import Test
from saebook.claims.simple_rules import Measured
from saebook.claims.stable_json import rounded
from saebook.claims.verdicts import Verdict

Number = SupportsFloat | Mapping[str, Any]
"""One number, or a mapping of names to numbers (nested where the rule is)."""


class ResultsError(ValueError):
    """A result that cannot be recorded or read."""


class Record(BaseModel, frozen=True, extra="forbid"):
    """One row's measurement and verdict."""

    estimate: Any
    low: Any
    high: Any
    n: int
    unit: str
    controls: dict[str, float]
    gates: dict[str, bool]
    detail: dict[str, Any]
    verdict: Verdict
    why: str
    digest: str
    """Digest of the claim's block in the ledger at the time of recording."""

    def quantity(self) -> Quantity:
        """The measurement in the shape of its rule."""
        return measured(self.estimate, self.low, self.high)


def named_controls(
    test: Test, controls: Mapping[str, SupportsFloat]
) -> Mapping[str, SupportsFloat]:
    """The controls, if they are exactly those of the ledger."""
    named = {c.name for c in test.controls}
    if named != set(controls):
        raise ResultsError(f"controls have to be exactly {sorted(named)}, found {sorted(controls)}")
    return controls


def quantity_of(test: Test, estimate: Number, low: Number | None, high: Number | None) -> Quantity:
    """The measurement in the shape of the test\'s rule; exact rows may leave the interval away."""
    if (low is None) != (high is None):
        raise ResultsError("give both ends of the interval or neither")
    if low is None and not test.exact:
        raise ResultsError("an interval is needed; only rows marked exact in the ledger have none")
    quantity = measured(
        estimate, estimate if low is None else low, estimate if high is None else high
    )
    check_shape(test.test, quantity)
    return quantity


def measured(estimate: Number, low: Number, high: Number, name: str = "") -> Quantity:
    """Numbers and their ends as one quantity; mappings of equal names nest.

    Raises:
        ValueError: Names that differ, or a number that is not finite.
    """
    if not isinstance(estimate, Mapping):
        if isinstance(low, Mapping) or isinstance(high, Mapping):
            raise ResultsError(f"the interval of {name or 'the estimate'} has parts, it has none")
        ends = {"estimate": estimate, "low": low, "high": high}
        return Measured(*(rounded(float(v), f"{name} {k}".strip()) for k, v in ends.items()))
    if not isinstance(low, Mapping) or not isinstance(high, Mapping):
        raise ResultsError("low and high need the same names as the estimate")
    if not set(estimate) == set(low) == set(high):
        raise ResultsError(f"low and high need the names {sorted(estimate)}")
    return {str(k): measured(estimate[k], low[k], high[k], str(k)) for k in estimate}


def end_of(quantity: Quantity, index: int) -> Any:
    """Estimate (0), lower (1) or upper (2) end, as a number or a mapping of names."""
    if isinstance(quantity, Measured):
        return quantity[index]
    return {name: end_of(inner, index) for name, inner in quantity.items()}
