"""The numbers that the paper prints (arXiv 2410.20526v1), as data."""

from __future__ import annotations

DELTA_LOSS = {"base": 0.162, "instruct": 0.090}
"""Section 4.5: Delta loss of L15R-32x, nats; each model on a text of its own."""
LAYER = 15
"""The layer of those numbers, and the one at which published SAEs answer L1, L2, L4 and L5."""
LONG_CONTEXT_LOSS, LONG_CONTEXT_RISE = 0.0086, 12.0
"""Section 4.5: normalised loss on the last 1,024 of 8,192 tokens, and its rise in percent."""
L0 = {"training": 50, "long context": 55}
"""Section 4.5."""
CONTEXTS = {"training": 1024, "long": 8192}
STORED_NORMS = {8: 6.3125, 15: 10.8125, 19: 17.125, 24: 29.125}
"""Average norm by layer that the released residual SAEs carry, BOS left out."""
