"""Measurements in the shape in which a result is recorded: estimate, low, high, n, controls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from saebook.papers.he2024.parameters import Parameters
from saebook.papers.he2024.quality import FIRST, LAST
from saebook.papers.he2024.scope import N_LAYERS
from saebook.papers.he2024.transfer import OTHER

Row = dict[str, Any]
Sums = dict[Any, np.ndarray]
"""Column to its sums, [1 or n_resamples]."""


def resampled(
    units: pd.DataFrame, statistic: Callable[[Sums], dict[str, np.ndarray]], config: Parameters
) -> Row:
    """Estimates and percentile intervals of statistics of column sums, whole rows resampled.

    Args:
        units: A row a text, dialogue or sequence; the columns are summed.
        statistic: From sums to named numbers, elementwise over resamples.
        config: Resamples and seed.

    Returns:
        estimate, low and high, each by name.
    """
    values = units.to_numpy(float)
    rng = np.random.default_rng(config.seed)
    n = len(values)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=config.n_resamples)
    whole = statistic(dict(zip(units.columns, values.sum(0)[:, None], strict=True)))
    drawn = statistic(dict(zip(units.columns, (weights @ values).T, strict=True)))
    found: Row = {"estimate": {}, "low": {}, "high": {}}
    for name, value in whole.items():
        low, high = np.quantile(drawn[name], [0.025, 0.975])
        estimate = float(value[0])
        found["estimate"][name] = estimate
        found["low"][name], found["high"][name] = min(low, estimate), max(high, estimate)
    return found


def only(found: Row) -> Row:
    """A row with one unnamed number."""
    return {end: next(iter(found[end].values())) for end in ("estimate", "low", "high")}


def nats(table: pd.DataFrame, mask: str = "special masked") -> pd.DataFrame:
    """A row a document; columns (model, text, sample, sae), summed nats, and `n` beside them."""
    own = table[table["mask"] == mask]
    keys = ["model", "text", "sample", "sae"]
    wide = own.pivot(index="document", columns=keys, values="nats")
    counted = own.assign(model="n of " + own["model"])
    counts = counted.pivot(index="document", columns=keys, values="n")
    return pd.concat([wide, counts], axis=1)


def delta(sums: Sums, model: str, text: str, sae: str, sample: int = 0) -> np.ndarray:
    """Delta loss, nats a token: with the SAE less without."""
    place = (model, text, sample)
    count = ("n of " + model, text, sample, "none")
    return (sums[*place, sae] - sums[*place, "none"]) / sums[count]


def _columns(frame: pd.DataFrame, model: str | None = None, text: str | None = None):
    """The columns of one model and text, documents without them left out."""
    names = frame.columns
    keep = [
        c for c in names
        if (model is None or c[0].removeprefix("n of ") == model) and (text is None or c[1] == text)
    ]  # fmt: skip
    return frame[keep].dropna()


def transfer_row(table: pd.DataFrame, codes: pd.DataFrame, config: Parameters) -> Row:
    """L1: Delta loss and L0 on the instruct model over those on the base, largest over blocks."""
    units = _columns(nats(table), text="dialogues")
    blocks = range(N_LAYERS - 1)

    def worst(sums: Sums) -> dict[str, np.ndarray]:
        ratios = [
            delta(sums, "instruct", "dialogues", f"layer {i}")
            / delta(sums, "base", "dialogues", f"layer {i}")
            for i in blocks
        ]
        return {"Delta loss": np.max(ratios, axis=0)}

    found = resampled(units, worst, config)
    wide = codes[codes["text"] == "dialogues"].pivot(index="layer", columns="model", values="l0")
    change = (wide["instruct"] / wide["base"] - 1).iloc[:-1]
    largest = float(change.loc[change.abs().idxmax()])
    for end in ("estimate", "low", "high"):
        found[end]["L0"] = largest
    sums = {c: np.array([v]) for c, v in units.sum().items()}
    own = delta(sums, "base", "dialogues", f"layer {config.layer}")
    control = delta(sums, "base", "dialogues", OTHER) / own
    return {
        **found,
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
            units = _columns(nats(table), model, text)
            sums = {c: np.array([v]) for c, v in units.sum().items()}
            rows += [
                {"layer": i, "model": model, "text": text,
                 "delta": float(delta(sums, model, text, f"layer {i}")[0])}
                for i in range(N_LAYERS)
            ]  # fmt: skip
    return pd.DataFrame(rows)


def design_row(table: pd.DataFrame, config: Parameters) -> Row:
    """L2: base over instruct on the same dialogues, and dialogues over documents on the base."""
    sae = f"layer {config.layer}"
    dialogues = _columns(nats(table), text="dialogues")
    documents = _columns(nats(table), "base", "documents")
    both = pd.concat([dialogues.reset_index(drop=True), documents.reset_index(drop=True)], axis=1)

    def model(sums: Sums) -> dict[str, np.ndarray]:
        base = delta(sums, "base", "dialogues", sae)
        return {"model": base / delta(sums, "instruct", "dialogues", sae)}

    def text(sums: Sums) -> dict[str, np.ndarray]:
        base = delta(sums, "base", "dialogues", sae)
        return {"text": base / delta(sums, "base", "documents", sae)}

    found, other = resampled(dialogues, model, config), resampled(both.fillna(0.0), text, config)
    sums = {c: np.array([v]) for c, v in dialogues.sum().items()}
    again = delta(sums, "base", "dialogues", sae, 1) / delta(sums, "base", "dialogues", sae)
    return {
        **{end: {**found[end], **other[end]} for end in ("estimate", "low", "high")},
        "n": min(len(dialogues), len(documents)),
        "controls": {"ratio_between_two_samples_of_one_text": float(again[0])},
        "detail": {"only BOS masked": _masked_ratio(table, sae)},
    }


def _masked_ratio(table: pd.DataFrame, sae: str) -> dict[str, float]:
    """Delta loss of both models on dialogues when template tokens are replaced and predicted."""
    units = _columns(nats(table, "only BOS masked"), text="dialogues")
    sums = {c: np.array([v]) for c, v in units.sum().items()}
    return {m: float(delta(sums, m, "dialogues", sae)[0]) for m in ("base", "instruct")}


def last_block_row(table: pd.DataFrame, config: Parameters) -> Row:
    """L3: the last block's ratio of Delta losses over the median of the others."""
    units = _columns(nats(table), text="dialogues")

    def ratios(sums: Sums) -> np.ndarray:
        return np.stack(
            [
                delta(sums, "instruct", "dialogues", f"layer {i}")
                / delta(sums, "base", "dialogues", f"layer {i}")
                for i in range(N_LAYERS)
            ]
        )

    def outlier(sums: Sums) -> dict[str, np.ndarray]:
        r = ratios(sums)
        return {"last": r[-1] / np.median(r[:-1], axis=0)}

    r = ratios({c: np.array([v]) for c, v in units.sum().items()})[:, 0]
    control = float(r[:-1].max() / np.median(r[:-1]))
    return {
        **only(resampled(units, outlier, config)),
        "n": len(units),
        "controls": {"largest_ratio_among_other_blocks_over_median": control},
        "detail": {"ratio by block": {str(i): float(v) for i, v in enumerate(r)}},
    }


