"""The generated half of the cost page: one table of totals, and one table of steps a chapter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from saebook.book.markdown import plain, table
from saebook.hub.costs import MACHINES, ChapterCost, Cost, Machine, chapter_costs
from saebook.hub.sizes import GIB

REFERENCE = "A100 80 GB"
"""Machine of the tables of steps."""


def cost_tables() -> str:
    """Totals on every machine, then the steps of each chapter on one of them."""
    by_machine = {name: chapter_costs(machine) for name, machine in MACHINES.items()}
    parts = [totals_table(by_machine)]
    parts += [_chapter(found) for found in by_machine[REFERENCE]]
    return "\n".join(parts)


def totals_table(by_machine: Mapping[str, Sequence[ChapterCost]]) -> str:
    """One row a chapter: memory, disk, and hours on each machine."""
    header = ["chapter", "GPU memory", "disk", *(f"hours, {name}" for name in by_machine)]
    rows = []
    for at, chapter in enumerate(next(iter(by_machine.values()))):
        total = chapter.total
        hours = [_hours_on(found[at].total, MACHINES[name]) for name, found in by_machine.items()]
        rows.append([f"`{chapter.slug}`", _gib(total.memory), _gib(total.disk), *hours])
    return table(header, rows, "lrr" + "r" * len(by_machine))


def _chapter(found: ChapterCost) -> str:
    header = ["step", "GPU memory", "disk", "hours", "hours, as published"]
    rows = [
        [
            plain(work.what),
            _gib(cost.memory),
            _gib(cost.disk),
            _hours(cost),
            "–" if work.published_hours is None else f"{work.published_hours:g}",
        ]
        for work, cost in found.lines
    ]
    return f"## {found.slug}\n\n{table(header, rows, 'lrrrr')}"


def _hours_on(cost: Cost, machine: Machine) -> str:
    fits = "" if cost.memory <= machine.memory else " (does not fit)"
    return f"{_hours(cost)}{fits}"


def _hours(cost: Cost) -> str:
    return f"{cost.hours:,.0f}" if cost.hours >= 10 else f"{cost.hours:.2g}"


def _gib(size: float) -> str:
    gib = size / GIB
    return f"{gib:,.0f} GiB" if gib >= 10 else f"{gib:.1f} GiB"
