"""Every SAE of the chapter on the same held-out dialogues: one row an SAE."""

from __future__ import annotations

import math
import tempfile
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from saebook.papers.li2025.arms import Cell, spec_of
from saebook.papers.li2025.bench import Bench
from saebook.papers.li2025.tokens import TokenTable
from saebook.reconstruction import dead_fraction, fvu_by_class, l0, mse_equation_7
from saebook.zoo import get_saes

READINGS = ("mse", "mse_st", "mse_st_template", "mse_st_bos", "mse_st_varying", "mse_varying")
"""Equation 7 over all tokens; over special tokens by id, in the template only, with BOS, and after
the constant prefix; and over all tokens but the constant ones."""


def measured_cells(bench: Bench, cells: list[Cell]) -> pd.DataFrame:
    """Train or find the SAEs and measure each.

    Returns:
        A row a cell: the cell's fields; the log2 of each of `READINGS`; baseline (log2 of the
        error of predicting the mean), l0, dead, and `fvu <class>` for every class of tokens.
    """
    saes, rows = bench.saes(cells), []
    place = lambda cell: (cell.family, cell.planted)  # noqa: E731
    for (family, planted), group in groupby(sorted(cells, key=place), key=place):
        own = list(group)
        tokens = bench.tokens(family)
        acts = bench.acts(family, sorted({cell.layer for cell in own}), planted)
        rows += [
            {**cell._asdict(), **measured(saes[cell].sae, acts[cell.layer], tokens)} for cell in own
        ]
    return pd.DataFrame(rows)


@torch.no_grad()
def measured(sae: Any, x: Tensor, tokens: TokenTable) -> dict[str, float]:
    """All measures of one SAE on activations x [n_tokens, d_model] of the tokens described."""
    codes = sae.encode(x)
    recon = sae.decode(codes)
    return {
        **bits_of_errors(x, recon, tokens),
        "baseline": math.log2(mse_equation_7(x, x.mean(0).expand_as(x), tokens.dialogue)),
        "l0": l0(codes),
        "dead": dead_fraction(codes, window_tokens=len(codes)),
        **{f"fvu {k}": v for k, v in fvu_by_class(x, recon, tokens.classes).items()},
    }


def bits_of_errors(x: Tensor, recon: Tensor, tokens: TokenTable) -> dict[str, float]:
    """Log2 of equation 7 in each of `READINGS`."""
    where = {
        "mse": torch.ones_like(tokens.special),
        "mse_st": tokens.special,
        "mse_st_template": tokens.special_in_template,
        "mse_st_bos": tokens.special_with_bos,
        "mse_st_varying": tokens.special_after_prefix,
        "mse_varying": tokens.not_constant,
    }
    return {
        name: math.log2(mse_equation_7(x, recon, tokens.dialogue, where[name])) for name in READINGS
    }


def trained_now(bench: Bench, cell: Cell) -> dict[str, float]:
    """Train one cell's SAE from nothing, whatever is cached, and measure it as the others."""
    spec = spec_of(cell, bench.config)
    with tempfile.TemporaryDirectory(prefix="saebook-") as folder:
        found = get_saes([spec], bench.source, cache_root=Path(folder), use_shipped=False,
                         progress=False)  # fmt: skip
        sae = found[spec].sae
    x = bench.acts(cell.family, [cell.layer], cell.planted)[cell.layer]
    return measured(sae, x, bench.tokens(cell.family))


def row_of(table: pd.DataFrame, cell: Cell) -> pd.Series:
    """The row of one cell in a table of `measured_cells`.

    Raises:
        ValueError: the table has no such cell, or several.
    """
    same = pd.concat([table[k] == v for k, v in cell._asdict().items()], axis=1).all(axis=1)
    if int(same.sum()) != 1:
        raise ValueError(f"the table has {int(same.sum())} rows of {cell}")
    return table[same].iloc[0]
