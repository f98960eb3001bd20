"""One vocabulary of verdicts, and the decision table that leads from a measurement to a word.

For one number with its 95 % interval and one rule:

| interval on the claimed side of no effect | estimate passes | interval reaches passing | verdict |
|---|---|---|---|
| yes | yes | (follows) | reproduced |
| yes | no | either | direction only |
| no | either | yes | inconclusive |
| no | (follows: no) | no | not reproduced |

"On the claimed side" means beyond the rule's `no_effect` value; a rule without one uses its own
bound, so that the whole interval has to pass and "direction only" cannot occur. Of several
named quantities the worst decides; of k cells asked among n, the k-th best decides, a cell that
was not measured counting as inconclusive. A gate that failed, or a control that did not do what
the ledger says it must, makes the whole row inconclusive whatever was measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from saebook.claims.rules import AllOf, AnyRule, CountAtLeast, Quantity, check_shape, leaves
from saebook.claims.simple_rules import AnySimpleRule, Measured, SimpleRule


class Verdict(StrEnum):
    """The only words the book uses for an answer."""

    REPRODUCED = "reproduced"
    DIRECTION_ONLY = "direction only"
    NOT_REPRODUCED = "not reproduced"
    INCONCLUSIVE = "inconclusive"
    NOT_ATTEMPTED = "not attempted"
    NOT_APPLICABLE = "not applicable"
    REHEARSED = "rehearsed"

    @property
    def symbol(self) -> str:
        """A mark that stands beside the word, so that colour never carries the meaning alone."""
        return _SYMBOLS[self]

    @property
    def label(self) -> str:
        """Symbol and word."""
        return f"{self.symbol} {self.value}"


_SYMBOLS = {
    Verdict.REPRODUCED: "✓",
    Verdict.DIRECTION_ONLY: "↗",
    Verdict.NOT_REPRODUCED: "✗",
    Verdict.INCONCLUSIVE: "?",
    Verdict.NOT_ATTEMPTED: "○",
    Verdict.NOT_APPLICABLE: "–",
    Verdict.REHEARSED: "◌",
}

RANK = {
    Verdict.NOT_REPRODUCED: 0,
    Verdict.INCONCLUSIVE: 1,
    Verdict.DIRECTION_ONLY: 2,
    Verdict.REPRODUCED: 3,
}
"""Order of the four measured verdicts, from least to most favourable to the claim."""


class Decision(NamedTuple):
    """A verdict and the sentence that explains it."""

    verdict: Verdict
    why: str


def judge_one(rule: SimpleRule, m: Measured) -> Verdict:
    """Verdict for one number, by the table at the head of this module."""
    if rule.excludes_null(m):
        return Verdict.REPRODUCED if rule.passes(m.estimate) else Verdict.DIRECTION_ONLY
    return Verdict.INCONCLUSIVE if rule.reaches(m) else Verdict.NOT_REPRODUCED


def judge(rule: AnyRule, quantity: Quantity) -> Verdict:
    """Verdict for a quantity of the rule's shape, before gates and controls are looked at."""
    if isinstance(rule, SimpleRule):
        assert isinstance(quantity, Measured)
        return judge_one(rule, quantity)
    assert not isinstance(quantity, Measured)
    if isinstance(rule, AllOf):
        return min((judge(r, quantity[p]) for p, r in rule.parts.items()), key=RANK.__getitem__)
    cells = [judge(rule.cell, q) for q in quantity.values()]
    cells += [Verdict.INCONCLUSIVE] * (rule.of - len(cells))
    return sorted(cells, key=RANK.__getitem__, reverse=True)[rule.k - 1]


def decide(
    rule: AnyRule,
    quantity: Quantity,
    *,
    n: int,
    controls: Mapping[str, tuple[AnySimpleRule, float]] | None = None,
    gates: Mapping[str, bool] | None = None,
) -> Decision:
    """Verdict and reason for one row.

    Args:
        rule: The pre-registered rule.
        quantity: What was measured, in the rule's shape.
        n: How many independent units stand behind it.
        controls: For each control its `must` rule and the value found.
        gates: For each gate whether it held.

    Raises:
        ValueError: The quantity has not the rule's shape, or an interval misses its estimate.
    """
    check_shape(rule, quantity)
    _check_intervals(rule, quantity)
    failed = [name for name, held in (gates or {}).items() if not held]
    if failed:
        return _undecided(f"gate failed: {', '.join(failed)}", rule, quantity, n)
    broken = [
        f"{name} = {value:g}, must be {must.text()}"
        for name, (must, value) in (controls or {}).items()
        if not must.passes(value)
    ]
    if broken:
        return _undecided(f"control did not hold: {'; '.join(broken)}", rule, quantity, n)
    verdict = judge(rule, quantity)
    if verdict is Verdict.INCONCLUSIVE:
        return _undecided("the interval does not decide", rule, quantity, n)
    return Decision(verdict, _REASONS[verdict].format(rule=rule.text()))


_REASONS = {
    Verdict.REPRODUCED: "passes {rule}",
    Verdict.DIRECTION_ONLY: "on the claimed side, but misses {rule}",
    Verdict.NOT_REPRODUCED: "misses {rule} and shows no effect on the claimed side",
}


def _check_intervals(rule: AnyRule, quantity: Quantity) -> None:
    for name, _, m in leaves(rule, quantity):
        if not m.low <= m.estimate <= m.high:
            raise ValueError(
                f"the interval [{m.low:g}, {m.high:g}] of {name or 'the estimate'} does not hold "
                f"its estimate {m.estimate:g}"
            )


def _undecided(reason: str, rule: AnyRule, quantity: Quantity, n: int) -> Decision:
    return Decision(Verdict.INCONCLUSIVE, f"{reason}; {power_note(rule, quantity, n)}")


def power_note(rule: AnyRule, quantity: Quantity, n: int) -> str:
    """Smallest effect this measurement could have shown, and what n would settle the row.

    The widest interval among the undecided numbers speaks. Its half width is the smallest
    effect seen with `n`; half widths shrink as 1 / sqrt(n).
    """
    open_ones = [leaf for leaf in leaves(rule, quantity) if _is_open(leaf[1], leaf[2])]
    if not open_ones:
        return _missing_cells(rule, quantity, n)
    name, simple, m = max(open_ones, key=lambda leaf: leaf[2].high - leaf[2].low)
    half = (m.high - m.low) / 2
    seen = f"smallest effect that could be seen{f' in {name}' if name else ''} "
    return f"{seen}{half:.3g} with n = {n}, {_settling(simple, m, half, n)}"


def _is_open(rule: SimpleRule, m: Measured) -> bool:
    return judge_one(rule, m) is Verdict.INCONCLUSIVE


def _missing_cells(rule: AnyRule, quantity: Quantity, n: int) -> str:
    if isinstance(rule, CountAtLeast) and len(quantity) < rule.of:
        return f"{len(quantity)} of {rule.of} cells were measured with n = {n}"
    widest = max(m.high - m.low for _, _, m in leaves(rule, quantity)) / 2
    return f"smallest effect that could be seen {widest:.3g} with n = {n}"


def _settling(rule: SimpleRule, m: Measured, half: float, n: int) -> str:
    """The n at which the half width falls to the distance the rule asks to tell apart."""
    edges = [b for b in rule.bounds() if math.isfinite(b)]
    start = m.estimate if rule.null is None else rule.null
    gap = min(abs(edge - start) for edge in edges)
    if gap == 0 or half == 0:
        return "and no n can be named, for the estimate lies on the line"
    return f"about n = {max(n + 1, math.ceil(n * (half / gap) ** 2))} would settle it"
