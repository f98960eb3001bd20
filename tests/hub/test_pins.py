"""Commits are written into a parameter file, and nothing else of it changes."""

from __future__ import annotations

import pytest
import yaml

from saebook.hub import HubError
from saebook.hub.entries import any_entry
from saebook.hub.fetch import present_commit
from saebook.hub.pins import pin

FILE = """# A comment that names mistral-7b.
tier: paper
hub_names: mistral-7b limo@abc
  pile
n_tokens: 6  # tokens
"""


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "gao2024.yaml"
    made.write_text(FILE)
    return made


def test_a_name_without_a_commit_gets_the_present_one_and_the_rest_stays(hub, path):
    added = pin(path)
    commits = {name: present_commit(any_entry(name)) for name in ("mistral-7b", "pile")}
    assert added == commits
    names = f"mistral-7b@{commits['mistral-7b']} limo@abc pile@{commits['pile']}"
    assert yaml.safe_load(path.read_text())["hub_names"] == names
    assert path.read_text() == FILE.replace("mistral-7b limo@abc\n  pile", names)


def test_a_pinned_file_is_left_as_it_is(hub, path):
    pin(path)
    before = path.read_text()
    assert pin(path) == {}
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tier: paper\n", "names nothing in hub_names"),
        ("hub_names: ''\n", "names nothing in hub_names"),
        ("hub_names: mistral-8b\n", "the catalogue has no 'mistral-8b'"),
    ],
)
def test_a_file_without_known_names_is_refused_and_kept(path, text, says):
    path.write_text(text)
    with pytest.raises(HubError, match=says):
        pin(path)
    assert path.read_text() == text


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(HubError, match="no parameter file"):
        pin(tmp_path / "none.yaml")
