"""A made-up SAE and made-up activations with known answers: no model, no download.

A dictionary of unit directions generates the activations, and the SAE is that dictionary itself,
so that every sign is known. The mean of the activations lies along five "default" directions,
which the encoder bias has to make up for; ten directions hold more of the positive prompts
("up") and ten more of the negative ones ("down"). One down direction has a twin that no prompt
uses and that points nearly the other way, like latents 14004 and 3517 of the paper's Figure 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from saebook.papers.mayne2024.fingerprint import jumprelu
from saebook.papers.mayne2024.overlap import shared_top
from saebook.papers.mayne2024.tables import PAIR_COSINE
from saebook.papers.mayne2024.vectors import Contrast

D_IN, D_SAE = 256, 1024
DEFAULT_SIZES = (90.0, 36.0, 20.0, 12.0, 11.0)
"""Lengths of the mean along the default directions, near the paper's zero column."""
N_SIDE = 10
"""Directions that move up, and as many that move down."""
N_BACKGROUND = 15
"""Further directions in every activation, drawn anew."""
THRESHOLD = 4.0
BACKGROUND_SIZES, BEHAVIOUR_SIZES = (8.0, 18.0), (8.0, 14.0)
RARE = 0.1
"""How often a direction is present on the side where it is not characteristic."""


@dataclass(frozen=True, eq=False)
class MadeUpSAE:
    """A tied JumpReLU SAE whose decoder generated the data; b_dec stays out of its input."""

    W_dec: Tensor
    b_enc: Tensor
    b_dec: Tensor

    @property
    def W_enc(self) -> Tensor:
        """Transpose of the decoder, [d_in, d_sae]."""
        return self.W_dec.T

    @property
    def threshold(self) -> Tensor:
        """One threshold for all latents, [d_sae]."""
        return torch.full_like(self.b_enc, THRESHOLD)

    def encode(self, x: Tensor) -> Tensor:
        """JumpReLU(x W_enc + b_enc), [..., d_sae]."""
        return jumprelu(x @ self.W_enc + self.b_enc, self.threshold)

    def decode(self, acts: Tensor) -> Tensor:
        """Activations times W_dec, plus b_dec, [..., d_in]."""
        return acts @ self.W_dec + self.b_dec


@dataclass(frozen=True, eq=False)
class Construction:
    """The made-up SAE, its activations and the truth about every latent."""

    sae: MadeUpSAE
    text: Tensor
    """Activations of ordinary text [n, d_in]."""
    contrast: Contrast
    up: tuple[int, ...]
    """Latents truly more present on positives."""
    down: tuple[int, ...]
    """Latents truly more present on negatives; the first has the opposed twin."""
    twin: int
    """The latent that no activation uses."""

    @property
    def alpha(self) -> float:
        """Factor that brings the vector to the median activation norm."""
        return float(self.text.norm(dim=1).median() / self.contrast.vector.norm())


def build_construction(seed: int, n_pairs: int = 300, n_text: int = 3000) -> Construction:
    """Draw the dictionary, the activations and the pairs.

    Args:
        seed: Of every draw.
        n_pairs: Contrastive pairs.
        n_text: Activations of ordinary text.
    """
    rng = torch.Generator().manual_seed(seed)
    n_default = len(DEFAULT_SIZES)
    up = tuple(range(n_default, n_default + N_SIDE))
    down = tuple(range(up[-1] + 1, up[-1] + 1 + N_SIDE))
    twin = down[-1] + 1
    W_dec = _dictionary(rng, down[0], twin)
    mean = -torch.tensor(DEFAULT_SIZES) @ W_dec[:n_default]
    sae = MadeUpSAE(W_dec, b_enc=-W_dec @ mean, b_dec=mean)
    text = _background(rng, n_text, twin) @ W_dec + mean
    shared = _background(rng, n_pairs, twin) @ W_dec + mean
    sides = [
        shared
        + _present(rng, n_pairs, mine, 1 - RARE) @ W_dec
        + _present(rng, n_pairs, other, RARE) @ W_dec
        for mine, other in ((up, down), (down, up))
    ]
    return Construction(sae, text, Contrast("made up", *sides), up, down, twin)


def _dictionary(rng: torch.Generator, first: int, twin: int) -> Tensor:
    """Random unit rows [d_sae, d_in] with cos(row[twin], row[first]) = -0.82."""
    rows = torch.nn.functional.normalize(torch.randn(D_SAE, D_IN, generator=rng), dim=1)
    across = rows[twin] - (rows[twin] @ rows[first]) * rows[first]
    rows[twin] = PAIR_COSINE * rows[first] + (1 - PAIR_COSINE**2) ** 0.5 * across / across.norm()
    return rows


def _background(rng: torch.Generator, n: int, twin: int) -> Tensor:
    """Amplitudes [n, d_sae] of fifteen directions a row, none of the named ones."""
    chosen = torch.rand(n, D_SAE - twin - 1, generator=rng).topk(N_BACKGROUND).indices + twin + 1
    return torch.zeros(n, D_SAE).scatter_(1, chosen, _sizes(rng, chosen.shape, BACKGROUND_SIZES))


def _present(rng: torch.Generator, n: int, latents: tuple[int, ...], rate: float) -> Tensor:
    """Amplitudes [n, d_sae] of the given directions, each present at the given rate."""
    shape = (n, len(latents))
    held = (torch.rand(shape, generator=rng) < rate) * _sizes(rng, shape, BEHAVIOUR_SIZES)
    amplitudes = torch.zeros(n, D_SAE)
    amplitudes[:, list(latents)] = held
    return amplitudes


def _sizes(rng: torch.Generator, shape: tuple[int, ...], bounds: tuple[float, float]) -> Tensor:
    low, high = bounds
    return low + (high - low) * torch.rand(shape, generator=rng)


def readings(made: Construction) -> dict[str, Tensor]:
    """Four ways to describe the vector in latents, each [d_sae] and signed where the way is.

    encode: SAE(v); encode scaled: SAE(alpha v); centred: SAE(mean + v) - SAE(mean);
    difference of encodings: mean SAE(a+) - mean SAE(a-).
    """
    sae, contrast, v = made.sae, made.contrast, made.contrast.vector
    mean = made.text.mean(0)
    return {
        "encode": sae.encode(v),
        "encode scaled": sae.encode(made.alpha * v),
        "centred": sae.encode(mean + v) - sae.encode(mean),
        "difference of encodings": (
            sae.encode(contrast.positive) - sae.encode(contrast.negative)
        ).mean(0),
    }


def known_answers(made: Construction) -> pd.DataFrame:
    """How each reading does against the truth.

    Index reading; columns shared (top five shared with SAE(0)), ups and downs (latents with the
    right sign, of ten each), silenced (value of the down latent that has a twin) and twin (value
    of the latent that nothing uses).
    """
    zero = made.sae.encode(torch.zeros(D_IN))
    rows = {
        name: {
            "shared": int(shared_top(zero, acts)),
            "ups": int((acts[list(made.up)] > 0).sum()),
            "downs": int((acts[list(made.down)] < 0).sum()),
            "silenced": round(float(acts[made.down[0]]), 2),
            "twin": round(float(acts[made.twin]), 2),
        }
        for name, acts in readings(made).items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("reading")
