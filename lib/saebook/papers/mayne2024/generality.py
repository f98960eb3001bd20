"""Do R4, R5, R8 and R11 hold together elsewhere (R15): one cell a model, SAE and behaviour."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from saebook.papers.mayne2024.arms import Arm, measure_arm, overlap_cells
from saebook.papers.mayne2024.bias_latent import bias_latent, scaled_ratios
from saebook.papers.mayne2024.gates import sae_checks
from saebook.papers.mayne2024.grid import CROSSED_SPARSITIES, FACTORS, PLACE, grid, place
from saebook.papers.mayne2024.overlap import CLOSE
from saebook.papers.mayne2024.parameters import Parameters
from saebook.papers.mayne2024.rows import TOP_K
from saebook.papers.mayne2024.signs import negative_share
from saebook.papers.mayne2024.sources import WorldSource
from saebook.papers.mayne2024.vectors import norm_percentile
from saebook.stats import Interval, cluster_bootstrap, proportion_interval
from saebook.subjects import load_subject
from saebook.testbed import World
from saebook.zoo import HouseSAE, SAESpec

TESTED = ("R4", "R5", "R8", "R11")
HOLDS = (*(f"{row} holds" for row in TESTED), "all hold")
VALID = "SAE valid"
ENOUGH = 60
"""Cells of valid SAEs that R15 asks for, its smallest detectable effect's n."""
Passes = Mapping[str, Callable[[float], bool]]
"""The ledger's rule for one cell of each tested row."""


def generality_cells(
    saes: Mapping[SAESpec, HouseSAE],
    world: World,
    passes: Passes,
    config: Parameters,
    measured: Iterable[Arm] = (),
) -> pd.DataFrame:
    """Measure R4, R5, R8 and R11 on every SAE and behaviour.

    Args:
        saes: By spec.
        world: Of the texts and pairs.
        passes: The ledger's rule for one cell of each row.
        config: Sizes and seed.
        measured: Arms whose text and pairs need not be read again.

    Returns:
        A row a cell: subject, the factors, behaviour, the four values and whether each passes
        the ledger's rule for one cell (`R4 holds`, …), `all hold`, whether the SAE passes its own
        checks (`SAE valid`), and whether it belongs to the grid of R15 (`in grid`) or only to the
        crossing of layers and sparsities.
    """
    counted, source = set(grid(config)), WorldSource(world)
    known = {(arm.name, arm.layer): arm for arm in measured}
    subjects = {name: load_subject(name) for name in sorted({spec.subject for spec in saes})}
    parts = []
    for spec in sorted(saes, key=lambda s: (s.subject, s.layer)):
        entry, at = saes[spec], (spec.subject, spec.layer)
        subject = subjects[spec.subject]
        if at not in known:
            here = config.model_copy(update={"layer": spec.layer})
            known[at] = measure_arm(subject, source, entry.sae, here)
        own = cells_of(replace(known[at], sae=entry.sae), passes, config)
        factors = dict(zip(PLACE, place(spec), strict=True))
        checks = sae_checks({"": entry}, {"": subject}, world, config.n_check_texts)
        told = {VALID: bool(checks["valid"].iloc[0]), "in grid": spec in counted}
        parts.append(own.assign(**factors, **told))
    return pd.concat(parts, ignore_index=True)


def cells_of(arm: Arm, passes: Passes, config: Parameters) -> pd.DataFrame:
    """The cells of one SAE, a row a behaviour; columns as `generality_cells` without the place."""
    return judged(cell_values(arm, config.seed), passes)


def cell_values(arm: Arm, seed: int, k: int = TOP_K, within: float | None = CLOSE) -> pd.DataFrame:
    """What R4, R5, R8 and R11 read on one SAE, a row a behaviour.

    Args:
        arm: Text, pairs and SAE.
        seed: Of the resamples.
        k: Latents that count as relevant to a behaviour (R11).
        within: Relative change that a shared latent may show (R5), or None for any.

    Returns:
        Columns behaviour, the four values, mean_share and active_at_zero (latents in SAE(0)).
    """
    draws, found = 2, bias_latent(arm)  # only the estimates are kept
    ratios = scaled_ratios(arm, found, draws, seed)
    overlaps = overlap_cells(arm, draws, seed, within)
    rows = []
    for name, contrast in arm.contrasts.items():
        change = (arm.sae.encode(contrast.positive) - arm.sae.encode(contrast.negative)).mean(0)
        values = {
            "R4": norm_percentile(arm.norms, contrast, draws, seed).estimate,
            "R5": overlaps[name].estimate,
            "R8": ratios[name].estimate if found.active else 0.0,
            "R11": negative_share(change, k).estimate if bool(change.any()) else 0.0,
        }
        rows.append({"behaviour": name, **values})
    active = int((arm.at_zero > 0).sum())
    return pd.DataFrame(rows).assign(mean_share=arm.mean_share, active_at_zero=active)


def judged(values: pd.DataFrame, passes: Passes) -> pd.DataFrame:
    """Values of cells with whether each passes its rule (`R4 holds`, …), and `all hold`."""
    holds = pd.DataFrame({f"{row} holds": values[row].map(passes[row]) for row in TESTED})
    return values.join(holds.assign(**{"all hold": holds.all(axis=1)}))


