"""The live part of the chapter: one fine-tuning and one set of scores, laid beside the records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import torch

from saebook.papers.zhang2026 import audit, sts, tables
from saebook.papers.zhang2026.cells import TARGET, Cell, run_cell
from saebook.papers.zhang2026.evidence import Evidence
from saebook.papers.zhang2026.exams import draw_items
from saebook.papers.zhang2026.features import Raw, Stream, changes
from saebook.papers.zhang2026.parameters import Parameters
from saebook.papers.zhang2026.records import Records, missing
from saebook.papers.zhang2026.vectors import demonstration_gain, domain_profiles, source_changes
from saebook.papers.zhang2026.worlds import changed_skill, exam_mix
from saebook.stats import pearson
from saebook.subjects import Subject
from saebook.testbed.lexicon import DOMAINS
from saebook.testbed.world import World
from saebook.zoo import HouseSAE

N_LIVE = 3
"""Domains whose exams are taken live."""
GAIN_SEED = 500


def one_problem(world: World, source: str, seed: int) -> tuple[str, str]:
    """Return one of a source's problems as it ever was and in the new notation."""
    before = draw_items(world, "null", source, 20, seed)
    after = draw_items(world, "skill", source, 20, seed)
    pair = next((a, b) for a, b in zip(before, after, strict=True) if a.words != b.words)
    old, new = (" ".join(problem.words) for problem in pair)
    return old, new


def demonstration_gate(subject: Subject, world: World, config: Parameters) -> tuple[float, float]:
    """Return the loss that demonstrations save, nats a token, and its standard error."""
    return demonstration_gain(
        subject, world, 2 * config.n_score_queries, config.n_demos, GAIN_SEED + config.seed
    )


def planted_latents(seed: int) -> dict[str, float]:
    """Return the share of ten quiet, shifted latents that each comparison of tokens finds.

    Made-up activations of 200 latents with very different sizes; the unaligned streams hold the
    same tokens, one of them turned by seven.
    """
    rng = np.random.default_rng(seed)
    scale = np.exp(rng.normal(0, 1.5, 200))
    bare = rng.gamma(0.3, 1.0, (1500, 200)) * scale
    planted = np.argsort(scale)[40:50]
    shown = bare + rng.normal(0, 0.01, bare.shape)
    shown[:, planted] += 1.0
    own = torch.ones(len(bare), dtype=torch.bool)

    def stream(acts: np.ndarray) -> Stream:
        return Stream({0: torch.tensor(acts).float()}, own, own, ~own)

    found = changes(stream(bare), stream(shown), 0, Raw)
    turned = changes(stream(bare), stream(np.roll(shown, 7, axis=0)), 0, Raw)
    lists = {"aligned": found["aligned"], "unaligned": turned["unaligned"]}
    lists["second moment"] = found["second_moment"]
    truth = set(planted.tolist())
    return {name: len(truth & set(sts.top(x, 10))) / 10 for name, x in lists.items()}


def audit_correlations(table: pd.DataFrame) -> dict[str, Any]:
    """Return the audit's row on the six published correlations."""
    named = table["score"] + " " + table["model"]
    ends = {"estimate": "r", "low": "low", "high": "high"}
    parts = {end: dict(zip(named, table[column], strict=True)) for end, column in ends.items()}
    return {**parts, "n": 8}


def audit_stability() -> float:
    """Return the audit's C5: spread of printed r over models, act minus ICL."""
    spread = audit.spread_over_models()
    return spread["act"] - spread["ICL"]


def audit_labels() -> dict[str, float]:
    """Return the audit's C15: the smallest printed share and the ratio of the two recalls."""
    recalls = tables.RECALLS
    return {
        "share": min(tables.MATH_SHARES.values()),
        "recall ratio": recalls["math"] / recalls["code"],
    }


def live_domains(source: str) -> list[str]:
    """Return the domains with the most, the middle and the least of the source's skill."""
    mix, skill = exam_mix(), changed_skill(source)
    ranked = sorted((d for d in DOMAINS if d != source), key=lambda d: -mix[d][skill])
    return [ranked[0], ranked[len(ranked) // 2], ranked[-1]]


def run_one(
    subject: Subject, world: World, sae: HouseSAE, config: Parameters
) -> tuple[Cell, dict[str, np.ndarray]]:
    """Run one cell of the skill world on three domains and the target exam."""
    cell = Cell("skill", config.model_name, config.source, config.seed)
    names = [*live_domains(config.source), TARGET]
    saes = {(config.layer, f"L0 {config.sparsity:g}"): sae.sae}
    return cell, run_cell(cell, subject, world, config, saes, names)


def against_record(cell: Cell, arrays: dict[str, np.ndarray], records: Records) -> pd.DataFrame:
    """Lay a live cell's bits beside those of record: live, record, agreement (NaN if none)."""
    rows = {}
    for name, bits in arrays.items():
        if name.startswith("bits/"):
            exam = name.removeprefix("bits/")
            kept = records.bits(cell, exam)
            rows[exam] = {"live": float(bits.mean())}
            if kept is not None:
                n = min(len(kept), len(bits))
                rows[exam]["record"] = float(kept[:n].mean())
                rows[exam]["agreement"] = float((kept[:n] == bits[:n]).mean())
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("exam")


def live_scores(subject: Subject, world: World, sae: HouseSAE, config: Parameters) -> np.ndarray:
    """Return STS_ICL of every domain, measured now, [14]."""
    name = f"L0 {config.sparsity:g}"
    saes = {(config.layer, name): sae.sae}
    held = source_changes(subject, world, "skill", config.source, saes, config)
    change = held[f"change/skill/{config.source}/{config.layer}/{name}/aligned"]
    profiles = domain_profiles(subject, world, "skill", saes, config)
    chosen = sts.smallest_set(change, config.share_of_change)
    return sts.sts(profiles[f"profile/skill/{config.layer}/{name}/ICL"], chosen)


def live_against_record(scores: np.ndarray, evidence: Evidence) -> float:
    """Return the correlation over domains of live scores with those of record."""
    return pearson(scores, evidence.scores("skill", evidence.config.source))


def coverage(records: Records, planned: Iterable[Cell]) -> pd.DataFrame:
    """Return how many fine-tunings of the plan the records hold, by world, family and variant."""
    cells = list(planned)
    lacking = set(missing(records, cells))
    rows = [
        (c.kind, c.family, c.variant.split("-")[0], c.source, c.seed, c not in lacking)
        for c in cells
        if not c.variant.startswith("before")
    ]
    names = ["world", "family", "variant", "source", "seed", "done"]
    frame = pd.DataFrame(rows, columns=pd.Index(names))
    by = ["world", "family", "variant"]
    groups = frame.groupby(by, sort=False)["done"]
    made = pd.DataFrame({"planned": groups.size(), "done": groups.sum()})
    reached = frame[frame["done"]].groupby(by, sort=False)["source"].nunique()
    return made.assign(sources=reached).fillna({"sources": 0}).astype(int)
