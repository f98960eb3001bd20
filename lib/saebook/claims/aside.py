"""A row's verdict as a sentence, and what its numbers say with its gates left aside."""

from __future__ import annotations

from saebook.claims.results import Results
from saebook.claims.schema import Block, Test
from saebook.claims.verdicts import Decision, decide


def answer_line(results: Results, claim_id: str, block: Block = "testbed") -> str:
    """Return a row's verdict and its reason, in Markdown.

    Where a gate settled it, what the numbers alone say follows.
    """
    verdict, why = results.verdict(claim_id, block)
    said = f"**{claim_id}, {block}: {verdict.label}** ({why})."
    if why.startswith("gate failed"):
        alone = numbers_alone(results, claim_id, block)
        said += f" Gates aside, the numbers read: *{alone.verdict.value}*, {alone.why}."
    return said


def numbers_alone(results: Results, claim_id: str, block: Block = "testbed") -> Decision:
    """Judge a recorded row by its rule and controls, its gates left aside.

    For rows whose verdict is inconclusive because a gate failed: a reader may want to know what
    was seen. It is shown beside the verdict and recorded nowhere.

    Raises:
        ValueError: the row was not recorded.
    """
    record = results.records[block].get(claim_id)
    test = results.ledger[claim_id].block(block)
    if record is None or not isinstance(test, Test):
        raise ValueError(f"{results.slug}:{claim_id}.{block} was not recorded")
    controls = {c.name: (c.must, record.controls[c.name]) for c in test.controls}
    return decide(test.test, record.quantity(), n=record.n, controls=controls)
