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
