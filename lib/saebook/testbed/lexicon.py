"""The words of the small world, read from lexicon.yaml and checked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

import yaml

NUMBERS = tuple(str(n) for n in range(31))
LETTERS = ("A", "B", "C", "D", "E")
DOMAINS = (
    "business", "law", "psychology", "biology", "chemistry", "history", "other", "health",
    "economics", "math", "physics", "computer science", "philosophy", "engineering",
)  # fmt: skip
BEHAVIOURS = (
    "corrigible-neutral-HHH", "coordinate-other-ais", "sycophancy", "hallucination",
    "myopic-reward", "survival-instinct", "refusal",
)  # fmt: skip


@dataclass(frozen=True)
class Domain:
    """One of the 14 MMLU-Pro domains: its entities by class, its attributes and their values."""

    name: str
    lexicon: tuple[str, ...]
    unit: str
    classes: dict[str, tuple[str, ...]]
    attributes: dict[str, tuple[str, ...]]
    categories: dict[str, str]
    """Exam category of each entity; empty outside health."""
    category_lexicon: dict[str, tuple[str, ...]]

    @property
    def entities(self) -> tuple[str, ...]:
        """All entities, class by class."""
        return tuple(entity for members in self.classes.values() for entity in members)

    def class_of(self, entity: str) -> str:
        """Return the class an entity belongs to."""
        return next(name for name, members in self.classes.items() if entity in members)


@dataclass(frozen=True)
class Behaviour:
    """A behaviour named as in CAA, with two mutually exclusive ways to act on an object."""

    name: str
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    objects: tuple[str, ...]
    settings: tuple[str, ...]


@dataclass(frozen=True)
class Lexicon:
    """Every content word of the world."""

    domains: dict[str, Domain]
    behaviours: dict[str, Behaviour]
    sentiment: dict[str, tuple[str, ...]]
    names: tuple[str, ...]
    places: tuple[str, ...]


def _plain_domain(name: str, raw: dict[str, Any]) -> Domain:
    return Domain(
        name,
        tuple(raw["lexicon"]),
        raw["unit"],
        {k: tuple(v) for k, v in raw["classes"].items()},
        {k: tuple(v) for k, v in raw["attributes"].items()},
        {},
        {},
    )


def _health_domain(name: str, raw: dict[str, Any]) -> Domain:
    categories = raw["categories"]
    classes = {body["class"]: tuple(body["entities"]) for body in categories.values()}
    return Domain(
        name,
        tuple(raw["lexicon"]),
        raw["unit"],
        classes,
        {k: tuple(v) for k, v in raw["attributes"].items()},
        {e: category for category, body in categories.items() for e in body["entities"]},
        {category: tuple(body["lexicon"]) for category, body in categories.items()},
    )


def _behaviour(name: str, raw: dict[str, Any]) -> Behaviour:
    return Behaviour(
        name, *(tuple(raw[key]) for key in ("positive", "negative", "objects", "setting"))
    )


def _check(lexicon: Lexicon) -> None:
    if tuple(lexicon.domains) != DOMAINS or tuple(lexicon.behaviours) != BEHAVIOURS:
        raise ValueError("lexicon.yaml must list the 14 domains and 7 behaviours in their order")
    entities = [e for d in lexicon.domains.values() for e in d.entities]
    doubled = sorted({e for e in entities if entities.count(e) > 1})
    if doubled:
        raise ValueError(f"lexicon.yaml names these entities twice: {doubled}")


@lru_cache(maxsize=1)
def load_lexicon() -> Lexicon:
    """Read and check the packaged word list. Raises ValueError when an entity stands twice."""
    raw = yaml.safe_load(
        resources.files("saebook.testbed").joinpath("lexicon.yaml").read_text("utf-8")
    )
    domains = {
        name: (_health_domain if "categories" in body else _plain_domain)(name, body)
        for name, body in raw["domains"].items()
    }
    lexicon = Lexicon(
        domains,
        {name: _behaviour(name, body) for name, body in raw["behaviours"].items()},
        {pole: tuple(words) for pole, words in raw["sentiment"].items()},
        tuple(raw["names"]),
        tuple(raw["places"]),
    )
    _check(lexicon)
    return lexicon
