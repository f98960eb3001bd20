"""What an entry of the catalogue has to say, and what it may not leave out in silence."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from saebook.hub.errors import HubError

COMMIT = re.compile(r"[0-9a-f]{40}")
Family = Literal["gemma2", "llama", "mistral", "qwen2"]
Dtype = Literal["float32", "bfloat16", "float16"]


class _Entry(BaseModel):
    """Base of all entries: closed, frozen, and honest about what was not read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """The name that parameters use."""
    repo: str = Field(pattern=r"[\w.-]+/[\w.-]+")
    """Repository on the hub."""
    revision: str | None
    """Commit of 40 hexadecimal digits, or none where it could not be read."""
    why: str = ""
    """Why there is no revision."""
    licence: str
    """Its name, as the repository gives it."""
    gated: bool
    """Whether the files need an account that has accepted the licence."""
    note: str = ""
    """What a user has to know besides."""
    unread: tuple[str, ...] = ()
    """Fields written down without their source at hand; the loaders do not rest on them."""

    @model_validator(mode="after")
    def _is_honest(self) -> Self:
        if self.revision is None and not self.why:
            raise ValueError(f"{self.name}: a missing revision needs a reason (why)")
        if self.revision is not None and COMMIT.fullmatch(self.revision) is None:
            raise ValueError(f"{self.name}: revision {self.revision!r} is no commit of 40 digits")
        strange = sorted(set(self.unread) - set(type(self).model_fields))
        if strange:
            raise ValueError(f"{self.name}: unread names no field: {', '.join(strange)}")
        return self

    @property
    def kind(self) -> Literal["model", "dataset"]:
        """What the hub calls this sort of repository."""
        return "model"

    @property
    def page(self) -> str:
        """Where the licence is read and, where gated, accepted."""
        prefix = "datasets/" if self.kind == "dataset" else ""
        return f"https://huggingface.co/{prefix}{self.repo}"

    def pinned(self, revision: str | None = None) -> str:
        """The commit to load: the one given, else the catalogue's.

        Raises:
            HubError: Neither is there, or the one given is a branch or a shortened commit.
        """
        chosen = revision or self.revision
        if chosen is None:
            raise HubError(
                f"no revision of {self.repo} is pinned ({self.why.rstrip('.')}). "
                f"`python -m saebook.hub commit {self.name}` says which commit the hub has now; "
                "give that as the revision, and keep it with your results"
            )
        if COMMIT.fullmatch(chosen) is None:
            raise HubError(
                f"{chosen!r} is no pinned revision of {self.repo}: branches and tags move. Give "
                f"the commit's 40 digits; `python -m saebook.hub commit {self.name}` prints them"
            )
        return chosen


class SubjectEntry(_Entry):
    """A published language model."""

    family: Family
    """The architecture, `model_type` in its config.json."""
    n_layers: int = Field(ge=1)
    d_model: int = Field(ge=1)
    n_heads: int = Field(ge=1)
    n_kv_heads: int = Field(ge=1)
    d_head: int = Field(ge=1)
    d_mlp: int = Field(ge=1)
    vocabulary: int = Field(ge=1)
    """Rows of the embedding."""
    context: int = Field(ge=1)
    """Longest sequence in tokens."""
    tied: bool
    """Whether the embedding is also the output matrix."""
    dtype: Dtype
    """Type of the published weights, which decides what a download takes."""
    chat: bool
    """Whether the tokenizer carries a chat template."""


class SAEEntry(_Entry):
    """A published sparse autoencoder."""

    subject: str
    """Name of the model it was trained on."""
    format: Literal["gemma_2", "llama_scope", "sae_lens"]
    """Layout of the files, by the name of the sae-lens loader that reads it."""
    release: str
    """sae-lens's name of the set."""
    sae_id: str
    """sae-lens's name inside the set."""
    folder: str
    """Where it lies in the repository."""
    layer: int = Field(ge=0)
    """Block whose output it reads."""
    d_in: int = Field(ge=1)
    d_sae: int = Field(ge=1)
    l0: float | None = Field(gt=0)
    """Mean number of active latents a token, as published; none where nothing is published."""

    @property
    def hook_name(self) -> str:
        """The hook point it reads."""
        return f"blocks.{self.layer}.hook_resid_post"

    @property
    def files(self) -> tuple[str, ...]:
        """Files that its loader reads."""
        names = {
            "gemma_2": ("params.npz",),
            "llama_scope": ("hyperparams.json", "checkpoints/final.safetensors"),
            "sae_lens": ("cfg.json", "sae_weights.safetensors"),
        }
        return tuple(f"{self.folder}/{name}" for name in names[self.format])


class DataEntry(_Entry):
    """A published data set."""

    host: Literal["hub", "git"] = "hub"
    """hub: read through the datasets library; git: a repository to clone, named as a folder."""
    reader: Literal["json", "parquet"]
    """Builder of the datasets library that reads the files."""
    splits: dict[str, str]
    """File or pattern of files of each split, inside the repository."""
    columns: tuple[str, ...]
    """Columns that the chapters read; a file without one of them is refused."""
    streamed: bool = False
    """Whether it is too large to be fetched whole."""
    bytes: int | None = Field(None, ge=1)
    """Size of a full download, where it is known."""
    checksums: dict[str, str] = {}
    """SHA-256 of files, where they are known."""
    stands_for: str = ""
    """What the paper used, where this is a substitute."""

    @property
    def kind(self) -> Literal["model", "dataset"]:
        """What the hub calls this sort of repository."""
        return "dataset"

    @property
    def page(self) -> str:
        """Where the licence is read."""
        return f"https://github.com/{self.repo}" if self.host == "git" else super().page
