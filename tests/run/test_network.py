"""A chapter runs with every way out shut, and the test can tell when one is open."""

from __future__ import annotations

import pytest
from helpers.no_network import shut_off
from helpers.tiny_project import RESULT_CELL, SETUP_CELL, find_tiny, write_notebook

from saebook.run import ChapterFailed, run_chapter

CONNECT = "import socket\nsocket.create_connection(('192.0.2.1', 80), timeout=1)"
NAME = "import socket\nsocket.getaddrinfo('example.org', 80)"


def test_a_chapter_that_needs_no_network_runs_without_one(request_of, tmp_path, monkeypatch):
    shut_off(tmp_path / "shut", monkeypatch)
    assert run_chapter(request_of("smoke"), find=find_tiny).reason == "not run yet"


@pytest.mark.parametrize("cell", [CONNECT, NAME])
def test_a_chapter_that_reaches_out_fails(tiny, request_of, tmp_path, monkeypatch, cell):
    shut_off(tmp_path / "shut", monkeypatch)
    write_notebook(
        tiny.root / "notebooks" / "01_tiny2020_demo.ipynb", [SETUP_CELL, cell, RESULT_CELL]
    )
    with pytest.raises(ChapterFailed, match="the network is shut off"):
        run_chapter(request_of("smoke"), find=find_tiny)
