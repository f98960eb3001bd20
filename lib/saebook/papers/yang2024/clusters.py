"""Categories found from the questions' text, by the libraries' own methods."""

from __future__ import annotations

from collections.abc import Sequence

from sklearn.cluster import HDBSCAN
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import adjusted_rand_score

from saebook.papers.yang2024 import tables

UNASSIGNED = "unassigned"


def clustered_categories(stems: Sequence[str], seed: int, settings: str = "LEK") -> list[str]:
    """Return a found category for each question: words weighted, reduced, clustered by density.

    The paper embeds with a medical BERT, reduces with UMAP and clusters with HDBSCAN; words that
    are tokens make the embedding a table of word weights here. Components and least size of a
    cluster are the paper's own (Table 4). Questions in no cluster share the name `unassigned`.

    Args:
        stems: The questions without their options.
        seed: Of the reduction.
        settings: Whose settings of Table 4 are taken.

    Raises:
        ValueError: Fewer questions than a cluster needs.
    """
    _, components, least = tables.TABLE_4[settings]
    if len(stems) < 2 * least:
        least = max(2, len(stems) // 8)
    if len(stems) < 2 * least or len(stems) <= components:
        raise ValueError(f"{len(stems)} questions are too few to cluster")
    weights = TfidfVectorizer(token_pattern=r"\S+").fit_transform(stems)
    reduced = TruncatedSVD(components, random_state=seed).fit_transform(weights)
    clusters = HDBSCAN(min_cluster_size=least, copy=True)  # pyright: ignore[reportArgumentType]
    found = clusters.fit_predict(reduced)
    return [UNASSIGNED if label < 0 else f"cluster {label:03d}" for label in found]


def agreement_with(given: Sequence[str], found: Sequence[str]) -> float:
    """Return the adjusted Rand index of two groupings: 1 where they are one, 0 by chance."""
    return float(adjusted_rand_score(list(given), list(found)))


def stem(words: Sequence[str]) -> str:
    """Return a question's words up to its question mark.

    Raises:
        ValueError: The text asks nothing.
    """
    if "?" not in words:
        raise ValueError(f"no question mark in: {' '.join(words[:12])} ...")
    return " ".join(words[: list(words).index("?")])
