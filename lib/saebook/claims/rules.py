"""The shapes a pre-registered test may take: one number, several named ones, or counted cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from saebook.claims.simple_rules import (
    AnySimpleRule,
    Between,
    Equals,
    GreaterThan,
    LessThan,
    LowerBound,
    Measured,
    Model,
    SimpleRule,
    UpperBound,
    Within,
)

Quantity: TypeAlias = "Measured | Mapping[str, Quantity]"


class AllOf(Model):
    """Several named quantities, each under its own rule; the worst of them decides."""

    rule: Literal["all_of"]
    parts: Annotated[dict[str, AnyRule], Field(min_length=2)]

    def text(self) -> str:
        """Each part with its rule."""
        return "; ".join(f"{name} {part.text()}" for name, part in self.parts.items())


class CountAtLeast(Model):
    """At least `k` of `of` cells pass the same rule; the k-th best cell decides."""

    rule: Literal["count_at_least"]
    k: Annotated[int, Field(ge=1)]
    of: Annotated[int, Field(ge=1)]
    cell: AnySimpleRule

    def text(self) -> str:
        """How many cells, and what each has to do."""
        return f"{self.k} of {self.of} {self.cell.text()}"

    @model_validator(mode="after")
    def _count_is_possible(self) -> Self:
        if self.k > self.of:
            raise ValueError(f"k = {self.k} cells are asked of only {self.of}")
        return self


AnyRule = Annotated[
    LowerBound
    | UpperBound
    | GreaterThan
    | LessThan
    | Within
    | Between
    | Equals
    | AllOf
    | CountAtLeast,
    Field(discriminator="rule"),
]
AllOf.model_rebuild()


def check_shape(rule: AnyRule, quantity: Quantity, name: str = "the estimate") -> None:
    """Refuse a quantity whose shape is not the rule's.

    Raises:
        ValueError: a single number where names are asked for, or the reverse; a part that is
            missing, unknown, or more cells than the ledger announced.
    """
    if isinstance(rule, SimpleRule):
        if not isinstance(quantity, Measured):
            raise ValueError(f"{name} is one number in the ledger, found {sorted(quantity)}")
        return
    if isinstance(quantity, Measured):
        raise ValueError(f"{name} needs a mapping for the rule {rule.text()!r}, found one number")
    if isinstance(rule, CountAtLeast):
        _check_cells(rule, quantity, name)
        return
    if set(quantity) != set(rule.parts):
        raise ValueError(f"{name} needs exactly {sorted(rule.parts)}, found {sorted(quantity)}")
    for part, inner in rule.parts.items():
        check_shape(inner, quantity[part], part)


def _check_cells(rule: CountAtLeast, quantity: Mapping[str, Quantity], name: str) -> None:
    if not 1 <= len(quantity) <= rule.of:
        raise ValueError(f"{name} takes 1 to {rule.of} cells, found {len(quantity)}")
    for cell, inner in quantity.items():
        check_shape(rule.cell, inner, cell)


def leaves(
    rule: AnyRule, quantity: Quantity, name: str = ""
) -> Iterator[tuple[str, SimpleRule, Measured]]:
    """Every measured number with its own simple rule and its dotted name ('' for a single one)."""
    if isinstance(rule, SimpleRule):
        assert isinstance(quantity, Measured)
        yield name, rule, quantity
        return
    assert not isinstance(quantity, Measured)
    for key, inner in quantity.items():
        part = rule.cell if isinstance(rule, CountAtLeast) else rule.parts[key]
        yield from leaves(part, inner, f"{name}.{key}" if name else key)
