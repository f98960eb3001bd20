"""What stands beside a verdict: a row's details as a table that can be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd


def detail_table(claim_id: str, detail: Mapping[str, Any]) -> pd.DataFrame:
    """Return a recorded row's details as text, a line a number or list of numbers.

    Args:
        claim_id: Named in the table's head.
        detail: As it was recorded, values may be mappings themselves.
    """
    flat = pd.json_normalize(dict(detail), sep=", ").T
    flat.columns = pd.Index([f"{claim_id}, beside the verdict"])
    return flat.map(_said)


def _said(value: object) -> str:
    if isinstance(value, list | tuple):
        apart = "; " if any(isinstance(v, list | tuple) for v in value) else ", "
        return apart.join(_said(v) for v in value)
    return f"{value:.3g}" if isinstance(value, float) and abs(value) < 1000 else str(value)
