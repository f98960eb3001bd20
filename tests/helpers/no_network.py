"""Shuts the network off in every Python process started from here on; loopback stays open."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SITE = '''
import sys

INSIDE = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "", None)


def refuse(event, arguments):
    """Loopback stays open: it is how a kernel talks to its client."""
    if event == "socket.connect":
        address = arguments[1]
        where = address[0] if isinstance(address, tuple) else None
    elif event == "socket.getaddrinfo":
        where = arguments[0]
    else:
        return
    where = where.decode() if isinstance(where, bytes) else where
    if where not in INSIDE:
        raise OSError(f"the network is shut off: {event} to {where}")


sys.addaudithook(refuse)
'''
"""An audit hook sees what a patched `socket` module does not: it cannot be imported around."""


def shut_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the hook where every new Python process loads it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(SITE)
    before = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *([before] if before else [])]))
