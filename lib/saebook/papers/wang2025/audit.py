"""What follows from the printed numbers alone: no model, no SAE."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Mapping

import numpy as np
import pandas as pd

from saebook.papers.wang2025 import tables
from saebook.papers.wang2025.selection import best_of_prefixes
from saebook.stats import Interval, kendall_tau_a, spearman

PERCENT = 100.0
ZERO_SHARES = (0.5, 0.625, 0.75)
"""Shares of concepts that steer not at all in the winner's-curse simulation; the middle decides."""
DENSITIES = (50, 80, 160, 320, 520, 820)
WIDTH, WINDOW = 16_384, 21
"""Latents an SAE and tokens a window in the paper."""


def null_se(n: int) -> float:
    """Standard error of Kendall's tau of n unrelated items: sqrt(2 (2n + 5) / (9 n (n - 1)))."""
    if n < 2:
        raise ValueError(f"tau needs at least two items, got {n}")
    return math.sqrt(2 * (2 * n + 5) / (9 * n * (n - 1)))


def overall_z() -> float:
    """The printed overall tau in null standard errors (C1)."""
    return tables.TAU / null_se(tables.N_SAES)


def gain_z() -> float:
    """The printed tau of interpretability and gain in null standard errors (C10)."""
    return tables.GAIN_TAU / null_se(tables.N_SAES)


def psi_frame() -> pd.DataFrame:
    """Printed Psi of each axis beside the mean of the printed taus it averages (C2).

    Index axis, and "all" for the mean of the three; columns printed, recomputed, difference.
    """
    rows = {
        axis: (tables.PSI_BY_AXIS[axis], statistics.fmean(tau for tau, _ in groups.values()))
        for axis, groups in tables.TABLE_1.items()
    }
    rows["all"] = (tables.PSI, statistics.fmean(tables.PSI_BY_AXIS.values()))
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["printed", "recomputed"])
    return frame.assign(difference=(frame["printed"] - frame["recomputed"]).round(6))


def sparsity_trend() -> float:
    """Spearman correlation of the six printed taus with the rank of L0 (C3)."""
    return spearman(range(6), [tau for tau, _ in tables.TABLE_1["sparsity"].values()])


def gated_gap() -> float:
    """Gated's tau minus the smallest of the others, in standard errors of a difference (C4)."""
    taus = {name: tau for name, (tau, _) in tables.TABLE_1["architecture"].items()}
    gap = taus.pop("Gated") - min(taus.values())
    return gap / (math.sqrt(2) * null_se(tables.SIZE_OF["architecture"]))


def model_gap() -> float:
    """Smaller gap between neighbours in the order of models, in the same unit (C5)."""
    taus = sorted(tau for tau, _ in tables.TABLE_1["model"].values())
    gap = min(b - a for a, b in itertools.pairwise(taus))
    return gap / (math.sqrt(2) * null_se(tables.SIZE_OF["model"]))


def selection_ratios(over: str) -> dict[str, float]:
    """Printed score with token confidence over that of another method, by model (C6, C7)."""
    best, base = tables.TABLE_2["token confidence"], tables.TABLE_2[over]
    return {model: best[model] / base[model] for model in tables.MODELS}


def relative_gain() -> float:
    """Mean over models of token confidence over output score, less one, in percent (C7)."""
    return PERCENT * (statistics.fmean(selection_ratios("output score").values()) - 1)


def lift(method: str) -> float:
    """Mean over models of a method's score over no selection, less one, in percent."""
    table = tables.TABLE_2
    ratios = [table[method][m] / table["no selection"][m] for m in tables.MODELS]
    return PERCENT * (statistics.fmean(ratios) - 1)


def gain_readings() -> pd.DataFrame:
    """What 52.52 % can and cannot be: index reading, columns value, unit, off (from the claim)."""
    best, out = tables.TABLE_2["token confidence"], tables.TABLE_2["output score"]
    pooled = PERCENT * (sum(best.values()) / sum(out.values()) - 1)
    rows = [
        ("mean ratio to the output score, less one", relative_gain(), "percent"),
        ("ratio of the means, less one", pooled, "percent"),
        (
            "difference of the two mean lifts over no selection",
            lift("token confidence") - lift("output score"),
            "percentage points",
        ),
    ]
    frame = pd.DataFrame(rows, columns=["reading", "value", "unit"]).set_index("reading")
    return frame.assign(off=frame["value"] - tables.CLAIMED_GAIN)


