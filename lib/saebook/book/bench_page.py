"""The committed benchmarks as Markdown: the ratios first, against what was aimed for, then all."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from saebook.book.errors import BookError
from saebook.book.markdown import number, plain, table
from saebook.run.project import Project

UNITS = {
    "_seconds": "s",
    "_mib": "MiB",
    "_tokens_per_second": "tokens/s",
    "_activations_per_second": "activations/s",
}
"""Ending of a key to the unit that a reader sees; the longest ending that fits counts."""


class Ratio(NamedTuple):
    """One line of the first table."""

    key: str
    """Where it stands in the file, levels joined by dots; the last may be a list's largest."""
    says: str
    aim: float | None
    """At least this; None where nothing was aimed for."""


RATIOS = (
    Ratio("grid.speed_up_extrapolated", "thirty SAEs on one stream, against single runs", 1.5),
    Ratio("grid.stacked_speed_up_extrapolated", "the same in stacked steps", 4),
    Ratio("harvest.speed_ratio", "reading activations, against sae-lens's store", 1),
    Ratio(
        "latents.token_confidence.speed_up_extrapolated",
        "Delta Token Confidence of all latents at once, against one pass a latent",
        50,
    ),
    Ratio("latents.detection.speed_up", "detection of many latents at once, against a loop", None),
)


def bench_tables(project: Project) -> str:
    """The ratios with their aims, then every value: a heading for each part of the file.

    Raises:
        BookError: The file is not a JSON object.
    """
    path = project.root / "book" / "results" / "bench.json"
    if not path.is_file():
        return "No benchmark has been committed yet; `make bench` makes one.\n"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BookError(f"book/results/bench.json is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise BookError("book/results/bench.json has to hold an object at its top")
    return _ratios(data) + _tables(data, level=2)


def _ratios(data: dict[str, Any]) -> str:
    rows = []
    for ratio in RATIOS:
        value: Any = data
        for name in ratio.key.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None:
            aim = "–" if ratio.aim is None else f"at least {ratio.aim:g}"
            rows.append([plain(ratio.says), f"{value:.2g}×", aim])
    return table(["what", "measured", "aimed for"], rows, "lrr") + "\n" if rows else ""


def _tables(data: dict[str, Any], level: int) -> str:
    """Plain values as one table; nested objects and lists of rows under headings of their own."""
    nested = {k: v for k, v in data.items() if isinstance(v, dict) or _is_rows(v)}
    values = [[plain(in_words(k)), _value(v)] for k, v in data.items() if k not in nested]
    parts = [table(["what", "value"], values, "lr") + "\n"] if values else []
    for name, inner in nested.items():
        parts.append(f"{'#' * level} {plain(in_words(name).capitalize())}\n\n")
        parts.append(_tables(inner, level + 1) if isinstance(inner, dict) else _rows(inner))
    return "".join(parts)


def in_words(key: str) -> str:
    """A key as a reader would say it: `n_saes` is number of saes, `peak_memory_mib` has a unit."""
    fitting = [end for end in UNITS if f"_{key}".endswith(end)]
    unit = max(fitting, key=len, default="")
    stem = f"_{key}".removesuffix(unit).strip("_") if unit else key
    words = stem.replace("_", " ")
    words = f"number of {words[2:]}" if words.startswith("n ") else words
    words = re.sub(r"\bsae(s?)\b", r"SAE\1", words)
    return f"{words} ({UNITS[unit]})" if words and unit else words or key.replace("_", " ")


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)


def _rows(rows: list[dict[str, Any]]) -> str:
    header = list(dict.fromkeys(key for row in rows for key in row))
    cells = [[_value(row.get(key)) for key in header] for row in rows]
    numeric = [all(isinstance(r.get(k), int | float | None) for r in rows) for k in header]
    align = "".join("r" if n else "l" for n in numeric)
    return table([plain(in_words(key)) for key in header], cells, align) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_value(item) for item in value)
    if isinstance(value, bool) or value is None or not isinstance(value, int | float):
        return plain("–" if value is None else value)
    if isinstance(value, int) or abs(value) >= 10_000:
        return f"{value:,.0f}"
    return number(value, 3)
