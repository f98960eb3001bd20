"""The numbers that the paper and its sources print, as data.

Nothing here is computed; `saebook.papers.wang2025.audit` computes from it. Sources: Wang et al.
2510.03659v1; AxBench 2501.17148; the output-score paper 2505.20063.
"""

from __future__ import annotations

MODELS = ("Gemma-2-2B", "Qwen-2.5-3B", "Gemma-2-9B")
N_SAES = 90
SIZE_OF = {"architecture": 18, "sparsity": 15, "model": 30}
"""SAEs in each group of an axis."""

TAU = 0.2979
TAU_INTERVAL = (0.1590, 0.4191)
PSI = 0.2499
"""Table 1, overall rows."""

TABLE_1: dict[str, dict[str, tuple[float, float]]] = {
    "architecture": {
        "BatchTopK": (0.3203, 0.0712),
        "Gated": (-0.2026, 0.2577),
        "JumpReLU": (0.4248, 0.0160),
        "ReLU": (0.3595, 0.0392),
        "TopK": (0.3856, 0.0272),
    },
    "sparsity": {
        "50": (0.5429, 0.0034),
        "80": (0.3524, 0.0740),
        "160": (0.1810, 0.3821),
        "320": (0.1810, 0.3673),
        "520": (-0.2190, 0.2837),
        "820": (-0.0476, 0.8484),
    },
    "model": {
        "Gemma-2-2B": (0.2184, 0.0980),
        "Qwen-2.5-3B": (0.4575, 0.0008),
        "Gemma-2-9B": (0.3057, 0.0166),
    },
}
"""tau_b and permutation p of each group, interpretability against utility."""

PSI_BY_AXIS = {"architecture": 0.2575, "sparsity": 0.1651, "model": 0.3272}
PSI_SE = {"architecture": 0.1163, "sparsity": 0.1112, "model": 0.0698}
NULL_BANDS = {15: (-0.371, 0.371), 18: (-0.333, 0.346), 30: (-0.255, 0.246)}
"""What Table 1 prints as a subgroup's 95 % interval, by the group's size."""

GAIN_TAU = -0.0692
GAIN_PSI = -0.0568
"""Table 3 of the first version: interpretability against the percentage gain from selection."""
HIGH_TAU, HIGH_PSI = 0.0823, 0.0681
"""Camera-ready, as a reader reports it: interpretability against the selected score."""

TABLE_2 = {
    "no selection": dict(zip(MODELS, (0.133, 0.171, 0.142), strict=True)),
    "output score": dict(zip(MODELS, (0.233, 0.292, 0.255), strict=True)),
    "token confidence": dict(zip(MODELS, (0.328, 0.399, 0.289), strict=True)),
}
"""Mean steering score over the 30 SAEs of each model."""
CLAIMED_GAIN = 52.52
"""Abstract: improvement over the strongest baseline, percent."""
N_CONCEPTS = 100
"""Latents scored and steered an SAE."""

STEERING_SCORES = {
    "prompting": 0.894,
    "ReFT-r1": 0.543,
    "DiffMean": 0.239,
    "SAE": 0.165,
    "SAE-A": 0.157,
    "clamping": 0.088,
}
"""AxBench, Tables 2 and 6, averages over four sites."""
DETECTION_AUROC = {"DiffMean": 0.942, "SAE-A": 0.917, "SAE": 0.695}
"""AxBench, Table 1, averages."""
GEN_SUCCESS_GAIN = 0.4
"""Output-score paper: about so many tokens more at a threshold of 0.01."""
