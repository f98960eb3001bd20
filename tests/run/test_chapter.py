"""A chapter runs once, stays fresh, re-runs for a reason, and never leaves half an output."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import pytest
from helpers.tiny_project import RESULT_CELL, SETUP_CELL, find_tiny, write_notebook

from saebook.run import ChapterFailed, Project, RunError, run_chapter
from saebook.run.freshness import library_digest, why_rerun

TESTS = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def no_remembered_digest():
    library_digest.cache_clear()


def run(request, **more):
    library_digest.cache_clear()
    return run_chapter(request, find=find_tiny, **more)


def outputs(project: Project) -> dict[str, bytes]:
    """What a reader sees: executed copies and results, without the machine's own bookkeeping."""
    found = [
        *(project.build / "book").rglob("*.ipynb"),
        *(project.build / "results").rglob("*.json"),
    ]
    return {path.relative_to(project.root).as_posix(): path.read_bytes() for path in found}


def test_a_chapter_runs_is_fresh_afterwards_and_gives_the_same_bytes_again(tiny, request_of):
    first = run(request_of())
    made = outputs(tiny)
    assert first.reason == "not run yet"
    assert set(made) == {
        "build/book/notebooks/01_tiny2020_demo.ipynb",
        "build/results/testbed/tiny2020.json",
        "build/results/testbed/tiny2020.key.json",
    }
    assert run(request_of()).reason is None
    assert run(request_of(), force=True).reason == "asked to"
    assert outputs(tiny) == made
    assert not (tiny.build / ".work" / "testbed-tiny2020").exists()
    committed = tiny.root / "book" / "results" / "testbed"
    assert [path.name for path in committed.iterdir()] == ["tiny2020.json"]


def test_the_copy_keeps_tags_and_carries_no_timing_and_no_path(tiny, request_of):
    path = tiny.root / "notebooks" / "01_tiny2020_demo.ipynb"
    write_notebook(path, [SETUP_CELL, "print(Path.cwd()); Path.cwd()", RESULT_CELL])
    run(request_of(n=4))
    copy = next((tiny.build / "runs").rglob("*.ipynb"))
    text = copy.read_text()
    notebook = nbformat.reads(text, as_version=4)
    assert str(tiny.root) not in text
    assert "papermill" not in notebook.metadata
    assert all(
        "execution" not in c.metadata and "papermill" not in c.metadata for c in notebook.cells
    )
    assert notebook.cells[0].metadata.tags == ["parameters"]
    injected = notebook.cells[1]
    assert injected.metadata.tags == ["injected-parameters", "hide-input"]
    assert "n = 4" in injected.source


def test_an_overridden_run_goes_neither_into_the_book_nor_over_the_committed_results(
    tiny, request_of
):
    run(request_of())
    before = outputs(tiny) | {"c": (tiny.root / "book/results/testbed/tiny2020.json").read_bytes()}
    run(request_of(n=5))
    after = outputs(tiny) | {"c": (tiny.root / "book/results/testbed/tiny2020.json").read_bytes()}
    assert {name: after[name] for name in before} == before
    extra = [name for name in after if name not in before]
    assert all("testbed-" in name for name in extra) and len(extra) == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("notebooks/tiers/smoke/tiny2020.yaml", "tier file"),
        ("lib/saebook/thing.py", "library source"),
        ("lib/saebook/weights.bin", "library source"),
        ("lib/saebook/papers/tiny2020/audit.py", "library source"),
        ("requirements.lock", "requirements.lock"),
        ("book/claims/tiny2020.yaml", "claims"),
        ("book/results/full/tiny2020.parquet", "records"),
        ("notebooks/01_tiny2020_demo.ipynb", "notebook"),
    ],
)
def test_a_changed_input_is_named_as_the_reason(tiny, request_of, change, reason):
    request = sealed_by_hand(request_of("smoke"))
    path = tiny.root / change
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((path.read_bytes() if path.exists() else b"") + b" ")
    library_digest.cache_clear()
    assert why_rerun(request) == f"changed: {reason}"


@pytest.mark.parametrize(
    "change",
    ["lib/saebook/papers/other2021/audit.py", "lib/saebook/book/pages.py",
     "lib/saebook/__pycache__/x.pyc", "book/results/full/other2021.json", "book/index.md"],
)  # fmt: skip
def test_what_a_chapter_cannot_see_does_not_rerun_it(tiny, request_of, change):
    request = sealed_by_hand(request_of("smoke"))
    path = tiny.root / change
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("new")
    library_digest.cache_clear()
    assert why_rerun(request) is None


@pytest.mark.parametrize(("damage", "word"), [("alter", "not as it was"), ("delete", "missing")])
def test_an_altered_or_missing_output_is_made_again(request_of, damage, word):
    request = sealed_by_hand(request_of("smoke"))
    if damage == "alter":
        request.copy.write_text("scribble")
    else:
        request.copy.unlink()
    assert word in (why_rerun(request) or "")


def test_an_unreadable_seal_is_no_seal(request_of):
    request = sealed_by_hand(request_of("smoke"))
    request.seal.write_text('{"key": ')
    assert "cannot be read" in (why_rerun(request) or "")


def sealed_by_hand(request):
    """Outputs and seal as a run would leave them, without the seconds a kernel takes."""
    from saebook.run.freshness import inputs_digests, seal_text
    from saebook.run.stage import place

    files = {request.copy: b"copy", request.results / "tiny2020.json": b"{}"}
    place(files, request.seal, seal_text(request.project.root, inputs_digests(request), files))
    assert why_rerun(request) is None
    return request


