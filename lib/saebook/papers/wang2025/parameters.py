"""Parameters of the chapter on Wang et al. (2025)."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from saebook.parameters import ChapterParameters


class Parameters(ChapterParameters):
    """What the notebook's parameters cell declares; each field is one scalar there."""

    tier: Literal["smoke", "testbed", "full"] = "testbed"
    """How large a run this is; stored with the results."""
    from_records: bool = True
    """Draw the statistics from the committed tables of the full tier; measure live otherwise."""
    model_names: str = Field("gemma2-base", min_length=1)
    """House models whose grids are measured, separated by spaces; the first leads."""
    layer: int = Field(3, ge=0)
    """Block whose output is encoded and steered."""
    sae_seeds: str = Field("0", pattern=r"^\d+( \d+)*$")
    """Seeds of the SAE grids, separated by spaces."""
    n_corpus_tokens: int = Field(20_000, ge=4_000)
    """Tokens on which latents are explained and detected."""
    n_latents: int = Field(128, ge=5)
    """Latents scored and steered an SAE (the paper: 100)."""
    n_prompts: int = Field(8, ge=4)
    """Openings steered; the first half chooses the factor, the second is scored (the paper: 10)."""
    factors: str = Field("0.4 0.8 1.2 2", min_length=1)
    """Steering factors in multiples of the latent's largest activation, rising."""
    n_new_tokens: int = Field(20, ge=4)
    """Tokens generated a text (the paper: up to 128)."""
    n_unsteered: int = Field(200, ge=8)
    """Unsteered continuations of each prompt, on which the judges' cuts are set."""
    n_control_latents: int = Field(16, ge=5)
    """Latents an SAE that are steered with permuted and with random decoder rows."""
    n_concepts: int = Field(40, ge=4)
    """Concepts of the shared list on which methods of steering are compared."""
    prefix: str = Field("leo finds the", min_length=1)
    """Neutral prefix of the next-token scores, of the world's own language."""
    alpha: float = Field(10.0, gt=0)
    """Amplification of Delta Token Confidence (the paper: 10)."""
    k: int = Field(1, ge=1)
    """Tokens counted by Delta Token Confidence (the paper: 1)."""
    n_live_latents: int = Field(32, ge=5)
    """Latents of one SAE that are steered anew, and of the one that is trained on the page."""
    n_live_tokens: int = Field(50_000, ge=1_000)
    """Tokens on which one SAE of the grid is trained on the page (the tables' own: 200,000)."""
    n_resamples: int = Field(1_000, ge=100)
    """Bootstrap and permutation draws."""
    seed: int = Field(0, ge=0)
    """Texts, windows, latents, sampling noise, resamples."""

    @property
    def factor_list(self) -> tuple[float, ...]:
        """The steering factors as numbers."""
        return tuple(float(part) for part in self.factors.split())

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the house models."""
        return tuple(self.model_names.split())

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the SAE grids."""
        return tuple(int(part) for part in self.sae_seeds.split())

    @property
    def n_dev(self) -> int:
        """Prompts on which a latent's factor is chosen."""
        return self.n_prompts // 2

    @model_validator(mode="after")
    def _factors_rise(self) -> Self:
        try:
            factors = self.factor_list
        except ValueError:
            raise ValueError(
                f"factors {self.factors!r} are not numbers with spaces between"
            ) from None
        if not factors or factors[0] <= 0 or list(factors) != sorted(set(factors)):
            raise ValueError(f"factors {self.factors!r} have to be positive and rising")
        if self.n_control_latents > self.n_latents:
            raise ValueError(
                f"n_control_latents {self.n_control_latents} exceeds n_latents {self.n_latents}"
            )
        return self
