"""Texts as coloured tokens, in HTML that needs no script and reads without colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Protocol

KIND_STYLE: dict[str, tuple[str, str]] = {
    "entity": ("#0072B2", "solid"),
    "value": ("#009E73", "double"),
    "number": ("#009E73", "dotted"),
    "attribute": ("#E69F00", "dashed"),
    "class": ("#56B4E9", "double"),
    "behaviour": ("#D55E00", "wavy"),
    "sentiment": ("#CC79A7", "wavy"),
    "object": ("#56B4E9", "dotted"),
    "letter": ("#000000", "solid"),
    "format": ("#CC79A7", "dashed"),
    "skill": ("#D55E00", "dotted"),
    "role": ("#777777", "dotted"),
    "unit": ("#E69F00", "dotted"),
    "topic": ("#777777", "dashed"),
    "category": ("#777777", "double"),
}
"""Colour and kind of underline of a concept kind: two cues, so that neither is needed alone."""

_BOX = (
    "<div class='saebook-tokens' role='group' aria-label='{label}' style='line-height:2.1;"
    "max-width:100%;overflow-wrap:anywhere;font-size:.92em'>{body}</div>"
)
_TOKEN = (
    "<span title='{title}' style='text-decoration:underline {line} {color} 2px;"
    "text-underline-offset:3px;background:{color}22;border-radius:2px;padding:0 1px'>{word}</span>"
)


@dataclass(frozen=True)
class Markup:
    """A piece of HTML that a notebook shows as it is."""

    html: str

    def _repr_html_(self) -> str:
        return self.html


class Annotated(Protocol):
    """What `concept_tokens` needs of a text."""

    @property
    def words(self) -> Sequence[str]:
        """The text's words."""
        ...

    @property
    def concepts(self) -> Sequence[frozenset[str]]:
        """Ids of the concepts at each word."""
        ...


def concept_tokens(
    text: Annotated, kinds: Sequence[str], limit: int | None = None, legend: bool = True
) -> Markup:
    """Show a text with its ground truth: each word marked by the first of `kinds` that holds.

    A word's title (shown on hovering, read by screen readers) names every concept that holds.

    Args:
        text: An annotated text.
        kinds: Concept kinds (keys of `KIND_STYLE`) or single ids such as `role/template`, in
            order of precedence.
        limit: Show this many words at most, and say how many are left out.
        legend: Whether to put the key of marks below the text.

    Raises:
        ValueError: An unknown kind, or words and concepts of unequal number.
    """
    _check_kinds(kinds)
    if len(text.words) != len(text.concepts):
        raise ValueError(f"{len(text.words)} words with {len(text.concepts)} sets of concepts")
    shown = len(text.words) if limit is None else min(limit, len(text.words))
    pairs = zip(text.words[:shown], text.concepts[:shown], strict=True)
    parts = [_marked(word, held, kinds) for word, held in pairs]
    if shown < len(text.words):
        parts.append(f"<i>… {len(text.words) - shown} more words</i>")
    body = _BOX.format(label="text with its ground truth", body=" ".join(parts))
    return Markup(body + (concept_legend(kinds).html if legend else ""))


def concept_legend(kinds: Sequence[str]) -> Markup:
    """Return the key of marks for some concept kinds. Raises ValueError for an unknown kind."""
    _check_kinds(kinds)
    parts = [_span(kind, *_style(kind), title=f"mark of {kind}") for kind in kinds]
    return Markup(_BOX.format(label="key", body="<small>key: " + " · ".join(parts) + "</small>"))


def token_heat(words: Sequence[str], values: Sequence[float], unit: str = "") -> Markup:
    """Shade words by a number each; the number stands in the title, and peaks are underlined.

    Positive values are blue, negative ones orange with a dotted line; the strength is the value
    over the largest magnitude.

    Raises:
        ValueError: Not one finite value a word.
    """
    if len(words) != len(values):
        raise ValueError(f"{len(words)} words with {len(values)} values")
    if any(value != value or abs(value) == float("inf") for value in values):
        raise ValueError("token_heat takes finite values only")
    top = max((abs(value) for value in values), default=0.0) or 1.0
    parts = [_heated(w, float(v), top, unit) for w, v in zip(words, values, strict=True)]
    return Markup(_BOX.format(label="words shaded by a value", body=" ".join(parts)))


def _heated(word: str, value: float, top: float, unit: str) -> str:
    strength = abs(value) / top
    color, line = ("0,114,178", "solid") if value >= 0 else ("230,159,0", "dotted")
    under = f"text-decoration:underline {line} 2px;" if strength > 0.5 else ""
    title = escape(f"{word}: {value:.3g} {unit}".strip(), quote=True)
    back = f"background:rgba({color},{0.55 * strength:.2f});"
    return f"<span title='{title}' style='{under}{back}padding:0 1px'>{escape(word)}</span>"


def _marked(word: str, held: frozenset[str], kinds: Sequence[str]) -> str:
    here = {*held, *(concept.split("/")[0] for concept in held)}
    kind = next((kind for kind in kinds if kind in here), None)
    if kind is None:
        return f"<span title='{escape(', '.join(sorted(held)), quote=True)}'>{escape(word)}</span>"
    return _span(word, *_style(kind), title=", ".join(sorted(held)))


def _style(kind: str) -> tuple[str, str]:
    return KIND_STYLE[kind.split("/")[0]]


def _span(word: str, color: str, line: str, title: str) -> str:
    title = escape(title, quote=True)
    return _TOKEN.format(title=title, line=line, color=color, word=escape(word))


def _check_kinds(kinds: Sequence[str]) -> None:
    unknown = [kind for kind in kinds if kind.split("/")[0] not in KIND_STYLE]
    if unknown:
        raise ValueError(f"unknown concept kinds {unknown}; known: {', '.join(KIND_STYLE)}")
