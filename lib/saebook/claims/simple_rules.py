"""Rules for one number, as data that a ledger can hold.

Every rule is a passing region on the number line, [lower, upper], with an optional
`no_effect` value outside it. `no_effect` is where the measurement would lie were the claim
empty; an interval that stays on the claimed side of it shows at least the direction.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import override

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Measured(NamedTuple):
    """A number with its 95 % interval; exact numbers have low = estimate = high."""

    estimate: float
    low: float
    high: float


class Model(BaseModel):
    """Base of everything in a ledger: frozen, strict, and deaf to unknown keys by refusing them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SimpleRule(Model):
    """A passing region for one number. Subclasses say where it begins and ends."""

    def bounds(self) -> tuple[float, float]:
        """Lower and upper end of the passing region, infinite where it is open."""
        raise NotImplementedError

    def text(self) -> str:
        """The rule as a reader sees it, such as `≥ 0.5`."""
        raise NotImplementedError

    @property
    def null(self) -> float | None:
        """The value that means no effect, or None when the bound itself plays that part."""
        return getattr(self, "no_effect", None)

    @property
    def strict_bound(self) -> bool:
        """Whether a number exactly on the bound fails."""
        return False

    def passes(self, value: float) -> bool:
        """Whether a bare number lies in the passing region."""
        lower, upper = self.bounds()
        return lower < value < upper if self.strict_bound else lower <= value <= upper

    def excludes_null(self, m: Measured) -> bool:
        """Whether the whole interval lies on the claimed side.

        With a `no_effect` value: on the same side of it as the passing region. Without one the
        edge of the region is the line, so the whole interval has to pass.
        """
        if self.null is None:
            return self.passes(m.low) and self.passes(m.high)
        return m.low > self.null if self.null < self.bounds()[0] else m.high < self.null

    def reaches(self, m: Measured) -> bool:
        """Whether some value inside the interval would pass."""
        lower, upper = self.bounds()
        if self.strict_bound:
            return m.high > lower and m.low < upper
        return m.high >= lower and m.low <= upper

    def target(self) -> float:
        """The number a difference is taken from: the centre of a band, or the one finite bound."""
        lower, upper = self.bounds()
        if math.isinf(lower) or math.isinf(upper):
            return upper if math.isinf(lower) else lower
        return (lower + upper) / 2

    def scaled(self, value: float) -> float:
        """Distance in units of the tolerance: 1 is the edge of passing, beyond 1 fails.

        Bands: (value - centre) / half width, so both -1 and 1 are edges. One-sided rules:
        1 + shortfall / |bound - no_effect|, so 2 is where nothing happens (without a
        `no_effect` value the bound's own size, or 1 for a bound of 0, is the unit).
        """
        lower, upper = self.bounds()
        if math.isfinite(lower) and math.isfinite(upper):
            return _scaled_in_band(value, lower, upper)
        short = lower - value if math.isfinite(lower) else value - upper
        bound = self.target()
        return 1 + short / abs(bound - (self.null if self.null is not None else 0.0) or 1.0)

    @model_validator(mode="after")
    def _null_lies_outside(self) -> Self:
        lower, upper = self.bounds()
        if lower > upper:
            raise ValueError(f"the passing region [{lower}, {upper}] is empty")
        if self.null is not None and lower <= self.null <= upper:
            raise ValueError(
                f"no_effect = {self.null:g} lies inside the passing region {self.text()}; "
                "move it out, or leave it away so that the bound itself is the line"
            )
        return self


def _scaled_in_band(value: float, lower: float, upper: float) -> float:
    if upper > lower:
        return (value - (lower + upper) / 2) / ((upper - lower) / 2)
    off = value - lower
    return 0.0 if off == 0 else math.copysign(1 + abs(off) / max(abs(lower), 1.0), off)


class LowerBound(SimpleRule):
    """Passes from `value` upwards, `value` included."""

    rule: Literal["at_least"]
    value: Finite
    no_effect: Finite | None = None

    @override
    def bounds(self) -> tuple[float, float]:
        return self.value, math.inf

    @override
    def text(self) -> str:
        return f"≥ {self.value:g}"


class UpperBound(SimpleRule):
    """Passes up to `value`, `value` included."""

    rule: Literal["at_most"]
    value: Finite
    no_effect: Finite | None = None

    @override
    def bounds(self) -> tuple[float, float]:
        return -math.inf, self.value

    @override
    def text(self) -> str:
        return f"≤ {self.value:g}"


class GreaterThan(SimpleRule):
    """Passes when the whole interval lies above `value`: a significance test, no size asked."""

    rule: Literal["greater_than"]
    value: Finite

    @property
    @override
    def strict_bound(self) -> bool:
        return True

    @override
    def bounds(self) -> tuple[float, float]:
        return self.value, math.inf

    @override
    def text(self) -> str:
        return f"> {self.value:g}"


class LessThan(SimpleRule):
    """Passes when the whole interval lies below `value`."""

    rule: Literal["less_than"]
    value: Finite

    @property
    @override
    def strict_bound(self) -> bool:
        return True

    @override
    def bounds(self) -> tuple[float, float]:
        return -math.inf, self.value

    @override
    def text(self) -> str:
        return f"< {self.value:g}"


class Within(SimpleRule):
    """Passes within `tolerance` of `target`."""

    rule: Literal["within"]
    target_: Finite = Field(alias="target")
    tolerance: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    no_effect: Finite | None = None

    @override
    def bounds(self) -> tuple[float, float]:
        return self.target_ - self.tolerance, self.target_ + self.tolerance

    @override
    def text(self) -> str:
        return f"{self.target_:g} ± {self.tolerance:g}"


class Between(SimpleRule):
    """Passes from `low` to `high`, both included."""

    rule: Literal["between"]
    low: Finite
    high: Finite
    no_effect: Finite | None = None

    @override
    def bounds(self) -> tuple[float, float]:
        return self.low, self.high

    @override
    def text(self) -> str:
        return f"{self.low:g} to {self.high:g}"


class Equals(SimpleRule):
    """Passes on exactly `value`: for counts and for numbers printed twice."""

    rule: Literal["equals"]
    value: Finite
    no_effect: Finite | None = None

    @override
    def bounds(self) -> tuple[float, float]:
        return self.value, self.value

    @override
    def text(self) -> str:
        return f"= {self.value:g}"


AnySimpleRule = Annotated[
    LowerBound | UpperBound | GreaterThan | LessThan | Within | Between | Equals,
    Field(discriminator="rule"),
]
