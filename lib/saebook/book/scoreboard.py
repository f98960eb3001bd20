"""The scoreboard of the landing page, its plain twin in the README, and what to hold against it."""

from __future__ import annotations

import re
from pathlib import Path

from saebook.book.answers import (
    Answer,
    PaperAnswers,
    load_papers,
    resting,
    run_record,
    tally,
)
from saebook.book.errors import BookError
from saebook.book.markdown import badge, table
from saebook.book.questions import WORDS
from saebook.book.writing import write_if_changed
from saebook.claims import BLOCKS, Verdict
from saebook.claims.schema import ORIGINS, Test
from saebook.run.project import Project

BEGIN, END = "<!-- scoreboard:begin -->", "<!-- scoreboard:end -->"
KINDS = {"audit": "audit", "testbed": "testbed", "paper": "paper scale"}


def scoreboard(project: Project, papers: list[PaperAnswers], chapters: dict[str, str]) -> str:
    """One line per paper and kind of evidence, counting every row of the ledger.

    Args:
        project: Where minutes and dates are read from.
        papers: All papers.
        chapters: Page of each chapter that is written, by slug.
    """
    header = ["paper", "evidence", *(_head(v) for v in Verdict), "minutes", "run on"]
    counts, rows = tally(papers), []
    for paper in papers:
        run = run_record(project, paper.slug) if paper.slug in chapters else None
        for i, block in enumerate(BLOCKS):
            first = _first_column(paper, chapters.get(paper.slug))[i]
            cells = [_count(counts[paper.slug][block][v]) for v in Verdict]
            when = _when(run) if i == 0 else ["", ""]
            rows.append([first, KINDS[block], *cells, *when])
    return table(header, rows, align="ll" + "r" * (len(Verdict) + 2), name="scoreboard")


def _first_column(paper: PaperAnswers, chapter: str | None) -> tuple[str, str, str]:
    """The paper's name, its chapter and its claims, over its three lines."""
    page = f"[chapter](/{chapter}.ipynb)" if chapter else "no chapter yet"
    return (
        f"**{_short(paper)}**",
        page,
        f"[{len(paper.ledger)} claims](/book/claims/{paper.slug}.md)",
    )


def _head(verdict: Verdict) -> str:
    return f'<abbr title="{verdict.value}">{verdict.symbol}</abbr>'


def _count(n: int) -> str:
    return f"**{n}**" if n else '<span class="none">0</span>'


def _short(paper: PaperAnswers) -> str:
    name, year = paper.slug[:-4].capitalize(), paper.slug[-4:]
    return f"{name} {year}"


def _when(run: dict | None) -> list[str]:
    if run is None:
        return ["–", "–"]
    return [f"{run['seconds'] / 60:.1f}", str(run["finished"])[:10]]


def legend() -> str:
    """The seven words with their symbols, in one line."""
    return " · ".join(f"{v.symbol} {v.value}" for v in Verdict)


def totals(papers: list[PaperAnswers]) -> str:
    """How many claims, from where, and how many passes chance alone would give."""
    claims = [claim for paper in papers for claim in paper.ledger.claims]
    origin = {o: sum(c.origin == o for c in claims) for o in ORIGINS}
    answered = [a for paper in papers for a in paper.answers() if a.record is not None]
    rests = resting(answered) or "None of them carries a measurement yet."
    return (
        f"The ledger holds {len(claims)} claims of {len(papers)} papers: {origin['paper']} that "
        f"the papers make, {origin['derived']} that follow from what they print, and "
        f"{origin['ours']} that are ours. Under three kinds of evidence that is "
        f"{len(claims) * len(BLOCKS)} rows. {rests} {_by_chance(answered)}\n"
    )


def _by_chance(answered: list[Answer]) -> str:
    held = [answer.claim.block(answer.block) for answer in answered]
    risks = [test.alpha for test in held if isinstance(test, Test) and test.alpha is not None]
    if not risks:
        return ""
    return (
        f"{len(risks)} of the measured rows are tests that luck could pass; if nothing at all were "
        f"there, {sum(risks):.2g} of them would be expected to pass."
    )


def readme_block(root: Path) -> str:
    """A plain table from committed results: it changes with verdicts and nothing else."""
    papers = load_papers(Project(root), committed_only=True)
    return f"{BEGIN}\n{plain_board(papers)}{END}"


def plain_board(papers: list[PaperAnswers]) -> str:
    """A paper a row, a kind of evidence a column, verdicts counted behind their symbols."""
    counts = tally(papers)
    rows = [
        [p.slug, str(len(p.ledger)), *(_symbols(counts[p.slug][block]) for block in BLOCKS)]
        for p in papers
    ]
    answered = [a for paper in papers for a in paper.answers() if a.record is not None]
    notes = (f"{legend()}.", resting(answered), _by_chance(answered))
    board = table(["paper", "claims", *KINDS.values()], rows, "lr")
    return f"{board}\n{' '.join(filter(None, notes))}\n"


def _symbols(found: dict[Verdict, int]) -> str:
    return " · ".join(f"{n} {verdict.symbol}" for verdict, n in found.items() if n)


def with_block(text: str, block: str) -> str:
    """The text with what stands between the markers replaced.

    Raises:
        BookError: The markers are not there exactly once and in order.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise BookError(f"README.md needs the lines {BEGIN} and {END} once each, in this order")
    return re.sub(f"{BEGIN}.*?{END}", lambda _: block, text, flags=re.DOTALL)


def update_readme(root: Path, check: bool = False) -> bool:
    """Bring the README's scoreboard up to date.

    Args:
        root: The repository.
        check: Only look; a stale block is an error.

    Returns:
        Whether the file was changed.

    Raises:
        BookError: No markers, or with `check` a stale block.
    """
    readme = root / "README.md"
    text = readme.read_text(encoding="utf-8")
    fresh = with_block(text, readme_block(root))
    if check and fresh != text:
        raise BookError(
            "the README's scoreboard is not that of the results: python -m saebook.book readme"
        )
    return write_if_changed(readme, fresh.encode())


def verdict_table() -> str:
    """The words, their symbols and their rules."""
    return table(["verdict", "said when"], ([badge(v), WORDS[v]] for v in Verdict))
