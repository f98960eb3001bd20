"""A project of one tiny chapter, laid out like the book."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.tiny_project import RESULT_CELL, SETUP_CELL, write_notebook

from saebook.run import Project, Request


@pytest.fixture
def tiny(tmp_path: Path) -> Project:
    """A project with one chapter, `tiny2020`, a library file and a lock."""
    write_notebook(tmp_path / "notebooks" / "01_tiny2020_demo.ipynb", [SETUP_CELL, RESULT_CELL])
    library = tmp_path / "lib" / "saebook"
    library.mkdir(parents=True)
    (library / "thing.py").write_text("VALUE = 1\n")
    (tmp_path / "requirements.lock").write_text("numpy==2.4.6\n")
    smoke = tmp_path / "notebooks" / "tiers" / "smoke"
    smoke.mkdir(parents=True)
    (smoke / "tiny2020.yaml").write_text("n: 2\n")
    return Project(tmp_path)


@pytest.fixture
def request_of(tiny: Project):
    """Makes requests for the tiny chapter."""

    def make(tier: str = "testbed", **overrides) -> Request:
        return Request(tiny, tiny.chapter("tiny2020"), tier, overrides)

    return make
