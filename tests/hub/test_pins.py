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


def test_folded_names_and_patterns_are_pinned_too(hub, path):
    path.write_text("tier: paper\nhub_names: >-\n  gemma-2-2b\n  llama-scope-l*r-8x\nseed: 1\n")
    pin(path)
    held = yaml.safe_load(path.read_text())
    scope = present_commit(any_entry("llama-scope-l15r-8x"))
    first, second = held["hub_names"].split()
    assert first == f"gemma-2-2b@{present_commit(any_entry('gemma-2-2b'))}"
    assert (second, held["seed"]) == (f"llama-scope-l*r-8x@{scope}", 1)


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
