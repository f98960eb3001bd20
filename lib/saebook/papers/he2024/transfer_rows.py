"""L1 to L3: what base SAEs cost both models on the same text, as rows to be recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from saebook.papers.he2024.parameters import Parameters
from saebook.papers.he2024.transfer import OTHER
from saebook.stats import Interval, bootstrap_of_sums, column_sums
from saebook.stats.sums import OfSums, Sums

Row = dict[str, Any]


def resampled(units: pd.DataFrame, statistic: OfSums, config: Parameters) -> dict[str, Interval]:
    """Statistics of sums with the intervals that the chapter's parameters ask for."""
    return bootstrap_of_sums(units, statistic, seed=config.seed, n_resamples=config.n_resamples)


def ends(found: Mapping[str, Interval]) -> Row:
    """Named intervals as estimate, low and high, each by name."""
    return {end: {name: getattr(interval, end) for name, interval in found.items()}
            for end in Interval._fields}  # fmt: skip


def summed_nats(table: pd.DataFrame, mask: str = "special masked") -> pd.DataFrame:
    """A row a document; columns (model, text, sample, sae), summed nats, and `n of` beside them."""
    own = table[table["mask"] == mask]
    keys = ["model", "text", "sample", "sae"]
    wide = own.pivot(index="document", columns=keys, values="nats")
    counted = own.assign(model="n of " + own["model"])
    counts = counted.pivot(index="document", columns=keys, values="n")
    return pd.concat([wide, counts], axis=1)


def only(frame: pd.DataFrame, model: str | None = None, text: str | None = None) -> pd.DataFrame:
    """The columns of one model and text, documents without them left out."""
    keep = [
        c for c in frame.columns
        if (model is None or c[0].removeprefix("n of ") == model) and (text is None or c[1] == text)
    ]  # fmt: skip
    return frame[keep].dropna()


def delta(sums: Sums, model: str, text: str, sae: str, sample: int = 0) -> np.ndarray:
    """Delta loss, nats a token: with the SAE less without."""
    place = (model, text, sample)
    count = ("n of " + model, text, sample, "none")
    return (sums[*place, sae] - sums[*place, "none"]) / sums[count]


def blocks_of(table: pd.DataFrame) -> list[int]:
    """The blocks whose SAEs a table of losses holds, in order."""
    names = table["sae"].unique()
    return sorted(int(name.removeprefix("layer ")) for name in names if name.startswith("layer "))


def ratios(sums: Sums, blocks: list[int]) -> np.ndarray:
    """Delta loss of the instruct model over the base's on dialogues, [blocks, resamples]."""
    return np.stack(
        [
            delta(sums, "instruct", "dialogues", f"layer {i}")
            / delta(sums, "base", "dialogues", f"layer {i}")
            for i in blocks
        ]
    )


def l0_change(codes: pd.DataFrame) -> pd.Series:
    """L0 on the instruct model's dialogues over the base's, less one, by block."""
    wide = codes[codes["text"] == "dialogues"].pivot(index="layer", columns="model", values="l0")
    return wide["instruct"] / wide["base"] - 1


def transfer_row(table: pd.DataFrame, codes: pd.DataFrame, config: Parameters) -> Row:
    """L1: Delta loss and L0 on the instruct model over those on the base, largest over blocks."""
    units = only(summed_nats(table), text="dialogues")
    blocks = blocks_of(table)[:-1]
    found = resampled(units, lambda s: {"Delta loss": ratios(s, blocks).max(0)}, config)
    change = l0_change(codes).iloc[:-1]
    largest = float(change.to_numpy()[change.abs().argmax()])
    sums = column_sums(units)
    own = delta(sums, "base", "dialogues", f"layer {config.layer}")
    control = delta(sums, "base", "dialogues", OTHER) / own
    return {
        **ends({**found, "L0": Interval(largest, largest, largest)}),
        "n": len(units),
        "controls": {"Delta_loss_ratio_of_an_SAE_of_another_family": float(control[0])},
        "detail": {"L0 change by block": {str(k): float(v) for k, v in change.items()},
                   "Delta loss": delta_by_block(table).to_dict("records")},
    }  # fmt: skip


def delta_by_block(table: pd.DataFrame) -> pd.DataFrame:
    """Delta loss by block, model and text, nats a token: layer, model, text, delta."""
    rows = []
    for model in ("base", "instruct"):
        for text in ("documents", "dialogues"):
            sums = column_sums(only(summed_nats(table), model, text))
            rows += [
                {"layer": i, "model": model, "text": text,
                 "delta": float(delta(sums, model, text, f"layer {i}")[0])}
                for i in blocks_of(table)
            ]  # fmt: skip
    return pd.DataFrame(rows)


def design_row(table: pd.DataFrame, config: Parameters) -> Row:
    """L2: base over instruct on the same dialogues, and dialogues over documents on the base."""
    sae = f"layer {config.layer}"
    dialogues = only(summed_nats(table), text="dialogues")
    documents = only(summed_nats(table), "base", "documents")
    both = pd.concat([dialogues.reset_index(drop=True), documents.reset_index(drop=True)], axis=1)

    def text(sums: Sums) -> Mapping[str, np.ndarray]:
        base = delta(sums, "base", "dialogues", sae)
        return {"text": base / delta(sums, "base", "documents", sae)}

    found = model_ratio(table, config.layer, config)
    other = resampled(both.fillna(0.0), text, config)["text"]
    sums = column_sums(dialogues)
    again = delta(sums, "base", "dialogues", sae, 1) / delta(sums, "base", "dialogues", sae)
    return {
        **ends({"model": found, "text": other}),
        "n": min(len(dialogues), len(documents)),
        "controls": {"ratio_between_two_samples_of_one_text": float(again[0])},
        "detail": {"only BOS masked": delta_with_template(table, sae)},
    }


def model_ratio(table: pd.DataFrame, layer: int, config: Parameters) -> Interval:
    """Delta loss of the base model over the instruct model's, same dialogues, one block."""
    units = only(summed_nats(table), text="dialogues")
    return resampled(units, lambda s: {"model": 1 / ratios(s, [layer])[0]}, config)["model"]


def delta_with_template(table: pd.DataFrame, sae: str) -> dict[str, float]:
    """Delta loss of both models on dialogues when template tokens are replaced and predicted."""
    sums = column_sums(only(summed_nats(table, "only BOS masked"), text="dialogues"))
    return {m: float(delta(sums, m, "dialogues", sae)[0]) for m in ("base", "instruct")}


def last_block_row(table: pd.DataFrame, config: Parameters) -> Row:
    """L3: the last block's ratio of Delta losses over the median of the others."""
    units, blocks = only(summed_nats(table), text="dialogues"), blocks_of(table)

    def outlier(sums: Sums) -> Mapping[str, np.ndarray]:
        return {"last": last_over_median(ratios(sums, blocks))}

    by_block = ratios(column_sums(units), blocks)[:, 0]
    control = float(by_block[:-1].max() / np.median(by_block[:-1]))
    return {
        **resampled(units, outlier, config)["last"]._asdict(),
        "n": len(units),
        "controls": {"largest_ratio_among_other_blocks_over_median": control},
        "detail": {"ratio by block": dict(zip(map(str, blocks), by_block.tolist(), strict=True))},
    }


def last_over_median(by_block: np.ndarray) -> np.ndarray:
    """The last block's value over the median of the others, along the first axis."""
    return by_block[-1] / np.median(by_block[:-1], axis=0)