def position_row(table: pd.DataFrame, config: Parameters) -> Row:
    """L4: rise of fvu_pooled and L0 far beyond the training context, percent."""
    found = {name: _rises(table[table["sae"] == name], config)
             for name in ("short context", "full context")}  # fmt: skip
    return {
        **found["short context"],
        "n": table["sequence"].nunique(),
        "controls": {
            "rise_for_an_SAE_trained_at_full_context":
                found["full context"]["estimate"]["fvu_pooled"],
        },
        "detail": {"L0 at full context": found["full context"]["estimate"]["L0"]},
    }  # fmt: skip


def _rises(own: pd.DataFrame, config: Parameters) -> Row:
    first, last = own[own["start"] < FIRST], own[own["start"] >= min(LAST, own["start"].max())]
    columns = ["error", "spread", "active", "n"]
    sums = [part.groupby("sequence")[columns].sum() for part in (first, last)]
    units = sums[0].join(sums[1], lsuffix=" first", rsuffix=" last", how="inner")

    def rise(s: Sums) -> dict[str, np.ndarray]:
        def ratio(a: str, b: str) -> np.ndarray:
            return 100 * (
                (s[f"{a} last"] / s[f"{b} last"]) / (s[f"{a} first"] / s[f"{b} first"]) - 1
            )

        return {"fvu_pooled": ratio("error", "spread"), "L0": ratio("active", "n")}

    return resampled(units, rise, config)


