"""Fixtures shared by the tests: one tiny random-weight subject per family."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from tiny import FAMILIES, tiny_subject

from saebook.subjects import Subject


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _not_in_ci() -> Iterator[None]:
    """What a test finds must not depend on where it runs; those about CI set the variable."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CI", raising=False)
        yield


@pytest.fixture(scope="session")
def tiny_subjects() -> dict[str, Subject]:
    """The three tiny subjects by family. Shared by all tests: do not change their weights."""
    return {family: tiny_subject(family) for family in FAMILIES}


@pytest.fixture(scope="session", params=FAMILIES)
def subject(request: pytest.FixtureRequest, tiny_subjects: dict[str, Subject]) -> Subject:
    """Each tiny subject in turn."""
    return tiny_subjects[request.param]
