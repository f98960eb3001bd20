"""The generated half of the cost page: one table of totals, and one table of steps a chapter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from saebook.book.markdown import plain, table
from saebook.hub import entries
from saebook.hub.costs import MACHINES, ChapterCost, Cost, Machine, chapter_costs, colab_costs
from saebook.hub.schema import DataEntry, SAEEntry, SubjectEntry
from saebook.hub.sizes import GIB, sae_bytes, weight_bytes

REFERENCE = "A100 80 GB"
"""Machine of the tables of steps."""
FREE = "T4 (free Colab)"
"""Machine of the colab tier."""


def cost_tables() -> str:
    """Totals on every machine, then the steps of each chapter on one of them."""
    by_machine = {name: chapter_costs(machine) for name, machine in MACHINES.items()}
    parts = [totals_table(by_machine)]
    parts += [_chapter(found) for found in by_machine[REFERENCE]]
    return "\n".join(parts)


def colab_table() -> str:
    """One row a chapter at the colab tier: memory, disk and hours on a free GPU."""
    return totals_table({FREE: colab_costs(MACHINES[FREE])})


def catalogue_tables() -> str:
    """What there is to fetch: licence, whether an account is needed, and what it takes."""
    models = [
        [*_told(entry), f"{_gib(weight_bytes(entry))}"] for entry in entries.subjects().values()
    ]
    released: dict[str, SAEEntry] = {}
    for entry in entries.saes().values():
        released.setdefault(entry.repo, entry)
    saes = [
        [*_told(entry), f"{entry.d_sae:,} of {entry.d_in:,}, {_gib(sae_bytes(entry))}"]
        for entry in released.values()
    ]
    data = [
        [*_told(entry), plain(" ".join(filter(None, (_stands_for(entry), entry.note)))) or "–"]
        for entry in entries.data_sets().values()
    ]
    shared = ["name", "repository", "licence", "gated"]
    return "\n".join(
        [
            "### Models\n",
            table([*shared, "weights"], models, "llllr"),
            "### SAEs, one of each repository\n",
            table([*shared, "latents of inputs, size"], saes),
            "### Data\n",
            table([*shared, "to know"], data),
        ]
    )


def _told(entry: SubjectEntry | SAEEntry | DataEntry) -> list[str]:
    """Name, linked repository, licence and gating; what was not read at its source has a mark."""
    marks = {name: "\\*" if name in entry.unread else "" for name in ("licence", "gated")}
    gated = "yes" if entry.gated else "no"
    return [
        f"`{entry.name}`",
        f"[{plain(entry.repo)}]({entry.page})",
        f"{plain(entry.licence)}{marks['licence']}",
        f"{gated}{marks['gated']}",
    ]


def _stands_for(entry: DataEntry) -> str:
    return f"Stands for {entry.stands_for}." if entry.stands_for else ""


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
