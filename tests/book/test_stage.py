from __future__ import annotations

import subprocess
import sys

import pytest
import yaml

from saebook.book.config import read_yaml
from saebook.book.errors import BookError
from saebook.book.scoreboard import BEGIN, END, update_readme, with_block
from saebook.book.stage import stage
from saebook.book.toc import check_toc, entries
from saebook.claims import SLUGS, load_ledger

from .conftest import NOTEBOOK, ROOT, executed_notebook, put_notebook


def staged(project, name):
    return (project.build / "book" / name).read_text(encoding="utf-8")


def test_pages_are_staged_in_the_folders_of_the_repository(project):
    stage(project)
    assert staged(project, "book/how-to-read.md") == (ROOT / "book/how-to-read.md").read_text()
    assert read_yaml(project.build / "book" / "_config.yml")["launch_buttons"] == {"thebe": False}
    assert (project.build / "book" / "book" / "_static" / "custom.css").is_file()
    assert not (project.build / "book" / "book" / "claims" / "mayne2024.yaml").exists()


def test_every_claim_stands_on_its_papers_page_with_all_three_kinds_of_evidence(project):
    stage(project)
    for slug in SLUGS:
        page = staged(project, f"book/claims/{slug}.md")
        for claim_id in load_ledger(slug).ids:
            section = page.split(f"(claim-{slug}-{claim_id.lower()})=", 1)[1].split("\n(claim-")[0]
            for kind in ("**Audit**", "**Testbed**", "**Paper scale**"):
                assert section.count(kind) == 1, (slug, claim_id, kind)


def test_unwritten_chapters_are_listed_with_the_reasons_for_their_open_rows(project):
    stage(project)
    table = staged(project, "book/_generated/chapters.md")
    assert table.count("none yet") == len(SLUGS) - 1
    assert "Needs the Gemma 2 weights" in staged(project, "book/_generated/unanswered.md")


def test_a_second_staging_touches_nothing_that_did_not_change(project):
    stage(project)
    page = project.build / "book" / "book" / "claims" / "wang2025.md"
    before = page.stat().st_mtime_ns
    stage(project)
    assert page.stat().st_mtime_ns == before


def test_a_staged_page_whose_source_is_gone_is_removed(project):
    stray = project.build / "book" / "book" / "old.md"
    stray.parent.mkdir(parents=True)
    stray.write_text("# old\n")
    stage(project)
    assert not stray.exists()
    assert (project.build / "book" / "notebooks" / f"{NOTEBOOK}.ipynb").is_file()


@pytest.mark.parametrize(
    ("notebook", "message"),
    [
        (executed_notebook(error=True), "code cell 1 failed with ValueError: layer 9"),
        (executed_notebook(run=False), "code cell 1 was not run"),
    ],
    ids=["failed", "not run"],
)
def test_a_notebook_that_did_not_run_through_never_reaches_the_book(project, notebook, message):
    put_notebook(project.root, notebook)
    with pytest.raises(BookError, match=message):
        stage(project)


def test_a_chapter_without_an_executed_copy_is_named(project):
    (project.build / "book" / "notebooks" / f"{NOTEBOOK}.ipynb").unlink()
    with pytest.raises(BookError, match=f"notebooks/{NOTEBOOK} has not been run"):
        stage(project)


def test_a_page_left_out_of_the_contents_and_one_that_is_not_there_are_both_named(project):
    toc = read_yaml(project.root / "_toc.yml")
    toc["parts"][-1]["chapters"][0]["file"] = "book/nowhere"
    (project.root / "_toc.yml").write_text(yaml.safe_dump(toc))
    with pytest.raises(BookError) as error:
        stage(project)
    assert "names book/nowhere, and there is no such page" in str(error.value)
    assert "book/glossary stands nowhere in _toc.yml" in str(error.value)


def test_a_page_that_stands_twice_is_refused():
    toc = {"root": "a", "chapters": [{"file": "b"}, {"file": "b.md"}]}
    assert entries(toc) == ["a", "b", "b"]
    with pytest.raises(BookError, match="b stands twice"):
        check_toc(toc, ["a.md", "b.md"])


def test_the_committed_contents_name_the_pages_there_are():
    toc = read_yaml(ROOT / "_toc.yml")
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "book").glob("*.md")}
    pages |= {f"book/claims/{slug}.md" for slug in SLUGS}
    pages |= {path.relative_to(ROOT).as_posix() for path in ROOT.glob("notebooks/*.ipynb")}
    check_toc(toc, pages)


def test_the_readme_block_is_written_once_and_leaves_the_rest_alone(project):
    readme = project.root / "README.md"
    assert update_readme(project.root)
    text = readme.read_text()
    assert text.startswith("# x\n") and text.endswith("\n\nafter\n")
    assert "old" not in text and text.count(BEGIN) == text.count(END) == 1
    assert not update_readme(project.root)
    assert readme.read_text() == text


def test_a_stale_readme_block_is_an_error_when_only_checked(project):
    with pytest.raises(BookError, match="not that of the results"):
        update_readme(project.root, check=True)
    assert "old" in (project.root / "README.md").read_text()


@pytest.mark.parametrize("text", ["", BEGIN, END + BEGIN, BEGIN + END + BEGIN + END])
def test_a_readme_without_one_pair_of_markers_is_refused(text):
    with pytest.raises(BookError, match="once each"):
        with_block(text, "x")


def test_the_page_builder_never_imports_torch():
    code = (
        "import sys, saebook.book.build, saebook.book.stage, saebook.book.cli, saebook.book.footer;"
        "bad = {'torch', 'transformers', 'sae_lens'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
