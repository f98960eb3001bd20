"""The public address of the repository, if it has one; never an invented one."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

HOSTS = {"github.com": "GitHub", "gitlab.com": "GitLab"}
"""Hosts from which Binder, and for GitHub also Colab, opens a notebook by its address."""

_SCP = re.compile(r"(?:[\w.-]+@)?(?P<host>[\w.-]+):(?P<path>[^/\s][^\s]*)")
_PART = re.compile(r"[A-Za-z0-9_.-]+")


class Address(NamedTuple):
    """A repository that anyone can open in a browser."""

    url: str
    """Such as `https://github.com/owner/name`, without credentials and without `.git`."""
    branch: str

    @property
    def is_github(self) -> bool:
        """Whether Colab can open it."""
        return self.url.startswith("https://github.com/")


def public_url(remote: str) -> str | None:
    """The https address behind a git remote, or None when it is not a public one.

    Secure shell remotes of the known hosts stand for the same repository over https. Plain http,
    local paths, loopback and unknown hosts give None, and credentials are dropped.

    Args:
        remote: As `git remote get-url origin` prints it.
    """
    host, path = _host_and_path(remote.strip())
    parts = path.removesuffix("/").removesuffix(".git").strip("/").split("/")
    whole = len(parts) == 2 and all(_PART.fullmatch(p) and p not in (".", "..") for p in parts)
    return f"https://{host}/{'/'.join(parts)}" if host in HOSTS and whole else None


def _host_and_path(remote: str) -> tuple[str, str]:
    if "://" not in remote:
        match = _SCP.fullmatch(remote)
        return (_canonical(match["host"]), match["path"]) if match else ("", "")
    try:
        split = urlsplit(remote)
        port = split.port
    except ValueError:  # a port that is no number, a bracket left open
        return "", ""
    known_port = port in (None, 443) or (split.scheme == "ssh" and port == 22)
    if split.scheme not in ("https", "ssh") or not known_port or split.query or split.fragment:
        return "", ""
    return _canonical(split.hostname or ""), split.path


def _canonical(host: str) -> str:
    """The host that serves https for a host that serves secure shell."""
    return host.lower().removeprefix("www.").replace("ssh.github.com", "github.com")


def address_of(root: Path) -> Address | None:
    """The address of the repository's remote `origin`, or None when it has no public one."""
    remote = _git(root, "config", "--get", "remote.origin.url")
    url = public_url(remote) if remote else None
    return Address(url, _branch(root)) if url else None


def _branch(root: Path) -> str:
    """The remote's default branch, else the one checked out, else `main`."""
    default = _git(root, "symbolic-ref", "--short", "refs/remotes/origin/HEAD")
    return default.removeprefix("origin/") or _git(root, "branch", "--show-current") or "main"


def _git(root: Path, *words: str) -> str:
    """What git answers about the repository at `root`; empty when it has no answer.

    A folder that only lies inside some other repository is not that repository.
    """
    if not (root / ".git").exists():
        return ""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
