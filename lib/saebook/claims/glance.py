"""Which rows a chapter answers, by kind of evidence, as its ledger has it."""

from __future__ import annotations

import pandas as pd

from saebook.claims.schema import BLOCKS, Ledger, Test


def rows_at_a_glance(ledger: Ledger) -> pd.DataFrame:
    """Ids of the rows that are tested, not attempted and not applicable, a line a block.

    A test that says why it is pending counts as not attempted.
    """
    lines = []
    for block in BLOCKS:
        held: dict[str, list[str]] = {"tested": [], "not attempted": [], "not applicable": []}
        for claim in ledger.claims:
            body = claim.block(block)
            if isinstance(body, Test):
                held["tested" if body.pending is None else "not attempted"].append(claim.id)
            else:
                held[body.status].append(claim.id)
        lines.append({"evidence": block} | {k: ", ".join(v) or "–" for k, v in held.items()})
    return pd.DataFrame(lines).set_index("evidence")
