from __future__ import annotations

import math
from pathlib import Path

import pytest

from saebook.book.answers import PaperAnswers, load_papers
from saebook.book.api import reference
from saebook.book.bench_page import bench_tables, in_words
from saebook.book.claims_pages import claims_page
from saebook.book.errors import BookError
from saebook.book.footer import block
from saebook.book.forest import bars, distances, draw
from saebook.book.markdown import number, plain
from saebook.book.open_rows import spans
from saebook.claims import Results, Verdict, load_ledger
from saebook.claims.schema import Ledger, Test
from saebook.claims.simple_rules import LowerBound, Measured, Within


def answered(project, claim="R2"):
    """One exact audit row of the first paper, recorded and saved where the book looks."""
    ledger = load_ledger("mayne2024")
    held = ledger[claim].audit
    assert isinstance(held, Test) and held.exact
    results = Results.start("mayne2024", "testbed", 0, {}, ledger=ledger)
    results.record(claim, "audit", 2.86, n=1)
    results.save(project.build / "results" / "testbed")
    return load_papers(project)[0]


def test_a_recorded_row_carries_its_verdict_and_every_other_row_a_reason(project):
    paper = answered(project)
    rows = list(paper.answers())
    assert len(rows) == 3 * len(paper.ledger)
    (row,) = (r for r in rows if r.record is not None)
    assert (row.name, row.block, row.verdict) == ("mayne2024:R2", "audit", Verdict.NOT_REPRODUCED)
    assert all(r.why for r in rows)


def test_a_row_whose_rule_was_changed_after_its_run_is_shown_as_it_was_measured(project):
    paper = answered(project)
    changed = paper.ledger.model_dump(by_alias=True)
    (claim,) = (c for c in changed["claims"] if c["id"] == "R2")
    claim["audit"]["controls"] = [{"name": "new", "must": {"rule": "at_least", "value": 1}}]
    ledger = Ledger.model_validate({k: v for k, v in changed.items() if v is not None})
    page = claims_page(PaperAnswers(ledger, {"testbed": replaced(paper, ledger)}), None)
    section = page.split("(claim-mayne2024-r2)=")[1].split("\n(claim-")[0]
    assert "found under the rule as it was: 2.86" in section
    assert "the rule was changed after this run" in section


def replaced(paper, ledger):
    """The paper's run, held against another ledger."""
    run = paper.runs["testbed"]
    run.ledger = ledger
    return run


def test_the_forest_shows_measured_rows_alone_and_its_bytes_repeat(project):
    found = bars(answered(project).answers())
    assert [bar.name for bar in found] == ["mayne2024:R2"]
    assert draw(found) == draw(found)


@pytest.mark.parametrize(
    ("rule", "measured", "expected"),
    [
        (Within(rule="within", target=2, tolerance=1), Measured(2, 1, 4), (0, 0, 2)),
        (Within(rule="within", target=2, tolerance=1), Measured(0, -1, 1), (1, 2, 3)),
        (LowerBound(rule="at_least", value=2, no_effect=1), Measured(1, 0.5, 2), (1, 2, 2.5)),
        (LowerBound(rule="at_least", value=2, no_effect=1), Measured(4, 3, 5), (-2, -1, 0)),
    ],
    ids=["on target", "off a band", "no effect", "beyond the line"],
)
def test_distances_are_in_tolerances_with_one_at_the_line(rule, measured, expected):
    assert all(map(math.isclose, distances(rule, measured), expected))


def test_text_from_data_cannot_become_markup():
    assert plain("a|b *c* <b> $x$ [y](z) {ref}`k`") == (
        "a\\|b \\*c\\* \\<b> \\$x\\$ \\[y\\](z) \\{ref\\}`k`"
    )
    assert plain("`a|b`") == "`a\\|b`"


def test_successive_ids_are_drawn_together():
    assert spans(["C1", "C2", "C3", "C10", "K1", "K2"]) == "C1–C3, C10, K1, K2"


def test_numbers_are_short_and_have_a_true_minus():
    assert [number(x) for x in (0.12345, -2, 1.5e-9, None)] == [
        "0.123",
        "−2",
        "1.5·10<sup>-9</sup>".replace("-", "−"),
        "–",
    ]


def test_the_reference_shows_what_a_package_exports_and_hides_the_rest(tmp_path):
    package = tmp_path / "saebook"
    (package / "stats").mkdir(parents=True)
    (package / "stats" / "__init__.py").write_text(
        '"""Statistics."""\nfrom saebook.stats.tests import shown\n__all__ = ["shown"]\n'
    )
    (package / "stats" / "tests.py").write_text(
        "def shown(a: dict[str, int], *, b: float = 0.5) -> float:\n"
        '    """Say |a|.\n\n    Args:\n        a: Counts.\n\n    Raises:\n'
        '        ValueError: None.\n    """\n\ndef hidden():\n    """No."""\n'
    )
    text = reference(package)
    assert "def shown(a: dict[str, int], *, b: float=0.5) -> float" in text
    assert "- `a`: Counts." in text and "raises `ValueError`" in text
    assert "hidden" not in text


def test_a_public_name_without_docstring_fails_the_reference(tmp_path):
    package = tmp_path / "saebook"
    package.mkdir()
    (package / "subjects.py").write_text('"""Models."""\n\ndef load():\n    return 1\n')
    with pytest.raises(BookError, match=r"saebook\.subjects\.load is public"):
        reference(package)


def test_benchmarks_become_tables_and_a_broken_file_is_an_error(project):
    assert "No benchmark" in bench_tables(project)
    path = project.root / "book" / "results" / "bench.json"
    path.parent.mkdir()
    path.write_text(
        '{"seed": 1, "training": [{"model": "base", "matmul_tokens_per_second": 8500}],'
        ' "latents": {"detection": {"speed_up": 50.7}}}'
    )
    text = bench_tables(project)
    assert "against a loop | 51× | – |" in text
    assert "| seed | 1 |" in text and "## Training" in text
    assert "| model | matmul (tokens/s) |" in text and "8,500" in text
    path.write_text("[1]")
    with pytest.raises(BookError, match="object"):
        bench_tables(project)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("n_saes", "number of SAEs"),
        ("peak_memory_mib", "peak memory (MiB)"),
        ("tokens_per_second", "tokens per second"),
        ("sae_activations_per_second", "SAE (activations/s)"),
        ("share_of_matmul", "share of matmul"),
    ],
)
def test_a_key_of_the_benchmarks_is_read_as_words_with_its_unit(key, words):
    assert in_words(key) == words


def test_each_page_says_how_it_was_made_and_names_no_machine():
    facts = {"made": "2026-01-02", "took": "3 s"}
    told = {"chapters": {"n/a": facts}, "built": "now", "threads": "1", "versions": {"x": "1"}}
    chapter, page = block("n/a", told, 5), block("book/index", told, 5)
    assert "comes from a run, 2026-01-02" in chapter and "<dd>3 s</dd>" in chapter
    assert "written 5 s into the build" in page and "processor" in page
    assert str(Path.home()) not in page
