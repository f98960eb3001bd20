"""The places of a project: which notebooks there are, and where a run of one puts its files."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from saebook.paths import checkout_root
from saebook.run.errors import RunError

TIERS = ("smoke", "testbed", "full", "colab", "paper")
SOURCE_TIER = "testbed"
"""The tier whose values are the notebooks' own defaults; it needs no parameter file."""
HUB_TIERS = ("colab", "paper")
"""Tiers that may reach the Hugging Face hub; the others run without a network."""

_NOTEBOOK = re.compile(r"\d\d_([a-z][a-z0-9]*)(_[a-z0-9_]+)?\.ipynb")


@dataclass(frozen=True)
class Chapter:
    """One notebook source and its slug."""

    slug: str
    notebook: Path


@dataclass(frozen=True)
class Project:
    """A checkout, or any folder laid out like one."""

    root: Path

    @classmethod
    def find(cls, root: Path | None = None) -> Project:
        """The project at `root`, else the checkout the package runs from, else the current folder.

        Raises:
            RunError: None of them has a folder `notebooks`.
        """
        place = (root or checkout_root() or Path.cwd()).resolve()
        if not (place / "notebooks").is_dir():
            raise RunError(
                f"{place} has no folder 'notebooks'; give the project's folder with --root"
            )
        return cls(place)

    @property
    def build(self) -> Path:
        """Everything that is made."""
        return self.root / "build"

    def chapters(self) -> list[Chapter]:
        """All chapters in the order of their numbers.

        Raises:
            RunError: A notebook is not named `NN_<slug>_<topic>.ipynb`, or a slug stands twice.
        """
        found: dict[str, Chapter] = {}
        for path in sorted((self.root / "notebooks").glob("*.ipynb")):
            match = _NOTEBOOK.fullmatch(path.name)
            if match is None:
                raise RunError(
                    f"{path.name}: a notebook is named NN_<slug>_<topic>.ipynb, in lower case"
                )
            slug = match.group(1)
            if slug in found:
                raise RunError(
                    f"{path.name} and {found[slug].notebook.name} share the slug {slug!r}"
                )
            found[slug] = Chapter(slug, path)
        return list(found.values())

    def chapter(self, name: str) -> Chapter:
        """The chapter with this slug, file name or path.

        Raises:
            RunError: There is none; the message lists those there are.
        """
        chapters = self.chapters()
        for chapter in chapters:
            if Path(name).stem in (chapter.slug, chapter.notebook.stem):
                return chapter
        raise RunError(
            f"no chapter {name!r}; there are: {', '.join(c.slug for c in chapters) or 'none'}"
        )

    def tier_file(self, tier: str, slug: str) -> Path:
        """The parameter file of a tier and chapter, whether or not it exists."""
        return self.root / "notebooks" / "tiers" / tier / f"{slug}.yaml"


@dataclass(frozen=True)
class Request:
    """One run asked for: a chapter at a tier, with values that override the tier's."""

    project: Project
    chapter: Chapter
    tier: str = SOURCE_TIER
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a tier that is not one of the five."""
        if self.tier not in TIERS:
            raise RunError(f"no tier {self.tier!r}; there are: {', '.join(TIERS)}")

    @property
    def slug(self) -> str:
        """The chapter's slug."""
        return self.chapter.slug

    @property
    def label(self) -> str:
        """Folder name of this run's files: the tier, and a digest when values are overridden."""
        if not self.overrides:
            return self.tier
        text = json.dumps(dict(self.overrides), sort_keys=True)
        return f"{self.tier}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    @property
    def is_of_the_book(self) -> bool:
        """Whether the executed copy is a page of the book: the testbed tier, nothing overridden."""
        return self.label == SOURCE_TIER

    @property
    def copy(self) -> Path:
        """Where the executed copy goes."""
        build = self.project.build
        folder = (
            build / "book" / "notebooks" if self.is_of_the_book else build / "runs" / self.label
        )
        return folder / self.chapter.notebook.name

    @property
    def results(self) -> Path:
        """Folder of the results; a file there starts with the slug."""
        return self.project.build / "results" / self.label

    @property
    def seal(self) -> Path:
        """The file that says which inputs made the outputs, and their checksums."""
        return self.results / f"{self.slug}.key.json"

    @property
    def failed_copy(self) -> Path:
        """Where the copy of a failed run goes, for reading; never into the book."""
        return self.project.build / "failed" / self.label / self.chapter.notebook.name

    @property
    def scratch(self) -> Path:
        """A folder of this run alone, under the chapter's lock."""
        return self.project.build / ".work" / f"{self.label}-{self.slug}"

    @property
    def lock(self) -> Path:
        """The lock that keeps a second run of the same request waiting."""
        return self.project.build / ".locks" / f"{self.label}-{self.slug}.lock"

    @property
    def timings(self) -> Path:
        """Seconds a cell took last time, for the estimate of the time left."""
        return self.project.build / ".timings" / self.label / f"{self.slug}.json"


def in_ci() -> bool:
    """Whether this runs in continuous integration (the variable CI is set and not false)."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")
