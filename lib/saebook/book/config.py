"""The staged configuration: the committed one, and the launch buttons a public remote allows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from saebook.book.errors import BookError
from saebook.book.remote import Address

BINDER = "https://mybinder.org"
COLAB = "https://colab.research.google.com"
_SET_HERE = ("repository", "launch_buttons")


def read_yaml(path: Path) -> Any:
    """A YAML file's content.

    Raises:
        BookError: It is missing or not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BookError(f"{path.name} is missing; the book cannot be built without it") from None
    except yaml.YAMLError as error:
        raise BookError(f"{path.name} is not YAML: {error}") from error


def staged_config(committed: dict[str, Any], address: Address | None) -> dict[str, Any]:
    """The configuration the book is built with.

    Args:
        committed: Content of the repository's `_config.yml`.
        address: Where the repository lies in public; without one there are no launch buttons, for
            they would lead nowhere. The download button needs no address and always stays.

    Raises:
        BookError: The committed file sets an address itself, or lets notebooks be executed.
    """
    named = [key for key in _SET_HERE if key in committed]
    if named:
        raise BookError(
            f"_config.yml sets {', '.join(named)}; leave it out, it comes from the remote 'origin'"
        )
    if (committed.get("execute") or {}).get("execute_notebooks") not in ("off", False):
        raise BookError('_config.yml has to say execute_notebooks: "off"; the runner executes')
    html = {**(committed.get("html") or {}), "use_repository_button": address is not None}
    return {**committed, "html": html, **(_launch(address) if address else _NO_LAUNCH)}


_NO_LAUNCH: dict[str, Any] = {"launch_buttons": {"thebe": False}, "repository": {"url": ""}}


def _launch(address: Address) -> dict[str, Any]:
    buttons = {"notebook_interface": "jupyterlab", "binderhub_url": BINDER, "thebe": False}
    if address.is_github:
        buttons["colab_url"] = COLAB
    where = {"url": address.url, "branch": address.branch, "path_to_book": ""}
    return {"launch_buttons": buttons, "repository": where}
