"""Parameters of the chapter on Zhang et al. (2026)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from saebook.parameters import ChapterParameters


class Parameters(ChapterParameters):
    """What the notebook's parameters cell declares; each field is one scalar there."""

    tier: Literal["smoke", "testbed", "full", "colab", "paper"] = "testbed"
    """How large a run this is; stored with the results."""
    model_name: str = Field("gemma2-base", min_length=1)
    """House model of the live part."""
    source: Literal[
        "math",
        "computer science",
        "health",
        "business",
        "economics",
        "biology",
        "psychology",
        "physics",
    ] = "math"
    """Source domain of the live fine-tuning."""
    layer: int = Field(3, ge=0)
    """Block whose output is read."""
    architecture: Literal["standard", "jumprelu", "topk"] = "standard"
    """SAE architecture of the live part; the paper's is ReLU with an L1 penalty."""
    sparsity: float = Field(13.0, gt=0, le=24)
    """Target L0, at most a quarter of the model's width."""
    n_items: int = Field(64, ge=8)
    """Fine-tuning items; the paper has 817."""
    batch_size: int = Field(16, ge=1)
    """Items a step; the paper has 256, so that both make 40 steps."""
    epochs: int = Field(10, ge=1)
    """Passes over the items."""
    lr: float = Field(1e-3, gt=0)
    """Peak learning rate."""
    n_seeds: int = Field(5, ge=1)
    """Fine-tunings of each main source in the skill and format worlds, at the full tier."""
    n_side_seeds: int = Field(5, ge=1)
    """Fine-tunings of everything else about the main source but latents, at the full tier."""
    n_source_seeds: int = Field(5, ge=1)
    """Fine-tunings of every other source, at the full tier."""
    n_latent_seeds: int = Field(5, ge=1)
    """Fine-tunings of latents alone and of adapters as large, at the full tier."""
    n_exam: int = Field(400, ge=8)
    """Test items a domain."""
    n_shift_queries: int = Field(32, ge=4)
    """Queries behind the foreseen latents."""
    n_score_queries: int = Field(16, ge=4)
    """Queries a domain behind the scores."""
    n_demos: int = Field(2, ge=1, le=5)
    """Source demonstrations shown with a query to find the latents."""
    n_domain_demos: int = Field(5, ge=1, le=6)
    """Demonstrations of its own that STS_ICL shows a domain's query."""
    share_of_change: float = Field(0.25, gt=0, lt=1)
    """The smallest set of latents with this share of the foreseen change is scored."""
    n_resamples: int = Field(2_000, ge=50)
    """Bootstrap resamples and permutations."""
    n_check_texts: int = Field(60, ge=4)
    """Annotated texts a register on which the SAE is checked."""
    hub_names: str = ""
    """Published models, their SAEs and data, for the paper's own experiment."""
    hub_dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Number type of the published models; the paper trains in float32."""
    hub_items: int = Field(817, ge=3)
    """Problems to fine-tune on."""
    hub_batch: int = Field(256, ge=1)
    """Problems an optimiser step."""
    hub_epochs: int = Field(10, ge=1)
    """Passes over the problems."""
    hub_lr: float = Field(1e-5, gt=0)
    """Peak learning rate; the paper does not print its own."""
    hub_seeds: int = Field(5, ge=2)
    """Fine-tunings of each model."""
    hub_checkpointing: bool = True
    """Whether activations are computed again in the backward pass, as in the paper."""
    hub_context: int = Field(8_192, ge=16)
    """Longest sequence that is read or learnt, tokens."""
    hub_latents: int = Field(100, ge=1)
    """Latents that are scored."""
    hub_shift_tokens: int = Field(20_000, ge=1)
    """Tokens behind the foreseen and the true shift."""
    hub_score_tokens: int = Field(10_000, ge=1)
    """Tokens a domain behind the scores."""
    hub_exam_items: int = Field(0, ge=0)
    """Test items a domain, 0 for all."""
    hub_new_tokens: int = Field(2_048, ge=1)
    """Longest answer in the exam, tokens."""
    seed: int = Field(0, ge=0)
    """Items, order, resamples."""
