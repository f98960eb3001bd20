"""L4 to L8: long contexts, conversion, sparsity, width and the bridge, as rows to be recorded."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from saebook.papers.he2024.parameters import Parameters
from saebook.papers.he2024.quality import FARTHEST, FIRST, LAST
from saebook.papers.he2024.transfer_rows import Row, ends, resampled
from saebook.stats import Interval, column_sums
from saebook.stats.sums import Sums


def position_row(table: pd.DataFrame, config: Parameters) -> Row:
    """L4: rise of fvu_pooled and L0 far beyond the training context, percent."""
    found = {}
    for name in ("short context", "full context"):
        units = early_and_late(table[table["sae"] == name], FIRST, LAST)
        found[name] = resampled(units, _rises, config)
    control = found["full context"]
    return {
        **ends(found["short context"]),
        "n": table["sequence"].nunique(),
        "controls": {"rise_for_an_SAE_trained_at_full_context": control["fvu_pooled"].estimate},
        "detail": {"full context": {name: list(rise) for name, rise in control.items()}},
    }


def early_and_late(own: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    """A row a sequence; sums over the positions below `first`, and from `last` on.

    Where no sequence is as long as `last`, its farthest positions stand for those.
    """
    early, late = own[own["start"] < first], own[own["start"] >= min(last, own["start"].max())]
    sums = [part.groupby("sequence")[["error", "spread", "active", "n"]].sum()
            for part in (early, late)]  # fmt: skip
    return sums[0].join(sums[1], lsuffix=" early", rsuffix=" late", how="inner")


def rise(sums: Sums, part: str, whole: str) -> np.ndarray:
    """Percent by which part over whole is larger late than early."""
    late, early = (sums[f"{part} {w}"] / sums[f"{whole} {w}"] for w in ("late", "early"))
    return 100 * (late / early - 1)


def _rises(sums: Sums) -> Mapping[str, np.ndarray]:
    return {"fvu_pooled": rise(sums, "error", "spread"), "L0": rise(sums, "active", "n")}


def by_chunk(table: pd.DataFrame) -> pd.DataFrame:
    """A row a chunk of tokens; columns (quantity, sae)."""
    return table.pivot(index="chunk", columns="sae", values=["error", "spread", "active", "n"])


def explained(sums: Sums, sae: str) -> np.ndarray:
    """Explained variance, pooled over tokens."""
    return 1 - sums["error", sae] / sums["spread", sae]


def mean_l0(sums: Sums, sae: str) -> np.ndarray:
    """Active latents a token."""
    return sums["active", sae] / sums["n", sae]


def conversion_row(table: pd.DataFrame, config: Parameters) -> Row:
    """L5: L0 and explained variance of the JumpReLU form against the TopK SAE."""
    units = by_chunk(table)

    def change(sums: Sums) -> Mapping[str, np.ndarray]:
        return {
            "L0": mean_l0(sums, "JumpReLU") / mean_l0(sums, "TopK") - 1,
            "explained variance": explained(sums, "JumpReLU") - explained(sums, "TopK"),
        }

    sums = column_sums(units)
    foreign = abs(mean_l0(sums, FARTHEST) / mean_l0(sums, "TopK") - 1)
    return {
        **ends(resampled(units, change, config)),
        "n": int(table.loc[table["sae"] == "TopK", "n"].sum()),
        "controls": {"L0_difference_with_the_farthest_threshold_of_a_block": float(foreign[0])},
    }


def vanilla_row(table: pd.DataFrame, config: Parameters) -> Row:
    """L6: explained variance of TopK less that of ReLU at three times the L0."""
    units = by_chunk(table)

    def gain(sums: Sums) -> Mapping[str, np.ndarray]:
        return {"gain": explained(sums, "TopK") - explained(sums, "ReLU")}

    sums = column_sums(units)
    seeds = float((explained(sums, "TopK again") - explained(sums, "TopK"))[0])
    return {
        **resampled(units, gain, config)["gain"]._asdict(),
        "n": int(table.loc[table["sae"] == "TopK", "n"].sum()),
        "controls": {"difference_between_two_seeds_of_TopK": seeds},
        "detail": {"L0": {name: float(mean_l0(sums, name)[0]) for name in ("TopK", "ReLU")}},
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
    found = {
        "Delta loss": least_loss_gain(table, config),
        "explained variance": Interval(gain, gain - abs(seeds), gain + abs(seeds)),
    }
    return {
        **ends(found),
        "n": table["document"].nunique(),
        "controls": {"difference_between_two_seeds_of_the_narrow_SAE": seeds},
        "detail": {"explained variance": {str(i): r.to_dict() for i, r in
                                          ev[["narrow", "wide"]].iterrows()}},
    }  # fmt: skip


def least_loss_gain(table: pd.DataFrame, config: Parameters) -> Interval:
    """Nats a token that wide SAEs lose less than narrow ones, smallest over blocks.

    Args:
        table: Columns layer, sae (narrow, wide among them), document, nats and n.
        config: Resamples and seed.
    """
    blocks = sorted(table["layer"].unique())
    units = table.pivot(index="document", columns=["layer", "sae"], values="nats")
    units["n", ""] = table.groupby("document")["n"].first()

    def loss(sums: Sums) -> Mapping[str, np.ndarray]:
        gains = [(sums[i, "narrow"] - sums[i, "wide"]) / sums["n", ""] for i in blocks]
        return {"least": np.min(gains, axis=0)}

    return resampled(units, loss, config)["least"]


def bridge_row(table: pd.DataFrame, config: Parameters) -> Row:
    """L8: error of the base SAE over that of the chat-trained one, by kind of token."""
    units = table.pivot(index="dialogue", columns=["class", "sae"], values="error")
    classes = ("template and first", "content")

    def ratios(sums: Sums) -> Mapping[str, np.ndarray]:
        return {name: sums[name, "base"] / sums[name, "FAST"] for name in classes}

    sums = units.sum()
    seeds = sum(sums[c, "FAST again"] for c in classes) / sum(sums[c, "FAST"] for c in classes)
    return {
        **ends(resampled(units, ratios, config)),
        "n": len(units),
        "controls": {"ratio_between_two_seeds_of_FAST": float(seeds)},
    }
