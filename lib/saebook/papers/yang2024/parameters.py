"""Parameters of the chapter on Yang et al. (2024)."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from saebook.papers.yang2024.arms import EXAM_SIZE, Plan, Runs
from saebook.papers.yang2024.training import Settings
from saebook.parameters import ChapterParameters, named_commits


class Parameters(ChapterParameters):
    """What the notebook's parameters cell declares; each field is one scalar there."""

    tier: Literal["smoke", "testbed", "full", "colab", "paper"] = "testbed"
    """How large a run this is; the testbed tier reads the committed records."""
    models: str = Field("gemma2-base-d32,gemma2-base-d48,gemma2-base-d64,gemma2-base", min_length=1)
    """House models of the grid, smallest first, separated by commas."""
    side_model: str = Field("gemma2-base-d64", min_length=1)
    """House model of the side questions and of the amplified worlds."""
    chance_model: str = "untrained-gemma2-base-d32"
    """Model that is meant to be at chance (K14): the shape of a house model, never trained. None
    if empty."""
    n_seeds: int = Field(4, ge=2)
    """Runs of a cell: one a fold. The paper has five."""
    n_side: int = Field(12, ge=2)
    """Runs of a cell of K7, K10 and K12."""
    n_chance: int = Field(4, ge=2)
    """Runs of a cell of K14."""
    n_amplified: int = Field(10, ge=2)
    """Runs of a cell of the amplified worlds."""
    n_draws: int = Field(6, ge=6)
    """Shuffles of each seed in random order, of which nulls are made."""
    n_items: int = Field(EXAM_SIZE, ge=24)
    """Questions of the exam."""
    n_large: int = Field(3 * EXAM_SIZE, ge=24)
    """Questions of the larger exam (K9)."""
    n_test: int = Field(150, ge=4)
    """Questions of MedMCQA and of MedQA that are asked."""
    lr: float = Field(3e-3, gt=0)
    """First learning rate of AdamW."""
    reading: Literal["paper", "repository", "repository bins"] = "repository"
    """What interleaving and easy to hard are taken to mean."""
    n_resamples: int = Field(2_000, ge=50)
    """Draws of every null and interval."""
    exam_folder: str = ""
    """Folder with the paper's exam as `*.jsonl`, see `published_exams.from_folder`; if empty, an
    exam is drawn from MedMCQA's training questions."""
    hub_names: str = ""
    """What answers the paper block, spaces between, each as `name`, or `name@commit` where the
    catalogue pins none: models to train, models that label, and the sets medmcqa and medqa."""
    hub_labellers: str = ""
    """Names among those that only label difficulty, spaces between."""
    hub_side_model: str = ""
    """Model of K10, K12 and K13, or empty to leave them out."""
    hub_large_model: str = ""
    """Model of K9, or empty to leave it out."""
    hub_items: int = Field(EXAM_SIZE, ge=8)
    """Questions of the published exam."""
    hub_large_items: int = Field(10_178, ge=8)
    """Questions of the larger one, MedQA's training questions."""
    hub_test: int = Field(4_183, ge=1)
    """Questions of MedMCQA and of MedQA that are asked, at most."""
    hub_tokens: int = Field(512, ge=16)
    """Tokens of a published question with its answer; the beginning of a longer one is cut."""
    hub_runs: int = Field(5, ge=2)
    """Runs of a cell on a published model."""
    hub_resamples: int = Field(2_000, ge=50)
    """Draws of nulls and intervals on published models."""
    seed: int = Field(0, ge=0)
    """First run's seed, and seed of the draws."""

    @property
    def model_names(self) -> tuple[str, ...]:
        """The models of the grid."""
        return tuple(name.strip() for name in self.models.split(","))

    @property
    def plan(self) -> Plan:
        """The arms that these parameters ask for."""
        return Plan(
            self.model_names,
            self.side_model,
            self.chance_model,
            self.n_draws,
            n_items=self.n_items,
            n_large=self.n_large,
            runs=Runs(self.n_seeds, self.n_side, self.n_chance, self.n_amplified, self.seed),
        )

    @property
    def settings(self) -> Settings:
        """What all runs share."""
        return Settings(self.n_test, self.lr, self.reading)

    @model_validator(mode="after")
    def _side_model_is_in_the_grid(self) -> Self:
        names = self.model_names
        if len(set(names)) < len(names) or len(names) < 2:
            raise ValueError(f"models {self.models!r} has to name at least two different ones")
        if self.side_model not in names:
            raise ValueError(f"side_model {self.side_model!r} is not one of {', '.join(names)}")
        if self.chance_model in names:
            raise ValueError(f"chance_model {self.chance_model!r} is one of the grid's models")
        fewest = min(self.n_side, self.n_chance)
        if fewest < self.n_seeds:
            raise ValueError(f"n_side and n_chance are at least n_seeds {self.n_seeds}: {fewest}")
        if self.n_large < self.n_items:
            raise ValueError(f"n_large {self.n_large} is below n_items {self.n_items}")
        return self

    @model_validator(mode="after")
    def _published_models_have_their_parts(self) -> Self:
        names = [name for name, _ in named_commits(self.hub_names)]
        if not names:
            return self
        needed, labellers = {"medmcqa", "medqa"}, set(self.hub_labellers.split())
        trained = set(names) - needed - labellers
        if not (needed <= set(names) and labellers and labellers <= set(names) and trained):
            raise ValueError(
                f"hub_names {self.hub_names!r} has to hold medmcqa, medqa, the models of "
                f"hub_labellers {self.hub_labellers!r} (at least one), and a model to train"
            )
        for name in ("hub_side_model", "hub_large_model"):
            if (held := getattr(self, name)) and held not in trained:
                raise ValueError(f"{name} {held!r} is not one of the models that are trained")
        return self
