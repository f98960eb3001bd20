"""A chapter's scorecard: every claim under every kind of evidence, answered or not."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import pandas as pd

from saebook.claims.results import Record, Results
from saebook.claims.rules import AnyRule, leaves
from saebook.claims.schema import BLOCKS, Block, Claim, Test
from saebook.claims.simple_rules import Measured
from saebook.claims.verdicts import Verdict

BLOCK_NAMES: dict[Block, str] = {
    "audit": "audit of the paper's own numbers",
    "testbed": "testbed",
    "paper": "paper scale",
}
COLUMNS: tuple[str, ...] = (
    "evidence",
    "claim",
    "where",
    "quantity",
    "paper",
    "ours [95 %]",
    "n",
    "Δ",
    "tolerance",
    "verdict",
    "why",
)
_NUMBERS = {"paper", "ours [95 %]", "n", "Δ", "tolerance"}
_SHOWN = 3


@dataclass(frozen=True)
class Scorecard:
    """A frame with one row per claim and kind of evidence, shown as a table in a notebook."""

    frame: pd.DataFrame
    caption: str

    def to_html(self) -> str:
        """The frame as a plain HTML table, one body per kind of evidence."""
        shown = [c for c in COLUMNS if c not in ("evidence", "why")]
        head = "".join(f'<th scope="col">{html.escape(c)}</th>' for c in shown)
        bodies = "".join(_body(self.frame, block, shown) for block in BLOCKS)
        caption = f"<caption>{html.escape(self.caption)}</caption>"
        return f'<table class="scorecard">{caption}<thead><tr>{head}</tr></thead>{bodies}</table>'

    def _repr_html_(self) -> str:
        return self.to_html()


def scorecard(results: Results) -> Scorecard:
    """The scorecard of a chapter.

    Δ is the distance from the centre of a band or from a bound that the ledger set before the
    run; the paper's number stands beside it and is never subtracted from a testbed value.
    """
    changed = results.changed_since()
    rows = [_row(results, block, claim, changed) for block, claim in results.ledger.rows()]
    caption = (
        f"Claims of {results.slug} at the {results.tier} tier, seed {results.seed}. "
        "Audit, testbed and paper scale answer different questions and are not added up."
    )
    return Scorecard(pd.DataFrame(rows, columns=pd.Index(COLUMNS)), caption)


def verdict_line(results: Results) -> str:
    """One sentence that counts the verdicts of each kind of evidence."""
    parts = []
    for block in BLOCKS:
        counts = Counter(results.verdict(i, block).verdict for i in results.ledger.ids)
        said = ", ".join(f"{counts[v]} {v.value}" for v in Verdict if counts[v])
        parts.append(f"{BLOCK_NAMES[block]}: {said}")
    return f"Of {len(results.ledger)} claims, {'; '.join(parts)}."


def _row(results: Results, block: Block, claim: Claim, changed: dict[str, str]) -> dict[str, str]:
    held = claim.block(block)
    record = results.records[block].get(claim.id)
    verdict, why = results.verdict(claim.id, block)
    amended = changed.get(f"{claim.id}.{block}")
    row: dict[str, str] = dict.fromkeys(COLUMNS, "")
    row |= {"evidence": block, "claim": claim.id, "where": claim.where, "paper": published(claim)}
    row |= {"verdict": verdict.label + (" (amended)" if amended else "")}
    row["why"] = f"{why}; amended: {amended}" if amended else why
    if isinstance(held, Test):
        row |= {"quantity": _with_unit(held), "tolerance": held.test.text()}
        if record is not None and not amended:
            row |= _measured_cells(held.test, record)
        elif record is not None:
            row |= {"ours [95 %]": "see the results file", "n": str(record.n)}
    return row


def _with_unit(test: Test) -> str:
    return f"{test.metric} ({test.unit})" if test.unit else test.metric


def _measured_cells(rule: AnyRule, record: Record) -> dict[str, str]:
    found = list(leaves(rule, record.quantity()))
    ours = [_named(name, interval_text(m)) for name, _, m in found]
    delta = [_named(name, f"{m.estimate - r.target():+.3g}") for name, r, m in found]
    return {"ours [95 %]": "\n".join(ours), "n": str(record.n), "Δ": "\n".join(delta)}


def _named(name: str, text: str) -> str:
    return f"{name}: {text}" if name else text


def interval_text(m: Measured) -> str:
    """`0.31 [0.20, 0.42]`, or the bare number where it is exact."""
    if m.low == m.high:
        return f"{m.estimate:.3g}"
    return f"{m.estimate:.3g} [{m.low:.3g}, {m.high:.3g}]"


def published(claim: Claim) -> str:
    """The paper's numbers for a claim; beyond three the rest is counted."""
    values = [f"{p.value:g}{_mark(p.read)}" for p in claim.published]
    more = len(values) - _SHOWN
    return ", ".join(values[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _mark(read: str) -> str:
    marks = {"read off": " (read off)", "secondary": " (secondary)", "recomputed": " (recomputed)"}
    return marks.get(read, "")


def _body(frame: pd.DataFrame, block: Block, shown: list[str]) -> str:
    title = f'<tr><th colspan="{len(shown)}" scope="rowgroup">{BLOCK_NAMES[block]}</th></tr>'
    rows = frame.loc[frame["evidence"] == block].to_dict(orient="records")
    return f"<tbody>{title}{''.join(_html_row(row, shown) for row in rows)}</tbody>"


def _html_row(row: Mapping[Hashable, str], shown: list[str]) -> str:
    cells = []
    for column in shown:
        text = html.escape(str(row[column])).replace("\n", "<br>")
        if column == "verdict":
            text += f"<br><small>{html.escape(row['why'])}</small>"
        align = ' style="text-align:right"' if column in _NUMBERS else ""
        cells.append(f"<td{align}>{text}</td>")
    return f"<tr>{''.join(cells)}</tr>"
