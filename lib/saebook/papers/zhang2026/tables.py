"""The numbers that the paper prints (arXiv 2603.02908v1), and its Figure 3 read off, as data.

Nothing here is computed; `saebook.papers.zhang2026.audit` computes from it.
"""

from __future__ import annotations

MODELS = ("Llama3-8B", "Qwen2.5-7B", "Gemma2-9B")

DELTAS: dict[str, tuple[float, float, float]] = {
    "engineering": (-11.97, -9.80, -9.29),
    "physics": (-5.70, -5.24, -0.54),
    "chemistry": (-5.39, -6.36, -0.62),
    "law": (-3.72, -0.19, -1.73),
    "philosophy": (-2.61, -2.40, 0.00),
    "other": (-2.49, -1.30, -2.05),
    "health": (-1.10, -2.93, -1.47),
    "computer science": (-0.97, -4.88, -3.66),
    "economics": (-0.95, -2.61, -0.71),
    "math": (-0.89, -2.89, 1.41),
    "psychology": (-0.63, -0.37, -0.05),
    "biology": (-0.42, 1.53, -0.56),
    "history": (-0.26, 0.26, -0.79),
    "business": (-0.12, -4.43, -1.27),
}
"""Tables 2 to 4: accuracy after fine-tuning minus before, percentage points, by model."""

N_ITEMS: dict[str, int] = {
    "math": 1351, "physics": 1299, "chemistry": 1132, "law": 1101, "engineering": 969,
    "other": 924, "economics": 844, "health": 818, "psychology": 798, "business": 789,
    "biology": 717, "philosophy": 499, "computer science": 410, "history": 381,
}  # fmt: skip
"""Test items of each MMLU-Pro domain (12,032 in all), from the benchmark's own description."""

_EIGHT = {
    "Llama3-8B": (
        "engineering", "physics", "chemistry", "law",
        "psychology", "biology", "business", "history",
    ),
    "Qwen2.5-7B": (
        "engineering", "chemistry", "physics", "computer science",
        "other", "psychology", "law", "history",
    ),
    "Gemma2-9B": (
        "engineering", "computer science", "other", "law",
        "biology", "physics", "philosophy", "psychology",
    ),
}  # fmt: skip
_SCORES = {
    "Llama3-8B": {
        "act": (1.116, 1.079, 1.025, 0.969, 1.025, 0.956, 1.044, 0.890),
        "ICL": (0.898, 0.899, 0.888, 0.879, 0.875, 0.871, 0.872, 0.850),
    },
    "Qwen2.5-7B": {
        "act": (5.11, 5.20, 4.50, 4.28, 3.70, 3.30, 3.22, 4.09),
        "ICL": (9.43, 10.60, 9.13, 8.78, 7.68, 8.06, 5.50, 7.29),
    },
    "Gemma2-9B": {
        "act": (776.0, 723.0, 760.0, 730.0, 730.0, 756.0, 736.0, 737.0),
        "ICL": (246.3, 230.1, 230.7, 226.5, 222.9, 237.1, 226.8, 231.0),
    },
}
FIGURE_3: dict[tuple[str, str], dict[str, float]] = {
    (model, score): dict(zip(_EIGHT[model], values, strict=True))
    for model, scores in _SCORES.items()
    for score, values in scores.items()
}
"""Figure 3: score of each of the eight plotted domains, read off to within 1 % of the axis."""

PLOTTED_DELTA = {("Gemma2-9B", "psychology"): 0.5}
"""Where a plotted |change| differs from Table 4: psychology stands at about 0.5, printed -0.05."""

PRINTED_R = {
    ("Llama3-8B", "act"): 0.71, ("Qwen2.5-7B", "act"): 0.90, ("Gemma2-9B", "act"): 0.60,
    ("Llama3-8B", "ICL"): 0.81, ("Qwen2.5-7B", "ICL"): 0.78, ("Gemma2-9B", "ICL"): 0.77,
}  # fmt: skip
"""Tables 6 and 9."""
OVERLAPS = {"LIMO": 57, "code": 62, "health": 57}
"""Latents that the top 100 foreseen and the top 100 shifted have in common, section 3."""
OTHER_SOURCES = {"code": 0.77, "health": 0.71}
"""Table 1: r of STS_ICL on Qwen."""
SPARSITY_R = {13: 0.78, 22: 0.77, 37: 0.72, 63: 0.75, 109: 0.65}
"""Table 12: r by L0 of the Gemma SAE."""
BASELINE_R = {"raw activation": 0.03, "cosine to the training domain": 0.11, "SAE probe": 0.08}
"""Tables 5 and 13, baselines that need no fine-tuning."""
STS_R, POST_HOC_R = 0.79, 0.61
"""Table 5: the score, and the similarity of representations before and after fine-tuning."""
TARGET_ACCURACY = {"before": 74.7, "source alone": 81.3, "guided mixture": 80.1}
"""Table 10: Math-LightEval, percent."""
SELECTIVE = {1000: {"random": 74.2, "foreseen": 75.6}, 3000: {"random": 74.0, "foreseen": 76.9}}
"""Table 11: Math-LightEval after training on K latents, percent."""
MATH_SHARES = {50: 89, 100: 93, 200: 92}
"""Table 7: share of the top foreseen latents labelled math, percent."""
RECALLS = {"math": 63, "code": 7}
"""Table 8: recall of a hundred latents of each kind in the top 500, percent."""