def test_a_failed_cell_is_shown_and_never_laid_into_the_book(tiny, request_of):
    run(request_of())
    before = outputs(tiny)
    path = tiny.root / "notebooks" / "01_tiny2020_demo.ipynb"
    write_notebook(path, [SETUP_CELL, "wanted = 0\n1 / wanted", RESULT_CELL])
    with pytest.raises(ChapterFailed) as caught:
        run(request_of())
    text = str(caught.value)
    assert "tiny2020 failed in cell 3 of 4" in text
    assert "1 / wanted" in text and "ZeroDivisionError" in text
    assert "build/failed/testbed/01_tiny2020_demo.ipynb" in text
    assert outputs(tiny) == before
    failed = (tiny.build / "failed/testbed/01_tiny2020_demo.ipynb").read_text()
    assert "ZeroDivisionError" in failed and str(tiny.root) not in failed


def test_a_cell_that_takes_too_long_fails_with_the_limit_named(tiny, request_of):
    path = tiny.root / "notebooks" / "01_tiny2020_demo.ipynb"
    write_notebook(path, [SETUP_CELL, "import time\ntime.sleep(60)"])
    with pytest.raises(ChapterFailed, match="longer than 1 s"):
        run(request_of(), timeout=1)


def test_a_chapter_with_claims_that_saves_no_results_fails(tiny, request_of):
    claims = tiny.root / "book" / "claims" / "tiny2020.yaml"
    claims.parent.mkdir(parents=True)
    claims.write_text("slug: tiny2020\n")
    write_notebook(tiny.root / "notebooks" / "01_tiny2020_demo.ipynb", [SETUP_CELL])
    with pytest.raises(RunError, match=r"saved no tiny2020.json"):
        run(request_of())


def test_the_hub_is_shut_off_and_one_thread_is_set_and_both_are_undone(
    tiny, request_of, monkeypatch
):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    names = ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", "WANDB_MODE",
             "OMP_NUM_THREADS", "PYTHONHASHSEED"]  # fmt: skip
    cell = f"print({{name: os.environ[name] for name in {names}}})\nprint(config)"
    write_notebook(tiny.root / "notebooks" / "01_tiny2020_demo.ipynb", [SETUP_CELL, cell])
    run(request_of())
    text = request_of().copy.read_text()
    assert "'HF_HUB_OFFLINE': '1'" in text and "'WANDB_MODE': 'disabled'" in text
    assert "'OMP_NUM_THREADS': '1'" in text
    import os

    assert "HF_HUB_OFFLINE" not in os.environ


def test_two_runs_at_once_do_the_work_once(tiny, request_of):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(run(request_of("smoke")))) for _ in "ab"
    ]
    first, second = threads
    # papermill changes the working folder for the time of a run, so the second run waits on the
    # lock before it does anything else.
    first.start()
    while not request_of("smoke").scratch.exists():
        first.join(0.02)
    second.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcome.reason or "fresh" for outcome in found) == ["fresh", "not run yet"]


SCRIPT = """\
import sys
from pathlib import Path
sys.path.insert(0, {here!r})
from helpers.tiny_project import find_tiny
from saebook.run import Project, Request, RunError, run_chapter
{before}
project = Project(Path({root!r}))
try:
    run_chapter(Request(project, project.chapter("tiny2020")), find=find_tiny)
except RunError as error:
    print(error)
    raise SystemExit(1)
"""


def script(project: Project, before: str = "") -> list[str]:
    return [
        sys.executable,
        "-c",
        SCRIPT.format(here=str(TESTS), root=str(project.root), before=before),
    ]


def test_a_killed_run_leaves_no_seal_and_the_next_ends_with_the_same_bytes(tiny, request_of):
    marker = tiny.root / "reached"
    wait = (
        f"import time\nmarker = Path({str(marker)!r})\nmarker.touch()\n"
        "time.sleep(0 if marker.with_suffix('.on').exists() else 60)"
    )
    write_notebook(
        tiny.root / "notebooks" / "01_tiny2020_demo.ipynb", [SETUP_CELL, RESULT_CELL, wait]
    )
    process = subprocess.Popen(script(tiny), stderr=subprocess.DEVNULL)
    while not marker.exists():
        assert process.poll() is None
    process.kill()
    process.wait()
    assert outputs(tiny) == {}
    marker.with_suffix(".on").touch()
    run(request_of())
    after_kill = outputs(tiny)
    run(request_of(), force=True)
    assert outputs(tiny) == after_kill
    assert json.loads(after_kill["build/results/testbed/tiny2020.json"])["total"] == 4.5


def test_a_write_that_fails_leaves_the_old_output_and_says_so(tiny, request_of):
    run(request_of())
    before = outputs(tiny)
    large = "print('x' * 400_000)"
    write_notebook(
        tiny.root / "notebooks" / "01_tiny2020_demo.ipynb", [SETUP_CELL, RESULT_CELL, large]
    )
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))"
    done = subprocess.run(script(tiny, limit), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "could not write" in done.stdout and "untouched" in done.stdout
    assert outputs(tiny) == before
    assert not list(tiny.build.rglob("*.part"))
    assert why_rerun(request_of()) == "changed: notebook"
