"""Parameters of the chapter on Mayne et al. (2024)."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from saebook.parameters import ChapterParameters


class Parameters(ChapterParameters):
    """What the notebook's parameters cell declares; each field is one scalar there."""

    tier: Literal["smoke", "testbed", "full", "colab", "paper"] = "testbed"
    """How large a run this is; stored with the results."""
    model_name: str = Field("gemma2-base", min_length=1)
    """House model of R9 to R13."""
    mean3_model: str = Field("gemma2-base-mean3", min_length=1)
    """House model with a residual mean of 3 token norms: R4, R5, R7, R8 and R14."""
    mean0_model: str = Field("gemma2-base-mean0", min_length=1)
    """House model without a residual mean: the negative control."""
    layer: int = Field(3, ge=0)
    """Block whose output is read, encoded and steered."""
    architecture: Literal["standard", "jumprelu", "topk", "batchtopk"] = "standard"
    """SAE architecture whose codes are x W_enc + b_enc where active; Gemma Scope's is jumprelu, and
    standard (ReLU) is the same with thresholds of zero."""
    sparsity: float = Field(13.0, gt=0, le=24)
    """Target L0, at most a quarter of the model's width."""
    d_sae: int = Field(768, ge=96)
    """Latents of the SAE."""
    n_tokens: int = Field(200_000, ge=2_000)
    """Tokens each SAE is trained on."""
    n_families: int = Field(5, ge=0, le=5)
    """Other house models on which R9 to R13 are measured beside the chapter's own."""
    n_pairs: int = Field(100, ge=8)
    """Contrastive pairs a behaviour."""
    n_text_tokens: int = Field(20_000, ge=500)
    """Ordinary tokens whose norms and activations are the reference."""
    n_prompts: int = Field(40, ge=4)
    """Held-out prompts a behaviour and measure."""
    measure: Literal["letter", "free"] = "free"
    """Which steerability decides R12 and R13; for R13 both are reported."""
    coeff_max: float = Field(2.0, gt=0)
    """Largest steering coefficient, in multiples of the vector."""
    n_coeffs: int = Field(5, ge=3)
    """Coefficients from -coeff_max to coeff_max, evenly spaced; -1, 0 and 1 among them."""
    n_kept: int = Field(16, ge=2, le=64)
    """Latents that every description of a vector keeps when the remedies are compared."""
    n_truth_texts: int = Field(280, ge=14)
    """Annotated behaviour documents from which the true signs of latents are read."""
    n_draws: int = Field(20, ge=2)
    """Control vectors a behaviour and kind."""
    n_resamples: int = Field(1_000, ge=50)
    """Bootstrap resamples."""
    n_check_texts: int = Field(60, ge=4)
    """Annotated texts a register on which each SAE is checked."""
    train_missing: bool = False
    """Whether SAEs of the generality grid that are neither shipped nor cached are trained."""
    caa_folder: str = ""
    """Folder of published CAA files to read, or empty for none."""
    hub_names: str = ""
    """What answers the paper block, spaces between, each as `name`, or `name@commit` where the
    catalogue pins none. The first SAE is the paper's (R1 to R3, weights alone); with its model and
    a text its L0 is checked; with `caa_folder` beside, R4 to R14 are measured on it, and R15 on
    every SAE and every model named."""
    hub_pairs: int = Field(1_000, ge=8)
    """Published pairs a behaviour that make a vector, at most."""
    hub_text_tokens: int = Field(200_000, ge=500)
    """Tokens of the published text whose norms and activations are the reference."""
    hub_prompts: int = Field(50, ge=4)
    """Published held-out pairs a behaviour that steering is measured on, at most."""
    hub_resamples: int = Field(1_000, ge=50)
    """Bootstrap resamples on the published model."""
    seed: int = Field(0, ge=0)
    """Pairs, prompts, control vectors, resamples."""

    @model_validator(mode="after")
    def _coefficients_hold_minus_one_zero_and_one(self) -> Self:
        grid = even_grid(self.coeff_max, self.n_coeffs)
        if not {-1.0, 0.0, 1.0} <= set(grid):
            raise ValueError(
                f"coeff_max {self.coeff_max} with n_coeffs {self.n_coeffs} gives {grid}; "
                "-1, 0 and 1 have to be among the coefficients"
            )
        return self


def even_grid(largest: float, n: int) -> tuple[float, ...]:
    """Return n evenly spaced numbers from -largest to largest."""
    step = 2 * largest / (n - 1)
    return tuple(round(step * i - largest, 6) + 0.0 for i in range(n))