def synthetic_utilities(
    mean: float, zero_share: float, draws: int, rng: np.random.Generator
) -> np.ndarray:
    """Made-up concept scores [draws, 100]: a share of zeros, the rest uniform, a given mean."""
    high = 2 * mean / (1 - zero_share)
    steers = rng.random((draws, tables.N_CONCEPTS)) >= zero_share
    return steers * rng.uniform(0, high, (draws, tables.N_CONCEPTS))


def winners_curse(draws: int, seed: int) -> pd.DataFrame:
    """Best-of-tiers scores under a random ranking, on made-up concept scores.

    Returns:
        One row a model, share of zeros and rule ("up": best of 9; "both": best of 18): mean best
        score, with the base and the printed selected score beside it.
    """
    rng, rows = np.random.default_rng(seed), []
    for model in tables.MODELS:
        base = tables.TABLE_2["no selection"][model]
        for share in ZERO_SHARES:
            made = synthetic_utilities(base, share, draws, rng)
            for sides, name in (("up", "best of 9"), ("both", "best of 18")):
                best = float(best_of_prefixes(made, sides).mean())
                printed = tables.TABLE_2["token confidence"][model]
                rows.append((model, share, name, base, best, printed))
    columns = ["model", "zero_share", "rule", "base", "random_best", "printed"]
    return pd.DataFrame(rows, columns=columns)


def over_the_curse(frame: pd.DataFrame) -> Interval:
    """Smallest printed selected score minus what a random ranking's best of 18 gives (K1).

    The estimate takes the middle share of zeros; the interval runs over the shares, which are
    not known and matter more than the number of draws.
    """
    table = tables.TABLE_2["token confidence"]
    model = min(table, key=table.__getitem__)
    own = frame[(frame["model"] == model) & (frame["rule"] == "best of 18")]
    left = (own["printed"] - own["random_best"]).set_axis(own["zero_share"])
    return Interval(float(left[ZERO_SHARES[1]]), float(left.min()), float(left.max()))


def steering_steps() -> dict[str, float]:
    """Steps of AxBench's printed order of steering methods (B1)."""
    s: Mapping[str, float] = tables.STEERING_SCORES
    return {
        "DiffMean over SAE": s["DiffMean"] - s["SAE"],
        "ReFT-r1 over DiffMean": s["ReFT-r1"] - s["DiffMean"],
        "prompting over ReFT-r1": s["prompting"] - s["ReFT-r1"],
        "SAE over SAE-A": s["SAE"] - s["SAE-A"],
        "adding over clamping": s["SAE"] - s["clamping"],
    }


def detection_steps() -> dict[str, float]:
    """The two steps of AxBench's printed detection scores (B2)."""
    d = tables.DETECTION_AUROC
    return {
        "SAE-A over SAE": d["SAE-A"] - d["SAE"],
        "DiffMean over SAE-A": d["DiffMean"] - d["SAE-A"],
    }


def null_bands(draws: int, seed: int) -> pd.DataFrame:
    """Quantiles of tau under no association beside what Table 1 prints as intervals.

    Index n (SAEs a group); columns null_low, null_high (2.5 and 97.5 %), printed_low,
    printed_high. Every group of one size has the same band, which an interval of its own tau
    would not have.
    """
    rng, rows = np.random.default_rng(seed), {}
    for n, printed in tables.NULL_BANDS.items():
        taus = [kendall_tau_a(np.arange(n), rng.permutation(n)) for _ in range(draws)]
        rows[n] = (*np.quantile(taus, [0.025, 0.975]), *printed)
    columns = ["null_low", "null_high", "printed_low", "printed_high"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("n")


def mislabelled_share() -> pd.DataFrame:
    """How often a random window of 21 tokens truly fires, and the ceiling this puts on the score.

    1 - (1 - L0/16384)^21 for an average latent; labels call all random windows silent, so even a
    perfect detector loses 10/14 of that share. Index l0; columns fires, ceiling.
    """
    fires = [1 - (1 - l0 / WIDTH) ** WINDOW for l0 in DENSITIES]
    ceiling = [1 - 10 / 14 * f for f in fires]
    return pd.DataFrame({"fires": fires, "ceiling": ceiling}, index=pd.Index(DENSITIES, name="l0"))


def sparsity_taus() -> dict[str, float]:
    """Printed tau of each sparsity level, sparsest first."""
    return {level: tau for level, (tau, _) in tables.TABLE_1["sparsity"].items()}
