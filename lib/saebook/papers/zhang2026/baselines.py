"""Scores of domains that need no SAE, or not the foreseen latents, for C11."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import RidgeCV

from saebook.papers.zhang2026 import sts
from saebook.papers.zhang2026.evidence import Evidence
from saebook.papers.zhang2026.worlds import Kind
from saebook.testbed.lexicon import DOMAINS

UNSIGNED = ("base accuracy", "prompt length")
"""Baselines whose direction nothing fixes in advance; they are judged by |r|."""
N_RANDOM = 20


def baselines(evidence: Evidence, kind: Kind, source: str) -> dict[str, np.ndarray]:
    """Return the scores [14] of every baseline, by name.

    The random set is the mean over draws of as many live latents as the score uses. Gradients and
    principal axes stand where the records hold them.

    Args:
        evidence: Records and choices.
        kind: World.
        source: Source domain.
    """
    records, family, layer = evidence.records, evidence.family, evidence.default[0]
    change = evidence.change(kind, source)
    n = len(evidence.chosen(change))
    profile = evidence.profile(kind)
    spread = evidence.change(kind, source, "variance")
    raw_change = evidence.change(kind, source, sae=(layer, "raw"))
    acts = evidence.profile(kind, "act", (layer, "raw"))
    found = {
        "random latents": random_scores(profile, n, evidence.config.seed),
        "top-variance latents": sts.sts(profile, sts.top(spread, n)),
        "raw dimensions": evidence.scores(
            kind, source, sae=(layer, "raw"), chosen=evidence.chosen(raw_change)
        ),
        "cosine to the source": _cosines(acts, acts[DOMAINS.index(source)]),
        "base accuracy": np.array([records.before(kind, family, d).mean() for d in DOMAINS]),
        "prompt length": records.vector(family, f"length/{kind}"),
        "bigram similarity": records.vector(family, f"similarity/{kind}/{source}"),
    }
    if records.has(family, f"gradient/{kind}/{source}"):
        found["gradient conflict"] = records.vector(family, f"gradient/{kind}/{source}")
    if kind == "skill" and records.has(family, f"axes/{kind}/{source}"):
        found["principal axes"] = _axes_scores(evidence, source)
    sizes = evidence.sizes(kind, source)
    if sizes is not None:
        found["probe on latents"] = probe(evidence.profile(kind, "act"), sizes)
    return found


def random_scores(profile: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Return the mean score [14] over draws of n latents that do anything."""
    rng = np.random.default_rng(seed)
    live = np.flatnonzero(profile.sum(0) > 0)
    draws = [rng.choice(live, size=min(n, len(live)), replace=False) for _ in range(N_RANDOM)]
    return np.mean([sts.sts(profile, draw) for draw in draws], axis=0)


def _cosines(rows: np.ndarray, reference: np.ndarray) -> np.ndarray:
    return rows @ reference / (np.linalg.norm(rows, axis=1) * np.linalg.norm(reference))


def _axes_scores(evidence: Evidence, source: str) -> np.ndarray:
    """Mean squared change of each domain along the source's principal axes of change."""
    moments = evidence.records.vector(evidence.family, "moment/skill", True)
    width = int(np.sqrt(moments.shape[1]))
    axes = evidence.records.vector(evidence.family, f"axes/skill/{source}").reshape(-1, width)
    return np.einsum("ki,dij,kj->d", axes, moments.reshape(-1, width, width), axes)


def probe(features: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return what a ridge probe trained on the other domains says of each, [14].

    The penalty is chosen inside the thirteen training domains.
    """
    scaled = features / (features.std(0) + 1e-6)
    said = np.zeros(len(sizes))
    for i in range(len(sizes)):
        kept = np.arange(len(sizes)) != i
        model = RidgeCV(alphas=np.logspace(0, 5, 11)).fit(scaled[kept], sizes[kept])
        said[i] = model.predict(scaled[i : i + 1])[0]
    return said


def strength(name: str, r: np.ndarray) -> np.ndarray:
    """Return r, or |r| for a baseline without a direction."""
    return np.abs(r) if name in UNSIGNED else r
