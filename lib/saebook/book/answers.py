"""Every claim under every kind of evidence, with the answer found for it or the reason for none."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saebook.book.errors import BookError
from saebook.book.markdown import listed
from saebook.claims import SLUGS, Ledger, Results, Verdict, load_ledger, load_results
from saebook.claims.results import Record, ResultsError
from saebook.claims.schema import BLOCKS, Block, Claim
from saebook.run.project import Project

RECORD = "full"
TIERS = ("paper", RECORD, "testbed")
"""Where an answer is looked for, the weightiest first; full holds the verdicts of record."""


@dataclass(frozen=True)
class Answer:
    """One row of the ledger and what the book says to it."""

    slug: str
    claim: Claim
    block: Block
    verdict: Verdict
    why: str
    record: Record | None
    tier: str | None
    """Tier of the run the record comes from; None without a record."""

    @property
    def is_amended(self) -> bool:
        """Whether the rule was changed after the measurement it carries."""
        return self.record is not None and self.record.digest != self.claim.digest(self.block)

    @property
    def name(self) -> str:
        """Such as `mayne2024:R4`."""
        return f"{self.slug}:{self.claim.id}"


@dataclass(frozen=True)
class PaperAnswers:
    """One paper: its ledger, and the runs that answered something."""

    ledger: Ledger
    runs: dict[str, Results]
    """By tier."""

    @property
    def slug(self) -> str:
        """The paper's key."""
        return self.ledger.slug

    def answers(self) -> Iterator[Answer]:
        """All rows, block by block, none left out."""
        for block, claim in self.ledger.rows():
            yield self.answer(claim, block)

    def answer(self, claim: Claim, block: Block) -> Answer:
        """The row's answer from the weightiest run that has one.

        A run at the paper tier answers the paper block alone: what it repeats of the testbed
        beside is at small sizes.
        """
        for tier in (t for t in TIERS if t in self.runs and (t != "paper" or block == "paper")):
            record = self.runs[tier].records[block].get(claim.id)
            if record is not None:
                found = (record.verdict, record.why, record, tier)
                return Answer(self.slug, claim, block, *found)
        return Answer(self.slug, claim, block, *self._unrecorded(claim, block), None, None)

    def _unrecorded(self, claim: Claim, block: Block) -> tuple[Verdict, str]:
        for run in self.runs.values():
            if block == "paper" and claim.id in run.rehearsals:
                return Verdict.REHEARSED, run.rehearsals[claim.id]
        return self.ledger.unanswered(claim.id, block)


def results_file(
    project: Project, tier: str, name: str, committed_only: bool = False
) -> Path | None:
    """Where a result file lies: what was run here last, else what is committed, else None.

    The full tier holds the numbers of record, so there the committed file alone counts: a run of
    one's own is copied over it.
    """
    committed = project.root / "book" / "results"
    only = committed_only or tier == RECORD
    places = (committed,) if only else (project.build / "results", committed)
    for folder in places:
        path = folder / tier / name
        if path.is_file():
            return path
    return None


def run_record(project: Project, slug: str, tier: str = "testbed") -> dict[str, Any] | None:
    """What varies between runs (seconds, hardware, versions), or None when nothing was kept."""
    path = results_file(project, tier, f"{slug}.run.json")
    return json.loads(path.read_text(encoding="utf-8")) if path else None


def load_papers(project: Project, committed_only: bool = False) -> list[PaperAnswers]:
    """Every paper that has a ledger, in the order of the book.

    Args:
        project: Where ledgers and results lie.
        committed_only: Leave out what was run here and is not committed.

    Raises:
        LedgerError: A ledger is broken.
        BookError: A result file is broken, or there is no ledger at all.
    """
    folder = project.root / "book" / "claims"
    found = {path.stem for path in folder.glob("*.yaml")}
    order = [slug for slug in SLUGS if slug in found] + sorted(found - set(SLUGS))
    if not order:
        raise BookError("book/claims holds no ledger; the book has nothing to say")
    return [_paper(project, load_ledger(slug, folder), committed_only) for slug in order]


def _paper(project: Project, ledger: Ledger, committed_only: bool) -> PaperAnswers:
    runs: dict[str, Results] = {}
    for tier in TIERS:
        path = results_file(project, tier, f"{ledger.slug}.json", committed_only)
        if path is None:
            continue
        try:
            runs[tier] = load_results(path, ledger)
        except ResultsError as error:
            raise BookError(f"results of {ledger.slug} at tier {tier}: {error}") from error
        if runs[tier].tier != tier:
            raise BookError(f"{tier}/{path.name} holds results of the {runs[tier].tier} tier")
    return PaperAnswers(ledger, runs)


def resting(answers: Iterable[Answer]) -> str:
    """Which tiers the measured rows rest on, as a sentence; empty without a measured row."""
    tiers = Counter(answer.tier for answer in answers if answer.tier is not None)
    if not tiers:
        return ""
    parts = [f"{tiers[tier]} at the {tier} tier" for tier in TIERS if tier in tiers]
    rows = "row carries" if tiers.total() == 1 else "rows carry"
    return f"{tiers.total()} {rows} a measurement: {listed(parts)}."


def tally(papers: list[PaperAnswers]) -> dict[str, dict[Block, dict[Verdict, int]]]:
    """How many rows carry each verdict, by paper and kind of evidence."""
    return {
        paper.slug: {
            block: {
                verdict: sum(
                    answer.verdict is verdict for answer in paper.answers() if answer.block == block
                )
                for verdict in Verdict
            }
            for block in BLOCKS
        }
        for paper in papers
    }
