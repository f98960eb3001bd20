"""Every SAE of the chapter on the same held-out dialogues: one row an SAE."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from saebook.papers.li2025.arms import Cell
from saebook.papers.li2025.bench import Bench, Reader
from saebook.papers.li2025.tokens import TokenTable
from saebook.reconstruction import fvu_by_class, mean_over_dialogues
from saebook.zoo import get_saes

READINGS = ("mse", "mse_st", "mse_st_template", "mse_st_bos", "mse_st_varying", "mse_varying")
"""Equation 7 over all tokens; over special tokens by id, in the template only, with BOS, and after
the constant prefix; and over all tokens but the constant ones."""
MOST_CODES = 2**27
"""Latent activations held at once: half a gibibyte in float32."""


class Tally:
    """What one SAE makes of tokens that come part by part."""

    def __init__(self, sae: Any) -> None:
        """Start without a token.

        Args:
            sae: sae-lens SAE on the device of the activations to come.
        """
        self._sae, self._errors, self._active = sae, [], []
        self._fired: Tensor | None = None

    @torch.no_grad()
    def add(self, x: Tensor) -> None:
        """Rebuild activations [n, d] and keep their squared errors."""
        for part in x.split(max(1, MOST_CODES // self._sae.cfg.d_sae)):
            codes = self._sae.encode(part)
            error = part.double() - self._sae.decode(codes).double()
            self._errors.append(error.square().sum(-1).cpu())
            self._active.append((codes > 0).sum(-1).double().cpu())
            fired = (codes > 0).any(0)
            self._fired = fired if self._fired is None else self._fired | fired

    def measures(self, spread: Tensor, d_in: int, tokens: TokenTable) -> dict[str, float]:
        """All measures of the tokens added.

        Args:
            spread: Squared distance of each token from the mean of all [n].
            d_in: Width of the activations.
            tokens: What each token is, in the order in which they were added.

        Raises:
            ValueError: Other tokens than those described.
        """
        error = torch.cat(self._errors)
        if not len(error) == len(spread) == len(tokens.dialogue) or self._fired is None:
            raise ValueError(
                f"{len(error)} tokens were added and {len(tokens.dialogue)} are described"
            )
        shares = fvu_by_class(error, spread, tokens.classes)
        return {
            **bits_of_errors(error / d_in, tokens),
            "baseline": math.log2(mean_over_dialogues(spread / d_in, tokens.dialogue)),
            "l0": float(torch.cat(self._active).mean()),
            "dead": float((~self._fired).double().mean()),
            **{f"fvu {name}": share for name, share in shares.items()},
        }


def measured_cells(bench: Reader, cells: list[Cell]) -> pd.DataFrame:
    """Train or find the SAEs and measure each.

    Returns:
        A row a cell: the cell's fields; the log2 of each of `READINGS`; baseline (log2 of the
        error of predicting the mean), l0, dead, and `fvu <class>` for every class of tokens.
    """
    saes, rows = bench.saes(cells), []
    place = lambda cell: (cell.family, cell.with_sink, cell.layer)  # noqa: E731
    for (family, with_sink, layer), group in groupby(sorted(cells, key=place), key=place):
        own, tokens = list(group), bench.tokens(family)
        spread, d_in = spread_of(lambda: bench.parts(family, layer, with_sink))  # noqa: B023
        tallies = {cell: Tally(bench.placed(saes[cell].sae)) for cell in own}
        for part in bench.parts(family, layer, with_sink):
            for tally in tallies.values():
                tally.add(part)
        rows += [{**c._asdict(), **t.measures(spread, d_in, tokens)} for c, t in tallies.items()]
    return pd.DataFrame(rows)


def spread_of(read: Callable[[], Iterable[Tensor]]) -> tuple[Tensor, int]:
    """Squared distance of every token from the mean of all [n], and the width.

    Args:
        read: Gives the activations part by part; called twice, as the mean comes first.
    """
    total, n = torch.zeros(()), 0
    for part in read():
        total, n = total.to(part.device) + part.double().sum(0), n + len(part)
    if n == 0:
        raise ValueError("there are no tokens to measure on")
    mean = total / n
    squares = [(part.double() - mean).square().sum(-1).cpu() for part in read()]
    return torch.cat(squares), len(mean)


def bits_of_errors(error: Tensor, tokens: TokenTable) -> dict[str, float]:
    """Log2 of equation 7 in each of `READINGS`, from mean squared errors [n] a token."""
    where = {
        "mse": torch.ones_like(tokens.special),
        "mse_st": tokens.special,
        "mse_st_template": tokens.special_in_template,
        "mse_st_bos": tokens.special_with_bos,
        "mse_st_varying": tokens.special_after_prefix,
        "mse_varying": tokens.not_constant,
    }
    return {
        name: math.log2(mean_over_dialogues(error, tokens.dialogue, where[name]))
        for name in READINGS
    }


def trained_now(bench: Bench, cell: Cell) -> dict[str, float]:
    """Train one cell's SAE from nothing, whatever is cached, and measure it as the others."""
    spec = bench.spec(cell)
    with tempfile.TemporaryDirectory(prefix="saebook-") as folder:
        found = get_saes([spec], bench.source, cache_root=Path(folder), use_shipped=False,
                         progress=False)  # fmt: skip
        tally = Tally(found[spec].sae)
    parts = list(bench.parts(cell.family, cell.layer, cell.with_sink))
    for part in parts:
        tally.add(part)
    spread, d_in = spread_of(lambda: parts)
    return tally.measures(spread, d_in, bench.tokens(cell.family))


def row_of(table: pd.DataFrame, cell: Cell) -> pd.Series:
    """The row of one cell in a table of `measured_cells`.

    Raises:
        ValueError: the table has no such cell, or several.
    """
    same = pd.concat([table[k] == v for k, v in cell._asdict().items()], axis=1).all(axis=1)
    if int(same.sum()) != 1:
        raise ValueError(f"the table has {int(same.sum())} rows of {cell}")
    return table[same].iloc[0]