def _chunks(table: pd.DataFrame) -> pd.DataFrame:
    """A row a chunk; columns (quantity, sae)."""
    return table.pivot(index="chunk", columns="sae", values=["error", "spread", "active", "n"])


def _ev(sums: Sums, sae: str) -> np.ndarray:
    return 1 - sums["error", sae] / sums["spread", sae]


def _l0(sums: Sums, sae: str) -> np.ndarray:
    return sums["active", sae] / sums["n", sae]


def conversion_row(table: pd.DataFrame, config: Parameters) -> Row:
    """L5: L0 and explained variance of the JumpReLU form against the TopK SAE."""
    units = _chunks(table)

    def change(sums: Sums) -> dict[str, np.ndarray]:
        return {
            "L0": _l0(sums, "JumpReLU") / _l0(sums, "TopK") - 1,
            "explained variance": _ev(sums, "JumpReLU") - _ev(sums, "TopK"),
        }

    sums = {c: np.array([v]) for c, v in units.sum().items()}
    foreign = _l0(sums, "another layer's threshold") / _l0(sums, "TopK") - 1
    return {
        **resampled(units, change, config),
        "n": int(table.loc[table["sae"] == "TopK", "n"].sum()),
        "controls": {"L0_difference_with_a_threshold_from_another_layer": float(foreign[0])},
    }


def vanilla_row(table: pd.DataFrame, config: Parameters) -> Row:
    """L6: explained variance of TopK less that of ReLU at three times the L0."""
    units = _chunks(table)

    def gain(sums: Sums) -> dict[str, np.ndarray]:
        return {"gain": _ev(sums, "TopK") - _ev(sums, "ReLU")}

    sums = {c: np.array([v]) for c, v in units.sum().items()}
    seeds = float((_ev(sums, "TopK again") - _ev(sums, "TopK"))[0])
    return {
        **only(resampled(units, gain, config)),
        "n": int(table.loc[table["sae"] == "TopK", "n"].sum()),
        "controls": {"difference_between_two_seeds_of_TopK": seeds},
        "detail": {"L0": {name: float(_l0(sums, name)[0]) for name in ("TopK", "ReLU")}},
    }


def width_row(table: pd.DataFrame, config: Parameters) -> Row:
    """L7: what the wide SAE gains over the narrow one, smallest over blocks.

    The interval of the explained variance is the spread between two seeds to either side.
    """
    own = table.set_index(["layer", "sae"])
    ev = pd.DataFrame(own["ev"].groupby(level=[0, 1]).first().unstack())
    again, first = ev[["narrow again", "narrow"]].to_numpy(float)[config.layer]
    seeds = float(again - first)
    gain = float((ev["wide"] - ev["narrow"]).min())
    wide = table.pivot(index="document", columns=["layer", "sae"], values="nats")
    units = wide.join(table.groupby("document")["n"].first().rename(("n", "")))
    units.columns = pd.MultiIndex.from_tuples([(i, name) for i, name in units.columns])

    def loss(sums: Sums) -> dict[str, np.ndarray]:
        gains = [(sums[i, "narrow"] - sums[i, "wide"]) / sums["n", ""] for i in range(N_LAYERS)]
        return {"Delta loss": np.min(gains, axis=0)}

    found = resampled(units, loss, config)
    for end, value in (("estimate", 0.0), ("low", -abs(seeds)), ("high", abs(seeds))):
        found[end]["explained variance"] = gain + value
    return {
        **found,
        "n": len(units),
        "controls": {"difference_between_two_seeds_of_the_narrow_SAE": seeds},
        "detail": {"explained variance": {str(i): r.to_dict() for i, r in
                                          ev[["narrow", "wide"]].iterrows()}},
    }  # fmt: skip


def bridge_row(table: pd.DataFrame, config: Parameters) -> Row:
    """L8: error of the base SAE over that of the chat-trained one, by kind of token."""
    units = table.pivot(index="dialogue", columns=["class", "sae"], values="error")
    classes = ("template and first", "content")

    def ratios(sums: Sums) -> dict[str, np.ndarray]:
        return {name: sums[name, "base"] / sums[name, "FAST"] for name in classes}

    sums = units.sum()
    seeds = sum(sums[c, "FAST again"] for c in classes) / sum(sums[c, "FAST"] for c in classes)
    return {
        **resampled(units, ratios, config),
        "n": len(units),
        "controls": {"ratio_between_two_seeds_of_FAST": float(seeds)},
    }
