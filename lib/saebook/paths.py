"""Where the project's files lie, in a checkout and in an installed wheel."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

PACKAGE = Path(__file__).resolve().parent
CACHE_VARIABLE = "SAEBOOK_CACHE"
RESULTS_VARIABLE = "SAEBOOK_RESULTS_DIR"


def checkout_root() -> Path | None:
    """The repository's root when the package runs from a checkout, else None."""
    root = PACKAGE.parent.parent
    if PACKAGE.parent.name == "lib" and (root / "pyproject.toml").is_file():
        return root
    return None


def data_path(in_checkout: str, in_wheel: str) -> Path:
    """A folder that a checkout keeps at its root and a wheel under `saebook/_data`.

    Args:
        in_checkout: Path relative to the repository's root.
        in_wheel: Path relative to `saebook/_data`.

    Raises:
        FileNotFoundError: The folder is in neither place; the installation is incomplete.
    """
    root = checkout_root()
    path = root / in_checkout if root else PACKAGE / "_data" / in_wheel
    if not path.is_dir():
        raise FileNotFoundError(
            f"no folder {in_checkout!r} at {path}; reinstall saebook or restore the checkout"
        )
    return path


def claims_dir() -> Path:
    """Folder of the claim ledgers, one `<slug>.yaml` a paper."""
    return data_path("book/claims", "claims")


def notebooks_dir() -> Path:
    """Folder of the notebook sources."""
    return data_path("notebooks", "notebooks")


def tiers_dir() -> Path:
    """Folder of the parameter files, `<tier>/<slug>.yaml`."""
    return data_path("notebooks/tiers", "notebooks/tiers")


def records_dir() -> Path:
    """Folder of the numbers of record: the full tier's results and per-item tables."""
    return data_path("book/results/full", "results/full")


def user_cache_dir() -> Path:
    """The user's cache folder: `$SAEBOOK_CACHE` if set, else the system's usual place.

    The folder is not made here.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("saebook"))


def results_dir() -> Path:
    """Where a notebook saves results: `$SAEBOOK_RESULTS_DIR` if set, else the current folder."""
    return Path(os.environ.get(RESULTS_VARIABLE) or Path.cwd())
