"""What follows from the printed numbers alone."""

from __future__ import annotations

import pandas as pd

from saebook.papers.he2024 import tables


def transfer_ratio() -> float:
    """Printed Delta loss on the instruct model over that on the base; each on its own text."""
    return tables.DELTA_LOSS["instruct"] / tables.DELTA_LOSS["base"]


def long_context_rises() -> dict[str, float]:
    """Printed rise of the loss and of L0 beyond the training context, percent."""
    l0 = 100 * (tables.L0["long context"] / tables.L0["training"] - 1)
    return {"loss": tables.LONG_CONTEXT_RISE, "L0": round(l0, 6)}


def what_the_printed_rise_leaves_open() -> pd.DataFrame:
    """The loss on training data that the rise implies, and the two unknowns of the comparison.

    Columns quantity, value, how (printed or implied).
    """
    implied = tables.LONG_CONTEXT_LOSS / (1 + tables.LONG_CONTEXT_RISE / 100)
    multiple = tables.CONTEXTS["long"] / tables.CONTEXTS["training"]
    rows = [
        ("normalised loss, last 1,024 tokens", tables.LONG_CONTEXT_LOSS, "printed"),
        ("normalised loss, training data", implied, "implied by the rise"),
        ("contexts of training that fit the long one", multiple, "printed sizes"),
    ]
    return pd.DataFrame(rows, columns=["quantity", "value", "how"])
