"""Small pieces of Markdown that the generated pages are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from saebook.claims.verdicts import Verdict

_CODE = re.compile(r"(`[^`]*`)")
_SPECIAL = re.compile(r"([\\*_\[\]{}$|#~<])")


def plain(text: object) -> str:
    """Text from data as Markdown that shows it as it is; only `code` keeps its meaning."""
    parts = _CODE.split(" ".join(str(text).split()))
    return "".join(
        part.replace("|", "\\|")
        if part.startswith("`") and part.endswith("`") and len(part) > 1
        else _SPECIAL.sub(r"\\\1", part)
        for part in parts
    )


def badge(verdict: Verdict) -> str:
    """The verdict as symbol and word, in a frame whose colour only repeats them."""
    name = verdict.value.replace(" ", "-")
    return f'<span class="verdict verdict-{name}">{verdict.symbol}&nbsp;{verdict.value}</span>'


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], align: str = "", name: str = ""
) -> str:
    """A Markdown table.

    Args:
        header: Column names.
        rows: Cells, already Markdown.
        align: One letter a column, `l` or `r`; left where it is short.
        name: A class for the style sheet.
    """
    marks = ["---:" if align[i : i + 1] == "r" else "---" for i in range(len(header))]
    lines = [header, marks, *rows]
    body = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"```{{table}}\n:class: {name}\n\n{body}```\n" if name else body


def number(value: float | None, digits: int = 3) -> str:
    """A number for reading: significant digits, a real minus sign, a dash for none."""
    if value is None:
        return "–"
    text = f"{value:.{digits}g}"
    if "e" in text:
        mantissa, exponent = text.split("e")
        text = f"{mantissa}·10<sup>{int(exponent)}</sup>"
    return text.replace("-", "−")


def listed(parts: Sequence[str]) -> str:
    """Parts of a sentence with commas, and an `and` before the last."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def labelled(label: str, heading: str, level: int = 1) -> str:
    """A heading that other pages can refer to by its label."""
    return f"({label})=\n{'#' * level} {heading}\n\n"
