"""Tidy frames between measuring and drawing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from saebook.papers.zhang2026 import audit, sts
from saebook.papers.zhang2026.baselines import strength
from saebook.papers.zhang2026.cells import TARGET
from saebook.papers.zhang2026.evidence import Evidence
from saebook.papers.zhang2026.plan import ALL_LATENTS, LATENT_COUNTS, MAIN, WHICH
from saebook.papers.zhang2026.rows import details
from saebook.papers.zhang2026.rows_dependence import baseline_pairs, rank_sets
from saebook.papers.zhang2026.rows_latents import mixture_losses
from saebook.papers.zhang2026.saes import DEPTHS, SPARSITIES
from saebook.papers.zhang2026.worlds import Kind, relatedness
from saebook.stats import pearson
from saebook.testbed.lexicon import DOMAINS

SET_SIZES = (1, sts.LEAST, *LATENT_COUNTS)
"""Numbers of latents whose scores stand beside one another."""


def published_fan() -> pd.DataFrame:
    """Return r of every published panel, whole and without each domain: group, left_out, r."""
    rows = []
    for (model, score), own in audit.points().groupby(["model", "score"], sort=False):  # type: ignore[misc]
        x, y = own["sts"].to_numpy(), own["size"].to_numpy()
        rows.append((f"{model}, {score}", "", pearson(x, y)))
        left = audit.leave_one_out(x, y, own["domain"].tolist())
        rows += [(f"{model}, {score}", name, r) for name, r in left.items()]
    return pd.DataFrame(rows, columns=pd.Index(["group", "left_out", "r"]))


def fan(evidence: Evidence, kind: Kind, sources: Sequence[str]) -> pd.DataFrame:
    """Return r of STS_ICL by source, whole and without each domain: group, left_out, r."""
    rows = []
    for source, (x, size) in evidence.pairs(kind, sources).items():
        rows.append((source, "", pearson(x, size)))
        rows += [(source, d, r) for d, r in zip(DOMAINS, sts.leave_one_out(x, size), strict=True)]
    return pd.DataFrame(rows, columns=pd.Index(["group", "left_out", "r"]))


def details_frame(
    evidence: Evidence, kinds: Sequence[Kind], sources: Sequence[str], scores: Sequence[str]
) -> pd.DataFrame:
    """Return all that stands beside each correlation: a row a world, score and source."""
    parts = {
        (kind, score, source): row
        for kind in kinds
        for score in scores
        for source, row in details(evidence, kind, sources, score).items()
    }
    names = ["world", "score", "source"]
    frame = pd.DataFrame.from_dict(parts, orient="index").rename_axis(names)
    columns = ["r", "low", "high", "p", "spearman", "smallest", "left_out", "extremes"]
    return frame[[*columns, "r_relatedness", "seeds"]].round(2)


def scatter(evidence: Evidence, kind: Kind, source: str, score: str = "ICL") -> pd.DataFrame:
    """Return each domain's score, |change| (points), and relatedness, for one source."""
    pairs = evidence.pairs(kind, [source], score)
    if not pairs:
        return pd.DataFrame(columns=pd.Index(["domain", "sts", "size", "related"]))
    x, size = pairs[source]
    related = [relatedness(source)[d] for d in DOMAINS]
    return pd.DataFrame({"domain": DOMAINS, "sts": x, "size": 100 * size, "related": related})


def baseline_frame(evidence: Evidence, kind: Kind) -> pd.DataFrame:
    """Return the mean r over the main sources of STS and every baseline, with its interval.

    Columns name, r, low, high, ours; a baseline without a direction is given by |r|.
    """
    sources = list(evidence.pairs(kind, MAIN))
    rows = []
    for name, pairs in baseline_pairs(evidence, kind, sources).items():
        found = evidence.interval(pairs, lambda r, name=name: strength(name, r).mean(0))
        rows.append((name, *found.values(), name.startswith("STS")))
    return pd.DataFrame(rows, columns=pd.Index(["name", "r", "low", "high", "ours"]))


def ablation_frame(evidence: Evidence) -> dict[str, pd.DataFrame]:
    """Return r by sparsity, layer and rank, a row a source: group, r and the choice."""
    layer, name = evidence.default
    made: dict[str, list] = {"target L0": [], "layer": [], "rank": []}
    for sparsity in SPARSITIES:
        own = evidence.pairs("skill", MAIN, sae=(layer, f"L0 {sparsity:g}"))
        made["target L0"] += [(s, pearson(*p), f"{sparsity:g}") for s, p in own.items()]
    for depth in DEPTHS:
        own = evidence.pairs("skill", MAIN, sae=(depth, name))
        made["layer"] += [(s, pearson(*p), str(depth)) for s, p in own.items()]
    for source, (_, size) in evidence.pairs("skill", MAIN).items():
        change = evidence.change("skill", source)
        for label, latents in rank_sets(change, len(evidence.chosen(change))).items():
            x = evidence.scores("skill", source, chosen=latents)
            made["rank"].append((source, pearson(x, size) if np.ptp(x) else 0.0, label))
    return {x: pd.DataFrame(rows, columns=pd.Index(["group", "r", x])) for x, rows in made.items()}


def choices_frame(evidence: Evidence, sources: Sequence[str] = MAIN) -> pd.DataFrame:
    """Return r by source under the choices the paper leaves open: which latents, which score.

    Columns source, pairing, latents (how many are scored), score, r.
    """
    rows = []
    for source, (_, size) in evidence.pairs("skill", sources).items():
        for pairing in ("aligned", "masked", "last", "unaligned"):
            change = evidence.change("skill", source, pairing)
            for n in SET_SIZES:
                for score in ("ICL", "act", "squared"):
                    x = evidence.scores("skill", source, score, chosen=sts.top(change, n))
                    rows.append((source, pairing, n, score, pearson(x, size) if np.ptp(x) else 0.0))
    columns = pd.Index(["source", "pairing", "latents", "score", "r"])
    return pd.DataFrame(rows, columns=columns)


def mixture_frame(evidence: Evidence) -> pd.DataFrame:
    """Return the larger of the two losses by mixture and seed: condition, seed, value (points)."""
    rows = [
        (mix.removeprefix("mix-"), seed, loss)
        for mix, by_seed in mixture_losses(evidence).items()
        for seed, (loss, _) in by_seed.items()
    ]
    return pd.DataFrame(rows, columns=pd.Index(["condition", "seed", "value"]))


def selective_frame(evidence: Evidence) -> pd.DataFrame:
    """Return target accuracy after training chosen latents: condition, seed, value (percent).

    Beside them an adapter with as many parameters, all latents, and the whole model.
    """
    says = dict(zip(WHICH, ("foreseen", "matched", "2nd set"), strict=True))
    variants = {
        f"{says[which]}\nK = {count}": f"latents-{count}-{which}"
        for which in WHICH
        for count in LATENT_COUNTS
    }
    variants |= {f"adapter\nas {count}": f"lora-{count}" for count in LATENT_COUNTS}
    variants |= {"all\nlatents": ALL_LATENTS, "all\nweights": "sft"}
    rows = []
    for label, variant in variants.items():
        for cell in evidence.cells("skill", MAIN[:1], variant):
            bits = evidence.records.bits(cell, TARGET)
            if bits is not None:
                rows.append((label, cell.seed, 100 * bits.mean()))
    return pd.DataFrame(rows, columns=pd.Index(["condition", "seed", "value"]))
