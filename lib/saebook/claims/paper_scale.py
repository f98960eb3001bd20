"""Rows of the paper block: recorded on what is published, only rehearsed on stand-ins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saebook.claims.results import Results, ResultsError
from saebook.hub.rehearsing import NOT_PUBLISHED, rehearsing


def settle(results: Results, rows: Mapping[str, Mapping[str, Any]], scale: str) -> None:
    """Record rows at paper scale, or say that their path was rehearsed.

    Args:
        results: Of a run at the tier paper or colab.
        rows: Claim id to the arguments of `Results.record`.
        scale: `Subject.scale` of what the rows were measured on: paper or rehearsal.

    Raises:
        ResultsError: Another scale, or one that contradicts the variable of rehearsals.
    """
    if scale not in ("paper", "rehearsal") or (scale == "rehearsal") is not rehearsing():
        raise ResultsError(
            f"{results.slug}: rows measured on {scale!r} cannot be settled at paper scale "
            f"{'in' if rehearsing() else 'outside'} a rehearsal"
        )
    for claim_id, row in rows.items():
        if scale == "rehearsal":
            results.rehearse(claim_id, NOT_PUBLISHED)
        else:
            results.record(claim_id, "paper", **row)
