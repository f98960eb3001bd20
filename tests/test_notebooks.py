"""Every notebook has the book's anatomy, stands in the table of contents, and has its tiers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from helpers.anatomy import faults

from saebook.run import Chapter, Project, Request
from saebook.run.check import checked_parameters, notebook_defaults
from saebook.run.project import TIERS
from saebook.run.scaffold import notebook_text, scaffold

ROOT = Path(__file__).parent.parent
CHAPTERS = Project(ROOT).chapters()
CALL = "shares = protocol.entity_share(texts)"
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=[c.slug for c in CHAPTERS])


@each_chapter
def test_a_notebook_has_the_anatomy(chapter: Chapter):
    found = faults(chapter.notebook, chapter.slug)
    assert not found, "\n".join([chapter.notebook.name, *found])


@each_chapter
def test_a_notebook_stands_in_the_table_of_contents(chapter: Chapter):
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    assert f"notebooks/{chapter.notebook.stem}" in _files(toc)


@each_chapter
def test_every_tier_of_a_notebook_passes_the_strict_checks(chapter: Chapter):
    project = Project(ROOT)
    assert project.tier_file("smoke", chapter.slug).is_file(), "every chapter has a smoke tier"
    for tier in TIERS:
        if tier == "testbed" or project.tier_file(tier, chapter.slug).is_file():
            checked_parameters(Request(project, chapter, tier))


def test_every_parameter_file_belongs_to_a_chapter_and_a_tier():
    slugs = {chapter.slug for chapter in CHAPTERS}
    for path in (ROOT / "notebooks" / "tiers").rglob("*.yaml"):
        assert path.stem in slugs and path.parent.name in TIERS, path


def _files(node: object) -> set[str]:
    """Every `file` under a node of the table of contents, without suffix."""
    if isinstance(node, list):
        return set().union(*map(_files, node))
    if not isinstance(node, dict):
        return set()
    own = {str(node["file"]).removesuffix(".ipynb")} if "file" in node else set()
    return own.union(*map(_files, node.values()))


@pytest.fixture
def scaffolded(tmp_path: Path) -> Path:
    (tmp_path / "notebooks").mkdir()
    scaffold(Project(tmp_path), "gao2024")
    return tmp_path / "notebooks" / "01_gao2024.ipynb"


def test_a_new_paper_is_laid_out_with_the_anatomy_and_a_valid_ledger(scaffolded: Path):
    from saebook.claims.ledger import read_ledger

    assert faults(scaffolded, "gao2024") == []
    root = scaffolded.parent.parent
    assert len(read_ledger(root / "book" / "claims" / "gao2024.yaml")) == 1
    assert (root / "notebooks" / "tiers" / "smoke" / "gao2024.yaml").is_file()


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("(gao2024)=", "(gao)=", "label (gao2024)="),
        ("## Scorecard", "## Results", "no section Scorecard"),
        ("## Method", "## Data and model\n\n## Method", "out of order"),
        ("## R1: texts", "## Texts", "no experiment"),
        ("seed: int = 0  # texts and resamples", "seed: int = 0", "not `name: type"),
        ("seed: int = 0", "seed: int | None = 0", "not `name: type"),
        ("config = Parameters", "settings = Parameters", "does not build config"),
        ("%% code colab hide-input", "%% code hide-input", "tagged colab"),
        (CALL, "!ls", "only a notebook"),
        (CALL, "shares = (", "not Python"),
        (CALL, "import warnings\nwarnings.filterwarnings('ignore')", "filters warnings"),
        (CALL, "x = 1\n" * 26, "26 lines"),
        (CALL, "def a(): ...\ndef b(): ...\ndef c(): ...",
         "3 functions"),
        ("## Method\n", "## Method\n\n# Another title\n", "exactly one title"),
        ("%% code parameters", "%% code", "0 cells tagged"),
        ("%% code parameters", "%% code parameters hub-parameters", "at most one tagged"),
        (CALL, "x = 1\n%% code hub-parameters\nhub_names: str = ''  # names", "at most one tagged"),
    ],
)  # fmt: skip
def test_anatomy_faults_are_found(tmp_path: Path, old: str, new: str, fault: str):
    template = Path(scaffold.__code__.co_filename).parent / "templates" / "notebook.txt"
    text = template.read_text().replace("@slug@", "gao2024").replace("@author@", "Gao")
    assert old in text
    notebook = tmp_path / "01_gao2024.ipynb"
    notebook.write_text(notebook_text("gao2024", text.replace(old, new)))
    assert any(fault in found for found in faults(notebook, "gao2024"))


def test_what_only_the_hub_tiers_read_may_be_declared_in_a_cell_before_the_parameters(tmp_path):
    template = Path(scaffold.__code__.co_filename).parent / "templates" / "notebook.txt"
    text = template.read_text().replace("@slug@", "gao2024").replace("@author@", "Gao")
    cell = "%% code hub-parameters\nhub_names: str = 'a b'  # models and data\n"
    text = text.replace("%% code parameters", cell + "%% code parameters")
    notebook = tmp_path / "01_gao2024.ipynb"
    notebook.write_text(notebook_text("gao2024", text.replace(CALL, CALL + "\nconfig.hub_names")))
    assert faults(notebook, "gao2024") == []
    defaults = {"tier": "testbed", "n_texts": 60, "seed": 0}
    assert notebook_defaults(notebook) == {"hub_names": "a b", **defaults}


def test_an_unread_parameter_outputs_and_thin_prose_are_found(scaffolded: Path):
    raw = json.loads(scaffolded.read_text())
    for cell in raw["cells"]:
        source = (
            "".join(cell["source"]).replace(", config)", ", {})").replace("n=config.n_texts", "n=8")
        )
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x"}]
        elif not source.startswith(("(", "#")):
            source = ""
        cell["source"] = source if cell["cell_type"] == "code" else source[:40]
    scaffolded.write_text(json.dumps(raw))
    found = " ".join(faults(scaffolded, "gao2024"))
    assert "config.n_texts is never read" in found
    assert "carries outputs" in found and "words of prose" in found


def test_a_new_paper_never_overwrites_and_wants_author_and_year(scaffolded: Path):
    from saebook.run import RunError

    project = Project(scaffolded.parent.parent)
    with pytest.raises(RunError, match="there already"):
        scaffold(project, "gao2024")
    with pytest.raises(RunError, match="author and year"):
        scaffold(project, "Gao et al")


@pytest.mark.slow
def test_a_new_paper_runs_at_the_smoke_tier_as_it_is_laid_out(tmp_path: Path, monkeypatch):
    import subprocess
    import sys

    copied = ["lib", "book/claims", "notebooks/tiers", "requirements.lock", "pyproject.toml"]
    for name in copied:
        source, target = ROOT / name, tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    (tmp_path / "book" / "results" / "full").mkdir(parents=True)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib"))
    for command in (
        ["new-paper", "--slug", "gao2024"],
        ["chapter", "--nb", "gao2024", "--tier", "smoke"],
    ):
        done = subprocess.run([sys.executable, "-m", "saebook.run", *command], cwd=tmp_path,
                              capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "build" / "results" / "smoke" / "gao2024.json").is_file()
