"""A run's result file, whose bytes repeat, and beside it what varies between two runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from saebook.claims.provenance import provenance
from saebook.claims.stable_json import plain, write_json
from saebook.parameters import ChapterParameters
from saebook.paths import results_dir


def stored_parameters(parameters: ChapterParameters | Mapping[str, Any]) -> dict[str, Any]:
    """A chapter's parameters as JSON holds them; of a folder on this machine its name alone.

    Raises:
        ValueError: A value that JSON cannot hold.
    """
    values = parameters.model_dump(mode="json") if isinstance(parameters, BaseModel) else parameters
    return plain({name: _without_place(value) for name, value in values.items()}, "parameters")


def _without_place(value: Any) -> Any:
    """The last part of an absolute path; anything else as it is."""
    is_place = isinstance(value, str) and Path(value).is_absolute()
    return Path(value).name if is_place else value


def save_run(content: Mapping[str, Any], started: float, folder: Path | None = None) -> Path:
    """Write `<slug>.json` and `<slug>.run.json`; returns the path of the first.

    Args:
        content: What is the same on every run of the same seed; its `slug` names the file.
        started: `time.perf_counter()` at the run's begin.
        folder: By default `$SAEBOOK_RESULTS_DIR`, else the current folder.
    """
    path = (folder or results_dir()) / f"{content['slug']}.json"
    write_json(path, content)
    write_json(path.with_suffix(".run.json"), provenance(time.perf_counter() - started))
    return path
