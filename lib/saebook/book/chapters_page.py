"""All chapters, the written and the unwritten, so that nothing missing is hidden."""

from __future__ import annotations

from saebook.book.answers import PaperAnswers
from saebook.book.markdown import plain, table
from saebook.book.questions import QUESTIONS
from saebook.book.scoreboard import KINDS
from saebook.claims import BLOCKS, Verdict

UNANSWERED = (Verdict.NOT_ATTEMPTED, Verdict.NOT_APPLICABLE, Verdict.REHEARSED)


def chapters_table(papers: list[PaperAnswers], chapters: dict[str, str]) -> str:
    """Question, chapter, and how many rows of each kind have an answer."""
    rows = [
        [
            f"[{plain(QUESTIONS.get(p.slug, p.ledger.paper.title))}](/book/claims/{p.slug}.md)",
            f"[read](/{chapters[p.slug]}.ipynb)" if p.slug in chapters else "none yet",
            str(len(p.ledger)),
            *(_share(p, block) for block in BLOCKS),
        ]
        for p in papers
    ]
    header = ["question", "chapter", "claims", *(f"{kind} answered" for kind in KINDS.values())]
    return table(header, rows, "llrrrr")


def _share(paper: PaperAnswers, block: str) -> str:
    rows = [answer for answer in paper.answers() if answer.block == block]
    possible = [a for a in rows if a.verdict is not Verdict.NOT_APPLICABLE]
    done = [a for a in possible if a.verdict not in UNANSWERED]
    return f"{len(done)} of {len(possible)}"


def unanswered_lists(papers: list[PaperAnswers]) -> str:
    """Every row that says “not attempted”, grouped by paper, kind of evidence and reason."""
    return "".join(_unanswered(paper) for paper in papers)


def _unanswered(paper: PaperAnswers) -> str:
    rows = []
    for block in BLOCKS:
        reasons: dict[str, list[str]] = {}
        for answer in paper.answers():
            if answer.block == block and answer.verdict is Verdict.NOT_ATTEMPTED:
                reasons.setdefault(answer.why, []).append(answer.claim.id)
        rows += [[KINDS[block], spans(ids), plain(why)] for why, ids in reasons.items()]
    title = f"### {plain(QUESTIONS.get(paper.slug, paper.ledger.paper.title))}\n\n"
    body = table(["evidence", "claims", "why not"], rows) if rows else "Every row was attempted.\n"
    return title + body + "\n"


def spans(ids: list[str]) -> str:
    """Ids with three or more successive numbers drawn together: `C1–C7, C10`."""
    runs: list[list[str]] = []
    for name in ids:
        follows = runs and _parts(name) == (_parts(runs[-1][-1])[0], _parts(runs[-1][-1])[1] + 1)
        if follows:
            runs[-1].append(name)
        else:
            runs.append([name])
    told = (f"{r[0]}–{r[-1]}" if len(r) > 2 else ", ".join(r) for r in runs)
    return ", ".join(told)


def _parts(name: str) -> tuple[str, int]:
    """Letter and number of an id such as `C10`."""
    return name.rstrip("0123456789"), int(name.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
