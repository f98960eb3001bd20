from __future__ import annotations

import subprocess

import pytest

from saebook.book.config import staged_config
from saebook.book.errors import BookError
from saebook.book.remote import Address, address_of, public_url

HUB = "https://github.com/owner/name"
CASES = {
    "https://github.com/owner/name": HUB,
    "https://github.com/owner/name.git": HUB,
    "https://github.com/owner/name.git/": HUB,
    "https://www.github.com/owner/name": HUB,
    "https://GitHub.com/owner/name": HUB,
    "https://someone:secret@github.com/owner/name.git": HUB,
    "https://github.com:443/owner/name": HUB,
    "git@github.com:owner/name.git": HUB,
    "ssh://git@github.com/owner/name.git": HUB,
    "ssh://git@github.com:22/owner/name": HUB,
    "ssh://git@ssh.github.com:443/owner/name.git": HUB,
    "https://gitlab.com/owner/name.git": "https://gitlab.com/owner/name",
    "http://github.com/owner/name": None,
    "git://github.com/owner/name": None,
    "https://github.com/owner": None,
    "https://github.com/owner/name/tree/main": None,
    "https://github.com/../name": None,
    "https://github.com/owner/na%20me": None,
    "https://github.com/owner/name?token=1": None,
    "https://github.com:8443/owner/name": None,
    "https://github.com:port/owner/name": None,
    "https://github.com.evil.net/owner/name": None,
    "https://localhost/owner/name.git": None,
    "https://127.0.0.1:3000/owner/name": None,
    "https://[::1]/owner/name": None,
    "https://[::1/owner/name": None,
    "http://10.0.0.5/owner/name.git": None,
    "https://git.internal/owner/name": None,
    "file:///home/someone/name": None,
    "/srv/git/name.git": None,
    "../name": None,
    "C:\\git\\name": None,
    "": None,
}


@pytest.mark.parametrize(("remote", "url"), CASES.items(), ids=list(CASES))
def test_a_remote_gives_the_public_address_or_none(remote, url):
    assert public_url(remote) == url


def git(root, *words):
    subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True)


def test_the_address_comes_from_origin_and_the_branch_from_the_checkout(tmp_path):
    git(tmp_path, "init", "-b", "trunk")
    assert address_of(tmp_path) is None
    git(tmp_path, "remote", "add", "origin", "git@github.com:owner/name.git")
    assert address_of(tmp_path) == Address(HUB, "trunk")


def test_a_folder_inside_another_repository_has_no_address_of_its_own(tmp_path):
    git(tmp_path, "init")
    git(tmp_path, "remote", "add", "origin", HUB)
    inner = tmp_path / "inner"
    inner.mkdir()
    assert address_of(inner) is None


OFF = {"execute": {"execute_notebooks": "off"}}


def test_without_a_public_remote_there_are_no_launch_buttons():
    config = staged_config(OFF, None)
    assert config["launch_buttons"] == {"thebe": False}
    assert config["repository"]["url"] == ""
    assert config["html"]["use_repository_button"] is False


def test_github_gets_colab_and_binder_and_gitlab_gets_binder_alone():
    hub = staged_config(OFF, Address(HUB, "main"))
    lab = staged_config(OFF, Address("https://gitlab.com/owner/name", "main"))
    assert hub["launch_buttons"]["colab_url"].startswith("https://colab.")
    assert "colab_url" not in lab["launch_buttons"]
    assert lab["launch_buttons"]["binderhub_url"].startswith("https://mybinder.")
    assert hub["repository"] == {"url": HUB, "branch": "main", "path_to_book": ""}


@pytest.mark.parametrize("execute", ["auto", "cache", "force", None])
def test_a_configuration_that_would_execute_notebooks_is_refused(execute):
    with pytest.raises(BookError, match="execute_notebooks"):
        staged_config({"execute": {"execute_notebooks": execute}}, None)


def test_an_address_written_by_hand_is_refused():
    with pytest.raises(BookError, match="repository"):
        staged_config({**OFF, "repository": {"url": HUB}}, None)
