"""JSON whose bytes depend on the values alone, written whole or not at all."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np

DIGITS = 6
"""Significant digits kept: enough to judge by, few enough to survive another processor."""


def rounded(value: float, place: str = "value") -> float:
    """The number at six significant digits, with no negative zero.

    Raises:
        ValueError: It is not finite.
    """
    if not math.isfinite(value):
        raise ValueError(f"{place} is {value}; record a finite number or leave the row unrecorded")
    return float(f"{float(value):.{DIGITS}g}") + 0.0


def plain(value: Any, place: str = "value") -> Any:
    """The value as JSON types with rounded floats; numpy scalars and tuples are taken.

    Raises:
        ValueError: A float that is not finite, a key that is no text, or a type JSON lacks. The
            message names the place, such as `detail.per_layer[2]`.
    """
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return rounded(float(value), place)
    if isinstance(value, Mapping):
        return {_key(k, place): plain(v, f"{place}.{k}") for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [plain(v, f"{place}[{i}]") for i, v in enumerate(value)]
    raise ValueError(f"{place} is a {type(value).__name__}, which JSON cannot hold; convert it")


def _key(key: object, place: str) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, Integral) and not isinstance(key, bool):
        return str(int(key))
    raise ValueError(f"{place} has the key {key!r}; keys have to be text or whole numbers")


def write_json(path: Path, value: Any) -> None:
    """Write sorted, indented JSON with a newline at its end, replacing the file in one step."""
    text = json.dumps(plain(value), sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