def generality_row(cells: pd.DataFrame, config: Parameters) -> dict[str, object]:
    """R15: share of the grid's cells in which all four hold; the model without a mean is control.

    Only cells of SAEs that pass their own checks count; where there is none, all do, and the gate
    (`enough_valid`) has failed.
    """
    tested, bare = _tested(cells, config)
    valid = tested[tested[VALID]] if tested[VALID].any() else tested
    return {
        **share_of_cells(valid, PLACE, config)._asdict(),
        "n": len(valid),
        "controls": {"share_of_cells_at_mean0": float(bare["all hold"].mean())},
        "detail": {
            "saes": len(valid[list(PLACE)].drop_duplicates()),
            "cells_of_all_saes": len(tested),
            "share_over_all_saes": float(tested["all hold"].mean()),
            "share_by_model": valid.groupby("subject", sort=False)["all hold"].mean().to_dict(),
        },
    }


def enough_valid(cells: pd.DataFrame, config: Parameters) -> bool:
    """Whether enough of the grid's cells rest on SAEs that pass their own checks."""
    return int(_tested(cells, config)[0][VALID].sum()) >= ENOUGH


def _tested(cells: pd.DataFrame, config: Parameters) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The grid's cells but for the model without a residual mean, and those of that model."""
    counted = cells[cells["in grid"]]
    is_control = counted["subject"] == config.mean0_model
    return counted[~is_control], counted[is_control]


def share_of_cells(cells: pd.DataFrame, place: Sequence[str], config: Parameters) -> Interval:
    """Share of cells in which all four hold; `place` are the columns that name an SAE.

    The interval is the wider of Wilson's over cells and a bootstrap over whole SAEs.
    """
    held = cells["all hold"].to_numpy(float)
    wilson = proportion_interval(int(held.sum()), len(held))
    names = cells[list(place)].astype(str).agg("/".join, axis=1).tolist()
    if len(set(names)) < 2:
        return wilson
    spread = cluster_bootstrap(held, names, seed=config.seed, n_resamples=config.n_resamples)
    return Interval(wilson.estimate, min(wilson.low, spread.low), max(wilson.high, spread.high))


def by_factor(cells: pd.DataFrame, factor: str) -> pd.DataFrame:
    """Share of cells that hold, by one factor.

    Columns R4, R5, R8, R11, all four, SAE valid (share whose SAE passes its checks), cells.
    """
    groups = cells.groupby(factor, sort=False)
    shares = groups[[*HOLDS, VALID]].mean().rename(columns=lambda name: name.removesuffix(" holds"))
    return shares.rename(columns={"all hold": "all four"}).assign(cells=groups.size())


def one_factor(cells: pd.DataFrame, config: Parameters) -> dict[str, pd.DataFrame]:
    """`by_factor` of every factor that varies around the chapter's SAE, residual mean 3."""
    own = cells[cells["in grid"] & (cells["subject"] == config.mean3_model)]
    home = {name: getattr(config, name) for name in ("layer", "architecture", "sparsity", "d_sae")}
    home |= {"apply_b_dec_to_input": False, "seed": 0}
    at_home = pd.DataFrame({name: own[name] == value for name, value in home.items()})
    tables = {}
    for factor in FACTORS:
        rows = own[at_home.drop(columns=factor).all(axis=1)]
        if rows[factor].nunique() > 1:
            tables[factor] = by_factor(rows, factor).sort_index()
    return tables


def crossed(cells: pd.DataFrame, config: Parameters) -> pd.DataFrame:
    """Share of behaviours for which each statement holds, by layer and target L0, residual mean 3.

    A row a statement and layer, a column a target L0, of the SAEs that differ in these two alone.
    """
    own = cells[
        (cells["subject"] == config.mean3_model)
        & (cells["architecture"] == config.architecture)
        & (cells["d_sae"] == config.d_sae)
        & ~cells["apply_b_dec_to_input"]
        & (cells["seed"] == 0)
        & cells["sparsity"].isin(CROSSED_SPARSITIES)
    ]
    long = own.melt(["layer", "sparsity"], [f"{row} holds" for row in TESTED], var_name="row")
    long["row"] = long["row"].str.removesuffix(" holds")
    table = long.pivot_table("value", ["row", "layer"], "sparsity", "mean", sort=False)
    return table.sort_index(axis=1)


def agreement(cells: pd.DataFrame, live: pd.DataFrame) -> pd.DataFrame:
    """How far cells measured now say the same as those of record, where both have them.

    Index R4, R5, R8, R11 and all four; columns cells (measured in both) and same (the share of
    them that holds in both or in neither).
    """
    keys = [*PLACE, "behaviour"]
    both = live[[*keys, *HOLDS]].merge(cells[[*keys, *HOLDS]], on=keys, suffixes=("", " of record"))
    same = {name: float((both[name] == both[f"{name} of record"]).mean()) for name in HOLDS}
    table = pd.DataFrame({"cells": len(both), "same": same})
    return table.rename(index=lambda n: "all four" if n == "all hold" else n.removesuffix(" holds"))
