"""A rehearsal hub for the tests: published once, served on loopback, taken for the real one."""

from __future__ import annotations

from collections.abc import Iterator

import datasets
import pytest
from huggingface_hub import constants

from saebook.hub import entries
from saebook.hub.rehearsal.hub import publish_all
from saebook.hub.rehearsal.saes import Plan
from saebook.hub.rehearsal.server import TOKEN, served
from saebook.hub.rehearsal.store import Store
from saebook.hub.rehearsing import VARIABLE
from saebook.papers.mayne2024 import tables

SUBJECTS = ("qwen2.5-0.5b-instruct", "mistral-7b", "llama-3.1-8b-instruct")
SAES = (
    "gemma-scope-2b-l14-16k",
    *(f"llama-scope-l{layer}r-{width}x" for width in (8, 32) for layer in (15, 31)),
    "llama-3-8b-it-l25",
)
DATA = tuple(name for name, entry in entries.data_sets().items() if entry.host == "hub")
PLAN = Plan(
    dict(tables.TABLE_1[tables.ZERO]),
    opposed=(tables.SILENCED_LATENT, tables.SPURIOUS_LATENT, tables.PAIR_COSINE),
)
"""The printed numbers, so that the way from file to row has a known answer."""


@pytest.fixture(scope="session")
def store(tmp_path_factory) -> Store:
    """Stand-ins in their repositories. Shared by all tests: publish further ones, change none."""
    held = Store(tmp_path_factory.mktemp("hub"))
    publish_all(held, SUBJECTS, SAES, DATA, {SAES[0]: PLAN})
    return held


@pytest.fixture(scope="session")
def address(store) -> Iterator[str]:
    """Where the store is served."""
    with served(store) as found:
        yield found


@pytest.fixture
def hub(store, address, tmp_path, monkeypatch) -> Store:
    """The hub library points at the store, with an empty cache and a token that has access.

    It read its variables when it was imported, so its constants are set as well; the chapter's
    rehearsal in a process of its own rests on the variables alone.
    """
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", address)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv(VARIABLE, "1")
    return store
