"""Ranges, lock, package data and floors agree with what the code needs."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import saebook
from saebook import paths

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK_LINES = [
    line
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]
COME_ALONG = {"nbclient", "IPython", "cycler"}
"""Parts of papermill, ipykernel and matplotlib under their own names."""
IMPORTED_AS = {"scikit-learn": "sklearn", "pyyaml": "yaml", "beautifulsoup4": "bs4"}


def declared() -> list[Requirement]:
    extras = PROJECT["project"]["optional-dependencies"]
    lines = [
        *PROJECT["project"]["dependencies"],
        *(line for extra in extras.values() for line in extra),
    ]
    return [Requirement(line) for line in lines]


def locked() -> dict[str, Requirement]:
    return {canonicalize_name(pin.name): pin for pin in map(Requirement, LOCK_LINES)}


def version_of(pin: Requirement) -> str:
    (specifier,) = pin.specifier
    return specifier.version


def test_the_lock_pins_every_line_exactly_and_names_no_place():
    for line in LOCK_LINES:
        pin = Requirement(line)
        assert [s.operator for s in pin.specifier] == ["=="] and pin.url is None, line
        assert Version(version_of(pin)).local is None, f"{line}: a local build is on no index"
    assert len(locked()) == len(LOCK_LINES)


@pytest.mark.parametrize("wanted", declared(), ids=lambda wanted: wanted.name)
def test_every_declared_range_holds_the_locked_version(wanted: Requirement):
    pin = locked()[canonicalize_name(wanted.name)]
    assert wanted.specifier.contains(version_of(pin), prereleases=True), f"{wanted} against {pin}"


def test_the_lock_holds_what_builds_the_package_and_all_that_the_locked_packages_need():
    pins = locked()
    for line in PROJECT["build-system"]["requires"]:
        wanted = Requirement(line)
        assert wanted.specifier.contains(version_of(pins[canonicalize_name(wanted.name)]))
    missing = {
        (name, need.name)
        for name in pins
        for need in _needs(name)
        if canonicalize_name(need.name) not in pins and not _comes_with_torch(need.name)
    }
    assert not missing


def _needs(name: str) -> list[Requirement]:
    """What an installed package needs here, extras aside."""
    try:
        lines = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return []  # for another system or another Python
    needs = [Requirement(line) for line in lines]
    return [need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]


def _comes_with_torch(name: str) -> bool:
    """The CUDA libraries, which torch's own metadata ties to its version."""
    return name.startswith(("nvidia-", "cuda-", "triton"))


def test_every_dependency_says_why_it_is_there():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = text[text.index("dependencies = [") : text.index("[project.scripts]")]
    lines = [line.strip() for line in block.splitlines() if line.strip().startswith('"')]
    assert lines and all(re.search(r'",\s+# \S', line) for line in lines)


def test_every_package_that_the_library_imports_is_declared():
    extra = PROJECT["project"]["optional-dependencies"]["book"]
    lines = [*PROJECT["project"]["dependencies"], *extra]
    known = {_module(Requirement(line).name) for line in lines} | COME_ALONG | {"saebook"}
    undeclared = {
        f"{path.relative_to(ROOT)} imports {module}"
        for path in (ROOT / "lib" / "saebook").rglob("*.py")
        for module in _imports(path) - known - sys.stdlib_module_names
    }
    assert not undeclared


def _module(name: str) -> str:
    return IMPORTED_AS.get(name, name.replace("-", "_"))


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize(
    "module",
    ["saebook", "saebook.parameters", "saebook.run.cli", "saebook.claims", "saebook.plots"],
)
def test_importing_what_loads_no_model_loads_no_torch(module: str):
    heavy = "{'torch', 'papermill', 'nbformat'} & set(sys.modules)"
    code = f"import sys, {module}; sys.exit(', '.join({heavy}) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_checkout_finds_its_own_claims_notebooks_tiers_and_records():
    assert paths.checkout_root() == ROOT
    assert paths.claims_dir() == ROOT / "book" / "claims"
    assert paths.notebooks_dir() == ROOT / "notebooks"
    assert paths.tiers_dir().is_dir() and paths.records_dir().is_dir()


def test_the_cache_folder_can_be_chosen_and_results_go_where_the_runner_says(monkeypatch, tmp_path):
    monkeypatch.setenv("SAEBOOK_CACHE", str(tmp_path / "c"))
    monkeypatch.setenv("SAEBOOK_RESULTS_DIR", str(tmp_path / "r"))
    assert (paths.user_cache_dir(), paths.results_dir()) == (tmp_path / "c", tmp_path / "r")
    monkeypatch.delenv("SAEBOOK_RESULTS_DIR")
    monkeypatch.chdir(tmp_path)
    assert paths.results_dir() == tmp_path


def test_a_folder_that_is_in_no_place_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "site-packages" / "saebook")
    assert paths.checkout_root() is None
    with pytest.raises(FileNotFoundError, match="book/claims"):
        paths.claims_dir()


