"""The numbers that the paper prints (arXiv 2411.08790v1), as data.

Nothing here is computed; `saebook.papers.mayne2024.audit` computes from it.
"""

from __future__ import annotations

ZERO = "zero vector"
BEHAVIOURS = ("sycophancy", "coordinate-other-ais", "corrigible-neutral-HHH")
"""Those of Table 1."""
CORRIGIBLE = "corrigible-neutral-HHH"
"""The behaviour of Figures 1 to 5."""

TABLE_1: dict[str, tuple[tuple[int, float], ...]] = {
    ZERO: ((4888, 89.06), (15603, 35.94), (7589, 19.80), (15471, 11.84), (2350, 10.74)),
    "sycophancy": ((4888, 90.90), (15603, 36.69), (7589, 19.32), (15471, 12.38), (2350, 10.52)),
    "coordinate-other-ais": (
        (4888, 90.59), (15603, 34.35), (7589, 20.11), (9956, 12.24), (15471, 11.18),
    ),
    "corrigible-neutral-HHH": (
        (4888, 95.04), (15603, 36.34), (12695, 22.64), (7589, 18.89), (2350, 11.35),
    ),
}  # fmt: skip
"""Appendix C.1, Table 1: the five strongest (latent, activation) of each encoded vector."""

FIGURE_2 = ((4888, 95.04), (15603, 36.34), (12695, 22.64), (7589, 18.89), (2350, 11.35))
"""Inset of Figure 2: the corrigibility vector's five strongest latents, printed a second time."""

BIAS_LATENT = 4888
BIAS_PRINTED = 86.20
"""Encoder bias of latent 4888, Figure 3 caption."""

SILENCED_LATENT, SPURIOUS_LATENT = 14004, 3517
"""Figure 4, left and right."""
PAIR_COSINE = -0.82
"""Cosine of latents 14004 and 3517, Figure 4 caption; encoder or decoder is not said."""

DECIMALS = 2
"""Digits after the point in every table of the paper."""
