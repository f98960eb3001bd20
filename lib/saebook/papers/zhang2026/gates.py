"""What has to hold before a testbed row of this chapter means anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from saebook.papers.zhang2026.evidence import Evidence
from saebook.papers.zhang2026.worlds import Kind, relatedness
from saebook.stats import pearson
from saebook.subjects import Subject
from saebook.testbed.lexicon import DOMAINS
from saebook.testbed.world import World
from saebook.zoo import HouseSAE
from saebook.zoo.validity import validity_report

CHECK_SEED = 71_000
SAE_BOUNDS: dict[str, tuple[float, float]] = {
    "valid_l0": (1.0, 24.0),
    "valid_fvu_pooled": (0.0, 0.5),
    "valid_dead_fraction": (0.0, 0.5),
    "loss_recovered_mean_ablation": (0.7, float("inf")),
    "best_latent_f1_median": (0.7, 1.0),
}
"""Least and most of each figure that `sae_valid` names, the bounds of the testbed chapter."""
STEEP, FLAT, SPREAD = 0.6, 0.2, 3.0


def sae_checks(entry: HouseSAE, subject: Subject, world: World, n_texts: int) -> pd.DataFrame:
    """Measure an SAE on annotated texts, unless its report already holds the figures.

    Returns:
        Index figure; columns value, least, most, holds.
    """
    known: dict[str, Any] = entry.report
    if not set(SAE_BOUNDS) <= set(known):
        registers = ("encyclopaedia", "problems")
        texts = [t for name in registers for t in world.sample(name, n_texts, CHECK_SEED)]
        known = validity_report(entry, subject, texts)
    rows = [
        (name, float(known[name]), *bounds, bounds[0] <= known[name] <= bounds[1])
        for name, bounds in SAE_BOUNDS.items()
    ]
    columns = pd.Index(["figure", "value", "least", "most", "holds"])
    return pd.DataFrame(rows, columns=columns).set_index("figure")


def world_gates(evidence: Evidence, kinds: Sequence[Kind], sources: Sequence[str]) -> pd.DataFrame:
    """Return what the worlds do, before any score is computed: a row a world and source.

    Columns kind, source, r_relatedness (of |change| with relatedness to the changed skill),
    spread (largest minus smallest change over the standard error of one domain), mean_change
    (percentage points), target_gain (percentage points, NaN without a record before), seeds.
    """
    rows = []
    for kind in kinds:
        for source in sources:
            deltas = evidence.records.deltas(kind, evidence.family, source)
            if deltas is not None:
                rows.append(_world_row(evidence, kind, source, deltas))
    columns = ["kind", "source", "r_relatedness", "spread", "mean_change", "target", "seeds"]
    return pd.DataFrame(rows, columns=pd.Index(columns))


def _world_row(evidence: Evidence, kind: Kind, source: str, deltas: np.ndarray) -> tuple:
    sizes, n = np.abs(deltas).mean(0), len(deltas)
    related = np.array([relatedness(source)[d] for d in DOMAINS])
    r = pearson(sizes, related) if np.ptp(sizes) > 0 else 0.0
    error = standard_error(evidence, kind, source)
    spread = float(np.ptp(deltas.mean(0)) / error) if error else 0.0
    cells = evidence.cells(kind, [source])
    target = [evidence.records.bits(cell, "target") for cell in cells]
    reached = np.mean([bits.mean() for bits in target if bits is not None])
    return kind, source, r, spread, 100 * deltas.mean(), 100 * reached, n


def standard_error(evidence: Evidence, kind: Kind, source: str) -> float:
    """Return the median over domains of the standard error of one domain's mean change.

    From the paired bits of each item, before and after, seeds averaged.
    """
    errors = []
    for domain in DOMAINS:
        before = evidence.records.before(kind, evidence.family, domain).astype(float)
        after = [evidence.records.bits(c, domain) for c in evidence.cells(kind, [source])]
        change = np.mean([a for a in after if a is not None], axis=0) - before
        errors.append(change.std(ddof=1) / np.sqrt(len(change)))
    return float(np.median(errors))


def damage_follows_skill(table: pd.DataFrame, sources: Sequence[str]) -> bool:
    """Whether damage and relatedness correlate with at least 0.6 for every main source."""
    own = table[(table["kind"] == "skill") & table["source"].isin(sources)]
    return len(own) > 0 and bool((own["r_relatedness"] >= STEEP).all())


def format_world_flat(table: pd.DataFrame) -> bool:
    """Whether |r| of damage and relatedness, mean over sources, is at most 0.2 there."""
    own = table[table["kind"] == "format"]
    return len(own) > 0 and abs(own["r_relatedness"].mean()) <= FLAT


def spread_enough(table: pd.DataFrame) -> bool:
    """Whether domains differ by at least three standard errors in the skill and format worlds."""
    own = table[table["kind"].isin(["skill", "format"])]
    return len(own) > 0 and bool((own["spread"] >= SPREAD).all())