def test_git_ignores_what_is_made_and_keeps_the_library():
    ignored = ["build/x", ".venv/x", ".snakemake/x", "lib/saebook/__pycache__/x.pyc", "dist/x.whl"]
    kept = ["lib/saebook/paths.py", "lib/saebook/testbed/models/x/model.safetensors", "book/x.md"]
    command = ["git", "check-ignore", "--no-index", *ignored, *kept]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ignored


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_supported_pythons_are_said_alike_everywhere(python: str):
    wanted = Requirement(f"x{PROJECT['project']['requires-python']}").specifier
    assert wanted.contains(f"{python}.1") and not wanted.contains("3.10.9")
    assert f'"{python}"' in (ROOT / ".github" / "workflows" / "checks.yml").read_text("utf-8")
    assert f"python{python}" in (ROOT / "tools" / "setup.sh").read_text("utf-8")


def test_the_set_up_says_clearly_when_python_is_too_old(tmp_path):
    for name in ("python3", "python", "python3.11", "python3.12", "python3.13"):
        fake = tmp_path / name
        fake.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.8.1 && exit 0\nexit 1\n')
        fake.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin"}
    command = ["bash", "tools/setup.sh", str(tmp_path / "venv"), str(tmp_path / "stamp")]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "needs Python 3.11, 3.12 or 3.13; found Python 3.8.1" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_the_book_runs_two_chapters_side_by_side_at_one_thread_each():
    done = subprocess.run(
        ["make", "--dry-run", "book"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    (line,) = (line for line in done.stdout.splitlines() if "snakemake" in line)
    assert "--cores 2" in line and "OMP_NUM_THREADS=1" in line
    chapter = (ROOT / "Snakefile").read_text("utf-8").split("rule chapter:")[1]
    assert re.search(r"^    threads: 1$", chapter, flags=re.MULTILINE)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """The package as a wheel, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation",
               "--quiet", "-w", str(folder), "."]  # fmt: skip
    subprocess.run(command, cwd=ROOT, check=True)
    (built,) = folder.glob(f"saebook-{saebook.__version__}-*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_models_saes_tiers_notebooks_claims_and_templates(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        size = sum(item.file_size for item in archive.infolist())
    for pattern in (
        r"saebook/testbed/models/.*\.safetensors",
        r"saebook/zoo/shipped/.*\.safetensors",
        r"saebook/testbed/lexicon\.yaml",
        r"saebook/run/templates/notebook\.txt",
        r"saebook/_data/claims/mayne2024\.yaml",
        r"saebook/_data/notebooks/00_testbed\.ipynb",
        r"saebook/_data/notebooks/tiers/smoke/testbed\.yaml",
        r"saebook/_data/results/full/README\.md",
    ):
        assert any(re.fullmatch(pattern, name) for name in names), pattern
    assert not any("__pycache__" in name for name in names)
    assert size < 40 * 2**20, "package data is at most 40 MB"


@pytest.fixture(scope="module")
def elsewhere(wheel, tmp_path_factory) -> Path:
    """Python of another environment: the wheel, and the packages it needs from this one."""
    folder = tmp_path_factory.mktemp("elsewhere")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    pip = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--quiet"]
    subprocess.run([*pip, "--target", str(site), str(wheel)], check=True)
    # Its own folder comes first, so the wheel hides the checkout that this environment points to.
    needed = Path(sys.executable).parent.parent / site.relative_to(folder / "venv")
    (site / "needed.pth").write_text(f"{needed}\n")
    return folder / "venv" / "bin" / "python"


@pytest.mark.slow
def test_an_installed_wheel_finds_its_own_data(elsewhere, tmp_path):
    code = (
        "from saebook import paths; from saebook.claims import load_all; "
        "from saebook.testbed import shipped_models; "
        "print(paths.checkout_root(), len(load_all()), len(shipped_models()) > 0, "
        "paths.notebooks_dir(), paths.PACKAGE, sep='\\n')"
    )
    done = subprocess.run(
        [elsewhere, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    root, ledgers, models, notebooks, package = done.stdout.split()
    assert (root, ledgers, models) == ("None", "6", "True")
    assert notebooks.startswith(package) and not package.startswith(str(ROOT))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_notebook_in_another_folder_runs_on_the_installed_wheel(elsewhere, tmp_path, monkeypatch):
    shutil.copy(ROOT / "notebooks" / "00_testbed.ipynb", tmp_path / "mine.ipynb")
    tier = ROOT / "notebooks" / "tiers" / "smoke" / "testbed.yaml"
    monkeypatch.setenv("SAEBOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SAEBOOK_RESULTS_DIR", raising=False)
    # A kernel named python3 takes the interpreter that starts it, which is the other one.
    command = [elsewhere, "-m", "papermill", "mine.ipynb", "out.ipynb", "-k", "python3",
               "-f", str(tier), "-p", "seed", "1", "--no-progress-bar"]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    held = json.loads((tmp_path / "testbed.json").read_text(encoding="utf-8"))
    assert (held["tier"], held["seed"]) == ("smoke", 1)
    assert str(ROOT) not in (tmp_path / "out.ipynb").read_text(encoding="utf-8")
