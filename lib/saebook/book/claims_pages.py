"""A page for each paper: every claim, what was asked of it, and all three kinds of evidence."""

from __future__ import annotations

from collections.abc import Iterator

from saebook.book.answers import Answer, PaperAnswers, resting
from saebook.book.markdown import badge, labelled, number, plain, table
from saebook.book.questions import QUESTIONS
from saebook.book.scoreboard import KINDS
from saebook.claims import BLOCKS
from saebook.claims.results import Record
from saebook.claims.rules import CountAtLeast, Measured, Quantity, leaves
from saebook.claims.schema import Claim, Published, Test

ORIGIN = {
    "paper": "claimed by the paper",
    "derived": "follows from what the paper prints",
    "ours": "our own question to the paper",
}
_HELD = {True: "held", False: "did not hold", None: "–"}
MOST_CELLS = 8
"""A row with more measured numbers than this shows the first ones and says how many there are."""


def claims_page(paper: PaperAnswers, chapter: str | None) -> str:
    """The whole page as Markdown.

    Args:
        paper: Ledger and runs.
        chapter: Page of its chapter, or None while that is not written.
    """
    about, slug = paper.ledger.paper, paper.slug
    question = QUESTIONS.get(slug, about.title)
    where = f"[its chapter](/{chapter}.ipynb)" if chapter else "a chapter that is not written yet"
    parts = [
        labelled(f"claims-{slug}", f"The claims of {slug[:-4].capitalize()} {slug[-4:]}"),
        f"**{plain(question)}** All {len(paper.ledger)} claims of {{cite:t}}`{slug}` stand here, "
        f"with the rule each was to meet, fixed beforehand. How they were measured is told in "
        f"{where}; what the words mean in {{doc}}`/book/how-to-read`.\n\n",
        _about(paper),
        "## At a glance\n\n",
        _overview(paper),
        "## One by one\n\n",
        *(_section(paper, claim) for claim in paper.ledger.claims),
        _gates(paper),
        _departures(paper),
    ]
    return "".join(parts)


def label_of(slug: str, claim_id: str) -> str:
    """The label under which a claim's section can be referred to."""
    return f"claim-{slug}-{claim_id.lower()}"


def _about(paper: PaperAnswers) -> str:
    about = paper.ledger.paper
    code = f"[{about.code}]({about.code})" if about.code else "none published"
    version = f"arXiv [{about.arxiv}](https://arxiv.org/abs/{about.arxiv})"
    venue = f". {plain(about.venue)}" if about.venue else ""
    facts = {
        "Paper": f"“{plain(about.title).rstrip('.')}”, {version}{venue}",
        "Works on": plain(about.subject),
        "Code": f"{code}{f', commit `{about.commit}`' if about.commit else ''}. "
        f"{plain(about.code_state)}",
    }
    return "".join(f"{name}\n: {text}\n\n" for name, text in facts.items())


def _overview(paper: PaperAnswers) -> str:
    rows = [
        [
            f"[{c.id}](#{label_of(paper.slug, c.id)})",
            plain(c.says),
            *(badge(paper.answer(c, block).verdict) for block in BLOCKS),
        ]
        for c in paper.ledger.claims
    ]
    overview = table(["", "claim", *KINDS.values()], rows, name="claims")
    rests = resting(paper.answers())
    return f"{overview}\n{rests}\n\n" if rests else f"{overview}\nNothing is measured yet.\n\n"


def _section(paper: PaperAnswers, claim: Claim) -> str:
    parts = [
        labelled(label_of(paper.slug, claim.id), f"{claim.id}: {plain(claim.says.rstrip('.'))}", 3),
        f"{plain(claim.where)}; {ORIGIN[claim.origin]}.\n\n",
        _published(claim.published),
    ]
    for block in BLOCKS:
        parts.append(_evidence(paper.answer(claim, block), paper))
    parts += [f"Not attempted: {plain(text)}\n\n" for text in claim.not_attempted]
    parts += [
        f"Departure: {plain(d.what)}, because {_lower(d.why)}; effect: {_lower(d.effect)}\n\n"
        for d in claim.departures
    ]
    parts += [
        f"Amended on {a.date} ({KINDS[a.block]}, {plain(a.field)}): from “{plain(a.old)}” to "
        f"“{plain(a.new)}”. {plain(a.reason)}\n\n"
        for a in claim.amendments
    ]
    return "".join(parts)


def _published(values: list[Published]) -> str:
    if not values:
        return ""
    rows = [
        [
            plain(v.quantity),
            f"{number(v.value, 6)}{_rest(v)}",
            f"{v.read}, {plain(v.place)}",
        ]
        for v in values
    ]
    return table(["published quantity", "value", "read from"], rows, "lrl") + "\n"


