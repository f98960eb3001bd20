"""Verdicts and numbers in the book's own prose: asked for in a page, filled in from the results.

`[[mayne2024:R5 testbed is not reproduced]]`
    A link to the row and its verdict. The build fails when the verdict has become another word,
    so that a sentence which leans on it is read again.
`[[mayne2024:R5 testbed number]]`, `[[li2025:F1 testbed number topk]]`
    What was measured, with its interval and without its unit; of several numbers the one named.
`[[zhang2026:C4 testbed control r_in_the_format_world]]`
    What a control gave.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

from saebook.book.answers import Answer, PaperAnswers
from saebook.book.claims_pages import interval, label_of, numbers
from saebook.book.errors import BookError
from saebook.book.markdown import badge, number
from saebook.claims.schema import Block

_ASKED = re.compile(
    r"\[\[(?P<slug>[a-z]+\d{4}):(?P<claim>[A-Z]+\d+) (?P<block>audit|testbed|paper) "
    r"(?P<what>is|number|control)(?: (?P<name>[^\]]+))?\]\]"
)
_LEFT = re.compile(r"\[\[[^\]]*\]\]")
_NONE = "–"


def filled(text: str, papers: Mapping[str, PaperAnswers], page: str) -> str:
    """A page's text with everything filled in that it asks for.

    Args:
        text: Markdown.
        papers: By slug.
        page: Its name, for errors.

    Raises:
        BookError: A row, number or control that is not there, or another verdict than expected.
    """

    def one(found: re.Match[str]) -> str:
        try:
            paper, block = papers[found["slug"]], cast(Block, found["block"])
            answer = paper.answer(paper.ledger[found["claim"]], block)
            return _FILL[found["what"]](answer, found["name"] or "")
        except KeyError as error:
            raise BookError(f"{page} asks for {found[0]}: there is no {error}") from None
        except BookError as error:
            raise BookError(f"{page} asks for {found[0]}: {error}") from None

    done = _ASKED.sub(one, text)
    if left := _LEFT.search(done):
        raise BookError(f"{page} asks for {left[0]}, which is none of the forms that are filled in")
    return done


def _verdict(answer: Answer, expected: str) -> str:
    if answer.record is not None and answer.verdict.value != expected:
        raise BookError(
            f"the verdict is {answer.verdict.value!r} now; read the sentence again and mend it"
        )
    return f"[{answer.claim.id}](#{label_of(answer.slug, answer.claim.id)}) {badge(answer.verdict)}"


def _number(answer: Answer, name: str) -> str:
    if answer.record is None:
        return _NONE
    return interval(dict(numbers(answer.record.quantity()))[name])


def _control(answer: Answer, name: str) -> str:
    return _NONE if answer.record is None else number(answer.record.controls[name])


_FILL = {"is": _verdict, "number": _number, "control": _control}
