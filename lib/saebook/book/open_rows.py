"""Rows without a decision: what was not attempted, and what was measured and decided nothing."""

from __future__ import annotations

from collections.abc import Callable

from saebook.book.answers import Answer, PaperAnswers
from saebook.book.markdown import plain, table
from saebook.book.questions import QUESTIONS
from saebook.book.scoreboard import KINDS
from saebook.claims import BLOCKS, Verdict

Cause = Callable[[PaperAnswers, Answer], str]
"""Why a row carries its verdict, in words; rows with the same words stand together."""


def unanswered_lists(papers: list[PaperAnswers]) -> str:
    """Every row that says “not attempted”, grouped by paper, kind of evidence and reason."""
    return "".join(_open(paper, Verdict.NOT_ATTEMPTED, "why not", _reason) for paper in papers)


def inconclusive_lists(papers: list[PaperAnswers]) -> str:
    """Every row that says “inconclusive”, grouped by paper, kind of evidence and cause."""
    return "".join(
        _open(paper, Verdict.INCONCLUSIVE, "what stood in the way", _cause) for paper in papers
    )


def _open(paper: PaperAnswers, verdict: Verdict, column: str, cause: Cause) -> str:
    rows = []
    for block in BLOCKS:
        together: dict[str, list[str]] = {}
        for answer in paper.answers():
            if answer.block == block and answer.verdict is verdict:
                together.setdefault(cause(paper, answer), []).append(answer.claim.id)
        rows += [[KINDS[block], spans(ids), plain(why)] for why, ids in together.items()]
    title = f"### {plain(QUESTIONS.get(paper.slug, paper.ledger.paper.title))}\n\n"
    body = table(["evidence", "claims", column], rows) if rows else "No row.\n"
    return title + body + "\n"


def _reason(_: PaperAnswers, answer: Answer) -> str:
    return answer.why


def _cause(paper: PaperAnswers, answer: Answer) -> str:
    """The gates that failed as the ledger words them, else what the verdict says first."""
    held = answer.record.gates if answer.record else {}
    failed = [name for name, passed in held.items() if not passed]
    if failed:
        worded = " ".join(paper.ledger.gates[name] for name in failed)
        return f"Asked beforehand and not so: {worded}"
    first = answer.why.split("; smallest effect")[0].replace("_", " ")
    return f"{first[0].upper()}{first[1:]}."


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
