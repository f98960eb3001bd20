"""The numbers that the paper prints (arXiv 2506.07691v1), as data.

Nothing here is computed; `saebook.papers.li2025.audit` computes from it.
"""

from __future__ import annotations

from importlib import resources

import pandas as pd

ARMS = ("BT(P)", "BT(F)", "FAST")
"""The three ways of feeding text, in the order of the tables' columns."""
HEADLINE = ("Qwen2.5-7B", 18, 8)
"""Model, layer and expansion of the numbers in the abstract."""
ABSTRACT_BT_F = 1.5096
"""BT(F) of the headline as the abstract prints it; section 1 and the table have 1.5093."""
ANCHORS = (("Qwen2.5-0.5B", 12, 8), ("Llama-3.2-1B", 9, 8))
"""The cells of the two smallest models that a laptop could repeat."""
WIDTHS = {
    "Llama-3.1-8B": 4096,
    "Llama-3.2-3B": 3072,
    "Llama-3.2-1B": 2048,
    "Qwen2.5-7B": 3584,
    "Qwen2.5-3B": 2048,
    "Qwen2.5-1.5B": 1536,
    "Qwen2.5-0.5B": 896,
}
"""Table 1: width H of each model's residual stream."""
L0_PENALTY = 0.01
"""Appendix C: what one active latent costs a JumpReLU SAE in its loss."""
SCORED = 128
"""Latents scored a configuration and arm (section on interpretability)."""
CLEAR = {
    "Llama-3.2-3B": {"FAST": 21.1, "BT(F)": 10.2, "BT(P)": 7.0},
    "Qwen2.5-3B": {"FAST": 23.5, "BT(F)": 11.0, "BT(P)": 7.8},
}
"""Percent of latents scored 4 or 5. Llama as printed; Qwen is 100 less the printed cumulative
shares at 3 (76.5, 89.0, 92.2), its width not said. Two of twelve configurations are in the text."""


def tables_3_to_9() -> pd.DataFrame:
    """Return the 480 values of Tables 3 to 9, a row a cell, architecture and metric.

    Columns model, layer, expansion, architecture (Standard, JumpReLU), metric (MSE over all
    tokens, MSE_st over special tokens) and one an arm. Values are logarithms of base two.
    """
    path = resources.files("saebook.papers.li2025") / "tables_3_to_9.csv"
    with path.open(encoding="utf-8") as file:
        return pd.read_csv(file)
