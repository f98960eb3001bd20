"""What each remedy's description still steers, and the table of remedies."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from saebook.papers.mayne2024.construction import Construction
from saebook.papers.mayne2024.effects import slopes
from saebook.papers.mayne2024.parameters import Parameters
from saebook.papers.mayne2024.remedies import REMEDIES, UNSIGNED, Case
from saebook.papers.mayne2024.scores import MEASURES, kept_vector, score_case
from saebook.papers.mayne2024.sources import Source
from saebook.papers.mayne2024.steerability import VECTOR, steer
from saebook.subjects import Subject

MADE_UP = "made up"


def remedy_table(
    subject: Subject, source: Source, cases: Sequence[Case], made: Construction, config: Parameters
) -> pd.DataFrame:
    """Every remedy's scores on the made-up vector and on the given ones.

    Columns as `score_case`, and steering kept, which the made-up vector has no model to show.
    """
    scored = [
        score_case(case, config.n_kept, config.n_draws, config.seed)
        for case in (made_up_case(made), *cases)
    ]
    kept = steering_kept(subject, source, cases, config)
    return pd.concat(scored, ignore_index=True).merge(kept, how="left")


def steering_kept(
    subject: Subject, source: Source, cases: Sequence[Case], config: Parameters
) -> pd.DataFrame:
    """Steerability that each refitted description keeps, at v's norm: case, remedy, steering kept.

    Steerability of the description over that of v, on held-out prompts under the chapter's
    measure; an empty description keeps 0.
    """
    rows = []
    for case in cases:
        v = case.contrast.vector
        vectors = {VECTOR: v}
        for name, found in case.describe(config.n_kept).items():
            kept = kept_vector(case, found, config.n_kept, name not in UNSIGNED)
            norm = kept.norm()
            vectors[name] = kept * v.norm() / norm if norm > 0 else kept
        items = source.items(subject, case.name, config.measure, config.n_prompts, config.seed + 1)
        frame = steer(subject, items, vectors, config.layer, (-1.0, 1.0))
        means = slopes(frame).mean(axis=1).xs(case.name).xs(config.measure)
        rows += [(case.name, name, means[name] / means[VECTOR]) for name in REMEDIES]
    return pd.DataFrame(rows, columns=["case", "remedy", "steering kept"])


def made_up_case(made: Construction) -> Case:
    """The made-up vector as a case whose truth is the construction's own."""
    truth = made.text.new_zeros(len(made.sae.b_enc))
    truth[list(made.up)], truth[list(made.down)] = 1.0, -1.0
    typical = float(made.text.norm(dim=1).median())
    return Case(MADE_UP, made.sae, made.contrast, made.text.mean(0), typical, truth)


def remedy_frame(scores: pd.DataFrame) -> pd.DataFrame:
    """Median and quartiles over cases: remedy, measure, where, median, low, high.

    `where` tells the made-up SAE, whose truth is complete, from the house SAE.
    """
    held = [name for name in MEASURES if name in scores]
    long = scores.melt(["case", "remedy"], held, var_name="measure").dropna()
    where = long["case"].eq(MADE_UP).map({True: "made-up SAE", False: "house SAE"})
    groups = long.assign(where=where).groupby(["remedy", "measure", "where"], sort=False)["value"]
    table = pd.DataFrame(
        {"median": groups.median(), "low": groups.quantile(0.25), "high": groups.quantile(0.75)}
    )
    return table.reset_index()
