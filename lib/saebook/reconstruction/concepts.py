"""Do latents stand for known concepts, and does another seed find the same ones?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

MIN_POSITIVES = 10


def best_latent_f1_by_concept(
    codes: Tensor,
    labels: Tensor,
    concepts: Sequence[str],
    selection: Tensor,
    min_positives: int = MIN_POSITIVES,
) -> pd.DataFrame:
    """For each concept, the latent and threshold with the best F1, chosen and scored apart.

    F1 = 2 TP / (2 TP + FP + FN) of the detector "code > threshold". Every observed value of a
    latent is tried as threshold on the selection tokens; `f1` is measured on the others, so that
    trying d_sae latents does not flatter the result.

    Args:
        codes: Latent activations [n, d_sae], at least 0.
        labels: Whether each concept holds at each token, bool [n, n_concepts].
        concepts: Names of the columns of labels.
        selection: Tokens to choose on, bool [n]. Give whole texts to one side.
        min_positives: Concepts with fewer tokens than this on either side are left out.

    Returns:
        One row a concept: concept, latent, threshold, f1_selection, f1, n_positive (scored side).

    Raises:
        ValueError: shapes that do not agree, or a side without tokens.
    """
    _check(codes, labels, concepts, selection)
    chosen, scored = labels[selection], labels[~selection]
    kept = _frequent(labels, selection, min_positives)
    f1, latent, threshold = _select(codes[selection], chosen[:, kept].float())
    rows = []
    for i, column in enumerate(kept.tolist()):
        said = codes[~selection, latent[i]] > threshold[i]
        truth = scored[:, column]
        rows.append(
            {
                "concept": concepts[column],
                "latent": int(latent[i]),
                "threshold": float(threshold[i]),
                "f1_selection": float(f1[i]),
                "f1": _f1(said, truth),
                "n_positive": int(truth.sum()),
            }
        )
    columns = ["concept", "latent", "threshold", "f1_selection", "f1", "n_positive"]
    return pd.DataFrame(rows, columns=columns)


def best_direction_f1_by_concept(
    acts: Tensor,
    labels: Tensor,
    concepts: Sequence[str],
    selection: Tensor,
    min_positives: int = MIN_POSITIVES,
) -> pd.DataFrame:
    """What one direction of the activation space can detect of each concept: a ceiling for latents.

    The direction is Fisher's linear discriminant of "holds" against "does not"; its threshold is
    chosen on the selection tokens, and `f1` is measured on the others. A concept that no direction
    detects is not carried linearly by the layer, and no latent can be blamed for missing it.

    Args:
        acts: Activations [n, d_in].
        labels, concepts, selection, min_positives: As for `best_latent_f1_by_concept`.

    Returns:
        One row a concept: concept, f1, n_positive (scored side).

    Raises:
        ValueError: shapes that do not agree, or a side without tokens.
    """
    _check(acts, labels, concepts, selection)
    kept = _frequent(labels, selection, min_positives)
    projections = acts @ _discriminants(acts[selection], labels[selection][:, kept].float())
    rows = []
    for i, column in enumerate(kept.tolist()):
        score = projections[:, i] - projections[:, i].min()
        truth = labels[selection, column].float()[:, None]
        _, cut = _best_cut(score[selection], truth, truth.sum(0))
        scored = labels[~selection, column]
        f1 = _f1(score[~selection] > cut, scored)
        rows.append({"concept": concepts[column], "f1": f1, "n_positive": int(scored.sum())})
    return pd.DataFrame(rows, columns=["concept", "f1", "n_positive"])


def _frequent(labels: Tensor, selection: Tensor, min_positives: int) -> Tensor:
    """Columns with at least `min_positives` tokens on either side."""
    sides = (labels[selection].sum(0), labels[~selection].sum(0))
    return ((sides[0] >= min_positives) & (sides[1] >= min_positives)).nonzero().flatten()


def _discriminants(acts: Tensor, labels: Tensor) -> Tensor:
    """Fisher's discriminant of every concept [d_in, n_concepts].

    The total covariance serves for all: within a concept's two classes it differs by a term along
    their difference, which changes the length of the solution and not its direction.
    """
    centred = acts - acts.mean(0)
    covariance = centred.T @ centred / len(acts)
    ridge = 1e-4 * covariance.diagonal().mean() * torch.eye(acts.shape[1])
    class_means = labels.T @ centred / labels.sum(0)[:, None]
    return torch.linalg.solve(covariance + ridge, class_means.T)


def _check(codes: Tensor, labels: Tensor, concepts: Sequence[str], selection: Tensor) -> None:
    if len(codes) != len(labels) or selection.shape != (len(codes),):
        raise ValueError(
            f"codes {tuple(codes.shape)}, labels {tuple(labels.shape)} and selection "
            f"{tuple(selection.shape)} must have one row a token"
        )
    if labels.shape[1] != len(concepts):
        raise ValueError(f"{labels.shape[1]} label columns for {len(concepts)} concepts")
    if not bool(selection.any()) or bool(selection.all()):
        raise ValueError("selection must hold some tokens and leave some to score on")


def _f1(said: Tensor, truth: Tensor) -> float:
    hits, claims, positives = int((said & truth).sum()), int(said.sum()), int(truth.sum())
    return 2 * hits / (claims + positives) if claims + positives else 0.0


def _select(codes: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Best F1, its latent and threshold for every concept [n_concepts]."""
    n_concepts = labels.shape[1]
    best = torch.full((n_concepts,), -1.0)
    latent = torch.zeros(n_concepts, dtype=torch.long)
    threshold = torch.zeros(n_concepts)
    positives = labels.sum(0)
    for j in range(codes.shape[1]):
        f1, cut = _best_cut(codes[:, j], labels, positives)
        better = f1 > best
        best[better], threshold[better], latent[better] = f1[better], cut[better], j
    return best, latent, threshold


def _best_cut(code: Tensor, labels: Tensor, positives: Tensor) -> tuple[Tensor, Tensor]:
    """Best F1 over thresholds of one latent, for every concept."""
    active = code > 0
    if not bool(active.any()):
        return torch.zeros(len(positives)), torch.zeros(len(positives))
    value, order = code[active].sort(descending=True)
    hits = labels[active][order].cumsum(0)
    claims = torch.arange(1, len(value) + 1, dtype=hits.dtype)
    # A cut between equal values does not exist: only the last of a run of ties counts.
    real = torch.cat([value[1:] < value[:-1], torch.tensor([True])])
    f1 = 2 * hits[real] / (claims[real, None] + positives)
    lower = torch.cat([value[1:], torch.zeros(1)])[real]
    best, where = f1.max(0)
    return best, lower[where]


def matched_latents(decoder: Tensor, other: Tensor) -> pd.DataFrame:
    """Match the latents of two SAEs one to one by the cosine of their decoder rows.

    The assignment that maximises the summed cosine (Hungarian algorithm). Two random decoders
    also match somewhat: compare with one.

    Args:
        decoder: W_dec of one SAE [d_sae, d_in].
        other: W_dec of the other [d_other, d_in], for example of another seed.

    Returns:
        One row a matched pair: latent, other, cosine.
    """
    if decoder.shape[1] != other.shape[1]:
        raise ValueError(f"decoders of widths {decoder.shape[1]} and {other.shape[1]} do not match")
    unit = [torch.nn.functional.normalize(w.double(), dim=-1) for w in (decoder, other)]
    similarity = np.asarray(unit[0] @ unit[1].T)
    rows, columns = linear_sum_assignment(similarity, maximize=True)
    return pd.DataFrame({"latent": rows, "other": columns, "cosine": similarity[rows, columns]})
