"""Format worlds drawn anew: does the score stay silent where damage follows format alone?

One world of fourteen domains has one deal of damage, and a score can be anti-correlated with it
by accident. Here the shares of items asked after the reasoning line are dealt out again and
again. Fine-tuning does not depend on the deal: each model's items are on record at both ends of
the reasoning line, and a deal picks one end for each item.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from saebook.papers.zhang2026 import sts
from saebook.papers.zhang2026.cells import Cell
from saebook.papers.zhang2026.evidence import Evidence
from saebook.papers.zhang2026.exams import draw_exam
from saebook.papers.zhang2026.plan import MAIN
from saebook.papers.zhang2026.worlds import DRAWS, relatedness
from saebook.stats import pearson
from saebook.testbed import load_world
from saebook.testbed.lexicon import DOMAINS

QUERIES = {"as asked": "drawn", "cut alike": "skill"}
"""Where the score's queries end, and which profile holds them."""


@lru_cache(maxsize=len(DRAWS))
def asked_late(draw: int, n: int) -> np.ndarray:
    """Return which of n items of each domain's exam are asked after the reasoning, bool [14, n]."""
    world = load_world()
    return np.array(
        [[at == p.closed for p, at in draw_exam(world, "format", d, n, draw=draw)] for d in DOMAINS]
    )


def drawn_sizes(evidence: Evidence, source: str, draw: int) -> np.ndarray | None:
    """Return the mean over seeds of each domain's |change in accuracy|, [14], or None."""
    records, family = evidence.records, evidence.family
    before = _accuracy(evidence, Cell("format", family, MAIN[0], 0, "before-ends"), draw)
    seeds = records.seeds("format", family, source, "ends")
    after = [_accuracy(evidence, Cell("format", family, source, s, "ends"), draw) for s in seeds]
    held = [a for a in after if a is not None]
    return np.abs(np.stack(held) - before).mean(0) if before is not None and held else None


def _accuracy(evidence: Evidence, cell: Cell, draw: int) -> np.ndarray | None:
    """Accuracy in each domain's exam of one deal, [14], or None without a record."""
    bits = {
        end: [evidence.records.bits(cell, f"{domain} {end}") for domain in DOMAINS]
        for end in ("early", "late")
    }
    if any(own is None for both in bits.values() for own in both):
        return None
    early, late = (np.stack([b for b in bits[end] if b is not None]) for end in ("early", "late"))
    return np.where(asked_late(draw, early.shape[1]), late, early).mean(1)


def drawn_scores(evidence: Evidence, source: str, draw: int, queries: str) -> np.ndarray:
    """Return STS_ICL of each domain, [14].

    Args:
        evidence: Records and choices.
        source: Whose demonstrations choose the latents.
        draw: Of the format world.
        queries: A key of `QUERIES`.

    Raises:
        KeyError: Not among the records.
    """
    layer, name = evidence.default
    world = f"drawn/{draw}" if QUERIES[queries] == "drawn" else "skill"
    profile = evidence.records.vector(evidence.family, f"profile/{world}/{layer}/{name}/ICL", True)
    return sts.sts(profile, evidence.chosen(evidence.change("format", source)))


def drawn_frame(evidence: Evidence, sources: Sequence[str] = MAIN) -> pd.DataFrame:
    """Return what the drawn format worlds gave, a row a deal, source and end of the queries.

    Columns draw, source, queries, r (of STS_ICL with |change|) and r_relatedness (of |change|
    with relatedness to the changed skill); no rows where the records do not reach.
    """
    rows = []
    for draw in DRAWS:
        for source in sources:
            sizes = drawn_sizes(evidence, source, draw)
            if sizes is not None:
                related = pearson(np.array([relatedness(source)[d] for d in DOMAINS]), sizes)
                for queries in QUERIES:
                    x = drawn_scores(evidence, source, draw, queries)
                    rows.append((draw, source, queries, pearson(x, sizes), related))
    return pd.DataFrame(rows, columns=pd.Index(["draw", "source", "queries", "r", "r_relatedness"]))


def drawn_summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Return, by where queries end, the mean over deals of r, its error, and of r_relatedness.

    Sources that change one skill share their latents, so a deal counts once: r is averaged over
    sources first.
    """
    deals = frame.groupby(["queries", "draw"], sort=False)[["r", "r_relatedness"]].mean()
    by = deals.groupby("queries", sort=False)
    found = by.mean()
    found.insert(1, "standard error", by["r"].sem())
    return found.assign(deals=by["r"].size())


def deal_dots(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the mean r over sources by end of the queries and deal: condition, seed, value."""
    named = {"queries": "condition", "draw": "seed", "r": "value"}
    means = frame.groupby(["queries", "draw"], sort=False)["r"].mean().reset_index()
    return means.rename(columns=named)
