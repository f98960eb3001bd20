"""The rows of the ledger's paper block, from what was measured on the published SAEs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from saebook.papers.he2024.parameters import Parameters
from saebook.papers.he2024.published_tables import PublishedTables, Transfer
from saebook.papers.he2024.quality_rows import (
    by_chunk,
    early_and_late,
    explained,
    least_loss_gain,
    mean_l0,
    rise,
)
from saebook.papers.he2024.tables import L0, LAYER
from saebook.papers.he2024.transfer_rows import (
    Row,
    blocks_of,
    delta,
    delta_by_block,
    ends,
    l0_change,
    last_over_median,
    model_ratio,
    only,
    ratios,
    resampled,
    summed_nats,
)
from saebook.stats.sums import Sums

LEAST_CHANGE = 0.01
"""A change of L0 below one part in a hundred counts as that, or a layer might stand out over
next to nothing (L3)."""


def published_rows(tables: PublishedTables, config: Parameters) -> dict[str, Row]:
    """Every row that the named things can answer, by claim, as `Results.record` takes it."""
    rows = {"L5": form_row(tables.forms, config)}
    if tables.positions is not None:
        rows["L4"] = long_row(tables.positions, config)
    if tables.transfer is not None:
        rows |= {
            "L1": anchor_row(tables.transfer, config),
            "L2": text_or_model_row(tables.transfer, config),
            "L3": exception_row(tables.transfer, config),
            "L7": widths_row(tables.transfer, config),
        }
    return dict(sorted(rows.items()))


def anchor_row(found: Transfer, config: Parameters) -> Row:
    """L1: Delta loss of the wide SAE of one layer, each model on its own text and on one text."""
    losses, sae = found.losses["wide"], f"layer {LAYER}"
    dialogues = only(summed_nats(losses), text="dialogues")
    documents = only(summed_nats(losses), "base", "documents")

    def on_dialogues(sums: Sums) -> Mapping[str, np.ndarray]:
        own = delta(sums, "instruct", "dialogues", sae)
        return {"instruct": own, "same text": ratios(sums, [LAYER])[0]}

    def on_documents(sums: Sums) -> Mapping[str, np.ndarray]:
        return {"base": delta(sums, "base", "documents", sae)}

    apart = resampled(dialogues, on_dialogues, config) | resampled(documents, on_documents, config)
    by_width = {width: delta_by_block(table).to_dict("records")
                for width, table in found.losses.items()}  # fmt: skip
    return {
        **ends(apart),
        "n": min(len(dialogues), len(documents)),
        "detail": {"Delta loss": by_width,
                   "L0 change": {w: _by_layer(l0_change(c)) for w, c in found.codes.items()}},
    }  # fmt: skip


def text_or_model_row(found: Transfer, config: Parameters) -> Row:
    """L2: Delta loss of the base model over the instruct model's on the same dialogues."""
    losses = found.losses["wide"]
    return {
        **model_ratio(losses, LAYER, config)._asdict(),
        "n": len(only(summed_nats(losses), text="dialogues")),
    }


def exception_row(found: Transfer, config: Parameters) -> Row:
    """L3: the last layer's Delta loss ratio or change of L0 over the others' median, the larger."""
    losses = found.losses["narrow"]
    units, layers = only(summed_nats(losses), text="dialogues"), blocks_of(losses)
    change = l0_change(found.codes["narrow"]).abs().clip(lower=LEAST_CHANGE)
    of_l0 = last_over_median(change.to_numpy())

    def outlier(sums: Sums) -> Mapping[str, np.ndarray]:
        return {"last": np.maximum(last_over_median(ratios(sums, layers)), of_l0)}

    return {
        **resampled(units, outlier, config)["last"]._asdict(),
        "n": len(units),
        "detail": {"from L0": float(of_l0)},
    }


def long_row(table: pd.DataFrame, config: Parameters) -> Row:
    """L4: rise of the squared error, percent, and L0, at the end of long contexts."""
    units = early_and_late(table, config.hub_context, config.hub_long_context - config.hub_context)

    def late(sums: Sums) -> Mapping[str, np.ndarray]:
        return {"loss": rise(sums, "error", "n"), "L0": sums["active late"] / sums["n late"]}

    return {**ends(resampled(units, late, config)), "n": len(units)}


def form_row(table: pd.DataFrame, config: Parameters) -> Row:
    """L5: L0 of the published JumpReLU form less 50, and its explained variance less TopK's."""
    units = by_chunk(table)

    def change(sums: Sums) -> Mapping[str, np.ndarray]:
        return {
            "L0": mean_l0(sums, "JumpReLU") - L0["training"],
            "explained variance": explained(sums, "JumpReLU") - explained(sums, "TopK"),
        }

    n = int(table.loc[table["sae"] == "TopK", "n"].sum())
    return {**ends(resampled(units, change, config)), "n": n}


def widths_row(found: Transfer, config: Parameters) -> Row:
    """L7: what wide SAEs gain over narrow ones on documents, smallest over layers."""
    keys = ["layer", "sae", "document"]
    sums = _of_documents(found.sums).set_index(keys)[["error", "spread"]].unstack(["layer", "sae"])
    units = pd.DataFrame(sums).dropna()
    layers = sorted(found.codes["wide"]["layer"].unique())

    def gain(s: Sums) -> Mapping[str, np.ndarray]:
        shares = [[1 - s["error", i, w] / s["spread", i, w] for w in ("wide", "narrow")]
                  for i in layers]  # fmt: skip
        return {"explained variance": np.min([wide - narrow for wide, narrow in shares], axis=0)}

    losses = _of_documents(found.losses)
    losses = losses[losses["sae of width"] != "none"].assign(
        layer=lambda f: f["sae of width"].str.removeprefix("layer ").astype(int)
    )
    least = least_loss_gain(losses, config)
    return {
        **ends(resampled(units, gain, config) | {"Delta loss": least}),
        "n": losses["document"].nunique(),
    }


def _of_documents(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The base model's rows on documents of both widths, `sae` naming the width."""
    held = [
        table.rename(columns={"sae": "sae of width"}).assign(sae=width)
        for width, table in tables.items()
    ]
    return pd.concat(held).query("model == 'base' and text == 'documents'")


def _by_layer(values: pd.Series) -> dict[str, float]:
    return {str(layer): float(value) for layer, value in values.items()}
