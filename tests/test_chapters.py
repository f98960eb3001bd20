"""Every chapter runs from its first cell to its scorecard at the smoke tier, without a network."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from helpers.elsewhere import Elsewhere
from helpers.no_network import shut_off

from saebook.paths import CACHE_VARIABLE
from saebook.run import Chapter, Project, Request, run_chapter

ROOT = Path(__file__).parent.parent
CHAPTERS = Project(ROOT).chapters()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("chapter", CHAPTERS, ids=[chapter.slug for chapter in CHAPTERS])
def test_a_chapter_runs_to_its_end_at_the_smoke_tier_without_a_network(
    chapter: Chapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shut_off(tmp_path / "shut", monkeypatch)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    project = Elsewhere(ROOT, place=ROOT / "build" / f"test-{os.getpid()}-{chapter.slug}")
    request = Request(project, chapter, "smoke")
    try:
        run_chapter(request)
        notebook = json.loads(request.copy.read_text(encoding="utf-8"))
        results = request.results / f"{chapter.slug}.json"
        assert json.loads(results.read_text(encoding="utf-8"))["tier"] == "smoke"
    finally:
        shutil.rmtree(project.build, ignore_errors=True)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in code if "".join(cell["source"]).strip())
    assert str(ROOT) not in json.dumps(notebook)
