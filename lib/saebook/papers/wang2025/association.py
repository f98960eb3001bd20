"""Agreement of interpretability and utility over SAEs: tau, groups and their resampling."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from saebook.stats import Interval, bootstrap_interval, kendall_tau_a, kendall_tau_b, spearman

AXES = ("architecture", "sparsity", "model")


def tau(x: Sequence[float], y: Sequence[float]) -> float:
    """Kendall's tau-b; 0 where one side is constant or one item is left, for nothing agrees."""
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return kendall_tau_b(a, b)


def rho(x: Sequence[float], y: Sequence[float]) -> float:
    """Spearman's rho; 0 where one side is constant."""
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return spearman(a, b)


def partial_tau(x: Sequence[float], y: Sequence[float], z: Sequence[float]) -> float:
    """Kendall's partial tau of x and y with z held: (xy - xz yz) / sqrt((1-xz^2)(1-yz^2))."""
    xy, xz, yz = tau(x, y), tau(x, z), tau(y, z)
    left = (1 - xz**2) * (1 - yz**2)
    return (xy - xz * yz) / float(np.sqrt(left)) if left > 0 else 0.0


def group_taus(
    saes: pd.DataFrame, by: Sequence[str], x: str = "mu", y: str = "g"
) -> dict[object, float]:
    """tau-b within each group of SAEs that agree on `by`; groups of one SAE are left out."""
    parts = saes.groupby(list(by), sort=False)
    return {
        name if len(by) > 1 else name[0]: tau(part[x].tolist(), part[y].tolist())
        for name, part in parts
        if len(part) > 1
    }


def psi(saes: pd.DataFrame, by: Sequence[str], x: str = "mu", y: str = "g") -> float:
    """Mean tau within groups (Jiang et al. 2020; section 3.2). 0 where no group has two SAEs."""
    found = list(group_taus(saes, by, x, y).values())
    return float(np.mean(found)) if found else 0.0


def matched_psis(saes: pd.DataFrame, x: str = "mu", y: str = "g") -> dict[str, float]:
    """Psi over groups that agree on all axes but one, by the axis that varies."""
    found = {}
    for varying in AXES:
        held = [axis for axis in AXES if axis != varying]
        if saes[varying].nunique() > 1:
            found[varying] = psi(saes, held, x, y)
    return found


def matched_psi(saes: pd.DataFrame, x: str = "mu", y: str = "g") -> float:
    """Mean of `matched_psis` over the axes that vary."""
    return float(np.mean(list(matched_psis(saes, x, y).values()) or [0.0]))


def association_table(saes: pd.DataFrame, x: str = "mu", y: str = "g") -> pd.DataFrame:
    """Table 1 for other data: index axis and group; columns tau_b, tau_a, n."""
    rows = {("overall", "all"): saes}
    for axis in AXES:
        rows |= {(axis, str(name)): part for name, part in saes.groupby(axis, sort=False)}
    table = {
        key: (
            tau(part[x].tolist(), part[y].tolist()),
            kendall_tau_a(part[x], part[y]) if len(part) > 1 else 0.0,
            len(part),
        )
        for key, part in rows.items()
    }
    frame = pd.DataFrame.from_dict(table, orient="index", columns=["tau_b", "tau_a", "n"])
    frame.index = pd.MultiIndex.from_tuples(list(table), names=["axis", "group"])
    return frame


def over_saes(
    saes: pd.DataFrame,
    statistic: Callable[[pd.DataFrame], float],
    draws: int,
    seed: int,
    method: str = "percentile",
) -> Interval:
    """A statistic of a table of SAEs with its 95 % interval, SAEs resampled.

    BCa where the statistic is smooth; percentile where resamples may be degenerate (small groups).
    The interval is widened to hold the estimate, which a percentile interval need not.
    """
    kind = "BCa" if method == "BCa" else "percentile"
    found = bootstrap_interval(
        np.arange(len(saes)),
        lambda drawn: statistic(saes.iloc[np.asarray(drawn, dtype=int)]),
        seed=seed,
        n_resamples=draws,
        method=kind,
    )
    low, high = min(found.low, found.estimate), max(found.high, found.estimate)
    return Interval(found.estimate, low, high)


def mean_over_saes(values: pd.Series, draws: int, seed: int) -> Interval:
    """Mean of one number an SAE with its 95 % percentile interval, SAEs resampled."""
    return bootstrap_interval(
        values.to_numpy(float), seed=seed, n_resamples=draws, method="percentile"
    )


def shuffled(
    saes: pd.DataFrame, column: str, statistic: Callable[[pd.DataFrame], float], seed: int,
    draws: int = 200,
) -> np.ndarray:  # fmt: skip
    """The statistic with one column permuted over SAEs, [draws]."""
    rng, values = np.random.default_rng((seed, 31)), saes[column].to_numpy()
    return np.array(
        [statistic(saes.assign(**{column: rng.permutation(values)})) for _ in range(draws)]
    )
