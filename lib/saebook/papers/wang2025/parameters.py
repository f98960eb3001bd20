"""Parameters of the chapter on Wang et al. (2025)."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from saebook.parameters import ChapterParameters

ARCHITECTURES = ("standard", "gated", "topk", "batchtopk", "jumprelu")
"""Those of the zoo, which is not imported for its weight."""
PUBLISHED_PREFIX = "From my experience,"
"""Neutral prefix of section 4.1."""


class Parameters(ChapterParameters):
    """What the notebook's parameters cell declares; each field is one scalar there."""

    tier: Literal["smoke", "testbed", "full", "colab", "paper"] = "testbed"
    """How large a run this is; stored with the results."""
    from_records: bool = True
    """Draw the statistics from the committed tables of the full tier; measure live otherwise."""
    model_names: str = Field("gemma2-base llama-base qwen2-base", min_length=1)
    """House models whose grids are measured, separated by spaces; the first leads."""
    layer: int = Field(3, ge=0)
    """Block whose output is encoded and steered."""
    sae_seeds: str = Field("0", pattern=r"^\d+( \d+)*$")
    """Seeds of the SAE grids, separated by spaces."""
    more_sae_seeds: str = Field("1 2", pattern=r"^(\d+( \d+)*)?$")
    """Further seeds of the first model's grid, which decide nothing; may be empty."""
    n_corpus_tokens: int = Field(60_000, ge=4_000)
    """Tokens on which latents are explained and detected."""
    n_latents: int = Field(200, ge=5)
    """Latents scored and steered an SAE (the paper: 100)."""
    n_prompts: int = Field(10, ge=4)
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
    judge_endpoint: str = ""
    """OpenAI-compatible address of an LLM that grades some texts too; it decides nothing."""
    judge_model: str = ""
    """Its name at that address."""
    n_judged: int = Field(60, ge=3)
    """Texts it grades, three requests each."""
    n_resamples: int = Field(1_000, ge=100)
    """Bootstrap and permutation draws."""
    hub_names: str = ""
    """Published models, the text that SAEs train on, the text that they are scored on, and the
    instructions, in this order, `name` or `name@commit`; read at the tiers colab and paper."""
    hub_layers: str = Field("12 17 20", pattern=r"^\d+( \d+)*$")
    """Block of each published model (section 3.1)."""
    hub_architectures: str = Field("standard gated topk batchtopk jumprelu", min_length=1)
    """Architectures of the SAEs of published models (section 3.1)."""
    hub_sparsities: str = Field("50 80 160 320 520 820", min_length=1)
    """Target L0 of the SAEs of published models, rising (section 3.1)."""
    hub_d_sae: int = Field(16_384, ge=2)
    """Their latents (section 3.1)."""
    hub_train_tokens: int = Field(500_000_000, ge=64)
    """Tokens that each of them is trained on (App. A)."""
    hub_context: int = Field(2_048, ge=2)
    """Tokens a sequence in training (App. A)."""
    hub_corpus_tokens: int = Field(2_000_000, ge=1_000)
    """Tokens on which their latents are explained and detected (SAEBench)."""
    hub_latents: int = Field(100, ge=5)
    """Latents scored and steered an SAE (section 3.1)."""
    hub_prompts: int = Field(10, ge=4)
    """Instructions; the first half chooses the factor (section 2.3)."""
    hub_factors: str = Field("0.4 0.8 1.2 2 3 5", min_length=1)
    """Steering factors, rising: six, as in the paper, which does not state them."""
    hub_new_tokens: int = Field(128, ge=4)
    """Tokens generated a text (section 2.3)."""
    hub_unsteered: int = Field(200, ge=8)
    """Unsteered texts an instruction, on which the judges' cuts are set."""
    hub_control_latents: int = Field(20, ge=1)
    """Latents an SAE that are steered with permuted and with random rows too."""
    seed: int = Field(0, ge=0)
    """Texts, windows, latents, sampling noise, resamples."""

    @property
    def factor_list(self) -> tuple[float, ...]:
        """The steering factors as numbers."""
        return rising("factors", self.factors)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the house models."""
        return tuple(self.model_names.split())

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the SAE grids."""
        return tuple(int(part) for part in self.sae_seeds.split())

    @property
    def more_seeds(self) -> tuple[int, ...]:
        """Seeds of the first model's further grids, each once and none of `seeds`."""
        asked = dict.fromkeys(int(part) for part in self.more_sae_seeds.split())
        return tuple(seed for seed in asked if seed not in self.seeds)

    @property
    def n_dev(self) -> int:
        """Prompts on which a latent's factor is chosen."""
        return self.n_prompts // 2

    @property
    def published(self) -> Parameters:
        """The same run with the sizes of the published models in the place of the house's."""
        sizes = {
            "n_corpus_tokens": self.hub_corpus_tokens,
            "n_latents": self.hub_latents,
            "n_prompts": self.hub_prompts,
            "factors": self.hub_factors,
            "n_new_tokens": self.hub_new_tokens,
            "n_unsteered": self.hub_unsteered,
            "n_control_latents": self.hub_control_latents,
            "prefix": PUBLISHED_PREFIX,
        }
        return self.model_copy(update=sizes)

    @model_validator(mode="after")
    def _endpoint_and_model_belong_together(self) -> Self:
        if bool(self.judge_endpoint) != bool(self.judge_model):
            raise ValueError(
                f"judge_endpoint {self.judge_endpoint!r} and judge_model {self.judge_model!r} "
                "belong together; give both or neither"
            )
        return self

    @model_validator(mode="after")
    def _architectures_exist(self) -> Self:
        odd = set(self.hub_architectures.split()) - set(ARCHITECTURES)
        if odd:
            raise ValueError(
                f"hub_architectures holds {', '.join(sorted(odd))}; known: "
                f"{', '.join(ARCHITECTURES)}"
            )
        return self

    @model_validator(mode="after")
    def _numbers_rise(self) -> Self:
        for name in ("factors", "hub_factors", "hub_sparsities"):
            rising(name, getattr(self, name))
        for some, every in (
            ("n_control_latents", "n_latents"),
            ("hub_control_latents", "hub_latents"),
        ):
            if getattr(self, some) > getattr(self, every):
                raise ValueError(
                    f"{some} {getattr(self, some)} exceeds {every} {getattr(self, every)}"
                )
        return self


def rising(name: str, text: str) -> tuple[float, ...]:
    """Positive rising numbers from a parameter's text.

    Raises:
        ValueError: they are no numbers, or do not rise from above zero.
    """
    try:
        numbers = tuple(float(part) for part in text.split())
    except ValueError:
        raise ValueError(f"{name} {text!r} are not numbers with spaces between") from None
    if not numbers or numbers[0] <= 0 or list(numbers) != sorted(set(numbers)):
        raise ValueError(f"{name} {text!r} have to be positive and rising")
    return numbers