def _rest(value: Published) -> str:
    """The unit, and for a value read off a figure how far the eye may be wrong."""
    error = f" ± {value.reading_error:g}" if value.reading_error else ""
    return f"{error}{_unit(value.unit)}"


def _evidence(answer: Answer, paper: PaperAnswers) -> str:
    """One definition-like block: kind and verdict, then rule, finding, controls, reason."""
    held = answer.claim.block(answer.block)
    kind = f"**{KINDS[answer.block].capitalize()}** {badge(answer.verdict)}"
    if not isinstance(held, Test):
        return f"{kind} {plain(answer.why)}\n\n"
    lines = [
        f"{kind}\n",
        f"- asked: {plain(held.metric)}\n",
        f"- rule: {plain(held.test.text())}{_unit(held.unit)}. {plain(held.tolerance_why)}\n",
    ]
    if answer.record is not None:
        found = _found_before(answer.record) if answer.is_amended else _found(held, answer.record)
        lines.append(f"- {answer.tier} tier, n = {answer.record.n}\n")
        lines += found
    lines.append(f"- why this word: {plain(answer.why)}\n")
    changed = paper.runs[answer.tier].changed_since() if answer.tier else {}
    if note := changed.get(f"{answer.claim.id}.{answer.block}"):
        lines.append(f"- the rule was changed after this run: {plain(note)}\n")
    return "".join(lines) + "\n"


def _found(held: Test, record: Record) -> Iterator[str]:
    measured = leaves(held.test, record.quantity())
    cells = [f"{plain(name)} {interval(m)}".strip() for name, _, m in measured]
    more = f"; {len(cells)} numbers in all" if len(cells) > MOST_CELLS else ""
    shown = "; ".join(cells[:MOST_CELLS]) + more
    count = _passing(held, record)
    yield f"- found: {shown}{_unit(held.unit)}{count}\n"
    for control in held.controls:
        value = record.controls[control.name]
        yield (
            f"- control {plain(control.name)}: {number(value)}, must be "
            f"{plain(control.must.text())}. {plain(control.why)}\n"
        )
    for gate, passed in record.gates.items():
        yield f"- gate {plain(gate)}: {_HELD[passed]}\n"


def _found_before(record: Record) -> Iterator[str]:
    """What was found by a rule that has changed since: its parts and controls may have others."""
    cells = [f"{plain(name)} {interval(m)}".strip() for name, m in numbers(record.quantity())]
    yield f"- found under the rule as it was: {'; '.join(cells[:MOST_CELLS])}{_unit(record.unit)}\n"
    for name, value in record.controls.items():
        yield f"- control {plain(name)}: {number(value)}\n"


def numbers(quantity: Quantity, name: str = "") -> Iterator[tuple[str, Measured]]:
    """Every measured number with its dotted name."""
    if isinstance(quantity, Measured):
        yield name, quantity
        return
    for key, inner in quantity.items():
        yield from numbers(inner, f"{name}.{key}" if name else key)


def _passing(held: Test, record: Record) -> str:
    if not isinstance(held.test, CountAtLeast):
        return ""
    passed = sum(r.passes(m.estimate) for _, r, m in leaves(held.test, record.quantity()))
    return f". {passed} of {held.test.of} estimates pass"


def interval(m: Measured) -> str:
    """A number with its interval; a number alone where it is exact."""
    if m.low == m.high:
        return number(m.estimate, 4)
    return f"{number(m.estimate)} \\[{number(m.low)}, {number(m.high)}\\]"


def _unit(unit: str) -> str:
    return f" {plain(unit)}" if unit else ""


def _lower(text: str) -> str:
    """A sentence that goes on after a comma; a name or an abbreviation keeps its capital."""
    words = plain(text)
    return words if words[:2].isupper() else words[:1].lower() + words[1:]


def _gates(paper: PaperAnswers) -> str:
    if not paper.ledger.gates:
        return ""
    stated: dict[str, bool] = {}
    for run in reversed(paper.runs.values()):
        stated |= run.gates
    rows = [
        [plain(name), plain(asks), _HELD[stated.get(name)]]
        for name, asks in paper.ledger.gates.items()
    ]
    lead = "A claim that rests on a gate is inconclusive when the gate does not hold.\n\n"
    return "## Gates\n\n" + lead + table(["gate", "asks", "last run"], rows) + "\n"


def _departures(paper: PaperAnswers) -> str:
    if not paper.ledger.departures:
        return ""
    rows = [[plain(d.what), plain(d.why), plain(d.effect)] for d in paper.ledger.departures]
    return "## Where we differ from the paper\n\n" + table(["what", "why", "effect"], rows) + "\n"
