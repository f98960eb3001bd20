from __future__ import annotations

import re

import pytest

from saebook.book.build import build, check, html_folder
from saebook.book.errors import BookError

from .conftest import NOTEBOOK, executed_notebook, put_notebook

pytestmark = pytest.mark.slow


def test_the_book_builds_reads_offline_and_is_built_once(project):
    assert build(project) == "not run yet"
    html = html_folder(project)
    chapter = (html / "notebooks" / f"{NOTEBOOK}.html").read_text()
    scripts = re.findall(r'<script[^>]*src="([^"]+)"', chapter)
    assert any("mathjax/tex-chtml.js" in script for script in scripts)
    assert not [script for script in scripts if script.startswith(("http", "//"))]
    assert (html / "_static" / "mathjax" / "tex-chtml.js").is_file()
    assert 'class="provenance"' in chapter
    assert "colab" not in chapter and "mybinder" not in chapter
    assert build(project) is None
    assert check(project) > 10


def test_a_figure_without_alternative_text_fails_the_build_and_the_old_book_stays(project):
    build(project)
    before = (html_folder(project) / "notebooks" / f"{NOTEBOOK}.html").read_bytes()
    put_notebook(project.root, executed_notebook(alt=""))
    with pytest.raises(BookError, match="no alternative text"):
        build(project)
    assert (html_folder(project) / "notebooks" / f"{NOTEBOOK}.html").read_bytes() == before


def test_a_reference_to_nowhere_fails_the_build_with_the_builders_own_words(project):
    page = project.root / "book" / "status.md"
    page.write_text(page.read_text() + "\nSee {ref}`no-such-place`.\n")
    with pytest.raises(BookError, match="no-such-place"):
        build(project)
    assert not html_folder(project).exists()
