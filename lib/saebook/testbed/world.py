"""The small world: facts, skills and concepts that every text of the testbed is generated from."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import lru_cache

from saebook.testbed.annotate import AnnotatedText, Scribe
from saebook.testbed.lexicon import DOMAINS, LETTERS, NUMBERS, Domain, Lexicon, load_lexicon

WORLD_VERSION = "2"
"""Raised whenever a text, a fact or a house model changes after results exist."""

SKILLS = ("recall", "lookup", "compare", "maximum", "order", "count", "index", "dial")
"""Eight primitive skills; every problem exercises exactly one."""

_ROLES = (
    "title fact member prose question choices reason answer option letter statement free-answer "
    "setting system-header user-turn assistant-turn template"
)
ROLES = tuple(_ROLES.split())
FORMATS = ("one-word", "list", "sentence", "praise", "blame")
"""Checkable answer formats that a chat instruction can ask for."""

LINK = "cause"
"""The relation between two health entities that chains facts to depth 2 and 3."""

# Share of each skill in a domain's problems: two leading skills a domain, the rest thin, so that
# skill overlap between domains (the ground truth of transfer) ranges from near 0 to near 1.
_LEADING: dict[str, tuple[str, str]] = {
    "business": ("lookup", "maximum"),
    "law": ("recall", "index"),
    "psychology": ("recall", "compare"),
    "biology": ("recall", "count"),
    "chemistry": ("recall", "dial"),
    "history": ("recall", "order"),
    "other": ("lookup", "index"),
    "health": ("recall", "lookup"),
    "economics": ("compare", "maximum"),
    "math": ("dial", "compare"),
    "physics": ("maximum", "dial"),
    "computer science": ("index", "count"),
    "philosophy": ("recall", "lookup"),
    "engineering": ("order", "dial"),
}
_FIRST, _SECOND = 0.45, 0.25


@dataclass(frozen=True)
class Concept:
    """One thing that can hold at a token."""

    id: str
    """`kind/name`, for example `entity/otter` or `behaviour/refusal+`."""
    kind: str
    name: str


def _skill_mix(domain: str) -> dict[str, float]:
    first, second = _LEADING[domain]
    rest = (1.0 - _FIRST - _SECOND) / (len(SKILLS) - 2)
    return {s: {first: _FIRST, second: _SECOND}.get(s, rest) for s in SKILLS}


def _cycle(members: tuple[str, ...], rng: random.Random) -> dict[str, str]:
    """Chain the members of a class into one random cycle, so that every chain has any depth."""
    ring = rng.sample(list(members), len(members))
    return dict(zip(ring, ring[1:] + ring[:1], strict=True))


@dataclass(frozen=True)
class World:
    """The facts of the small world and the ways to write about them.

    Built once from a seed by `load_world`; every text is drawn from it with a seed of its own.
    """

    lexicon: Lexicon
    facts: dict[tuple[str, str], str]
    """Value of (entity, attribute)."""
    links: dict[str, str]
    """The entity that causes an entity, health only."""
    skill_mix: dict[str, dict[str, float]]
    """Probability of each skill among a domain's problems."""
    domain_weights: dict[str, float]
    """Exposure: share of each domain among documents and problems."""
    _concepts: list[Concept] = field(default_factory=list, repr=False)

    @property
    def domains(self) -> dict[str, Domain]:
        """The 14 domains by name."""
        return self.lexicon.domains

    @property
    def behaviours(self) -> tuple[str, ...]:
        """The seven CAA behaviour names."""
        return tuple(self.lexicon.behaviours)

    def pole_words(self, behaviour: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the verbs of the matching and of the opposite pole of a behaviour."""
        entry = self.behaviour(behaviour)
        return entry.positive, entry.negative

    def behaviour(self, name: str):
        """Return a behaviour's words. Raises ValueError for an unknown name."""
        if name not in self.lexicon.behaviours:
            raise ValueError(f"unknown behaviour {name!r}; known: {', '.join(self.behaviours)}")
        return self.lexicon.behaviours[name]

    def popularity(self, domain: Domain) -> list[float]:
        """Zipf weights of a domain's entities, in order: weight 1 / (rank + 2)^0.7."""
        return [1.0 / (rank + 2) ** 0.7 for rank in range(len(domain.entities))]

    def pick_domain(self, scribe: Scribe) -> Domain:
        """Draw a domain by exposure."""
        name = scribe.pick(DOMAINS, [self.domain_weights[d] for d in DOMAINS])
        return self.domains[name]

    def topics(self, domain: Domain, entity: str | None = None) -> tuple[str, ...]:
        """Topic concept ids of a domain, with the exam category of a health entity."""
        if entity is None or entity not in domain.categories:
            return (f"topic/{domain.name}",)
        return (f"topic/{domain.name}", f"category/{domain.categories[entity]}")

    def sample(self, register: str, n: int, seed: int, **options) -> list[AnnotatedText]:
        """Write `n` texts of one register.

        Text i depends on (register, seed, i) alone, so a longer sample begins with the shorter one.

        Args:
            register: encyclopaedia, problems, behaviours, chats, exams or drills.
            n: Number of texts, at least 1.
            seed: Seed of the texts.
            **options: Passed to the register's writer, such as `family` for chats.

        Raises:
            ValueError: For an unknown register or n < 1.
        """
        from saebook.testbed.registers import WRITERS

        if register not in WRITERS:
            raise ValueError(f"unknown register {register!r}; known: {', '.join(WRITERS)}")
        if n < 1:
            raise ValueError(f"n is {n}; ask for at least one text")
        return [
            WRITERS[register](self, random.Random(f"{register}/{seed}/{i}"), **options)
            for i in range(n)
        ]

    @property
    def concepts(self) -> tuple[Concept, ...]:
        """The concept inventory: everything that can hold at a token, in a fixed order."""
        return tuple(Concept(f"{kind}/{name}", kind, name) for kind, name in self._inventory())

    def _inventory(self) -> list[tuple[str, str]]:
        domains = list(self.domains.values())
        groups: dict[str, list[str]] = {
            "topic": list(DOMAINS),
            "category": sorted({c for d in domains for c in d.category_lexicon}),
            "class": [c for d in domains for c in d.classes],
            "entity": [e for d in domains for e in d.entities],
            "attribute": sorted({a for d in domains for a in d.attributes} | {LINK}),
            "value": sorted({v for d in domains for vs in d.attributes.values() for v in vs}),
            "unit": sorted({d.unit for d in domains}),
            "skill": list(SKILLS),
            "number": list(NUMBERS),
            "letter": list(LETTERS),
            "behaviour": [f"{b}{pole}" for b in self.behaviours for pole in "+-"],
            "object": sorted({o for b in self.lexicon.behaviours.values() for o in b.objects}),
            "sentiment": ["positive", "negative"],
            "role": list(ROLES),
            "format": list(FORMATS),
        }
        return [(kind, name) for kind, names in groups.items() for name in names]

    def vocabulary(self) -> tuple[str, ...]:
        """Every word that any register can say, without template tokens, in a fixed order."""
        from saebook.testbed.registers import FUNCTION_WORDS

        lexicon, words = self.lexicon, list(FUNCTION_WORDS) + list(NUMBERS) + list(LETTERS)
        for d in self.domains.values():
            words += [*d.name.split(), *d.lexicon, d.unit, *d.classes, *d.entities, *d.attributes]
            words += [v for values in d.attributes.values() for v in values]
            words += [w for extra in d.category_lexicon.values() for w in extra]
            words += sorted(set(d.categories.values()))
        for b in lexicon.behaviours.values():
            words += [*b.positive, *b.negative, *b.objects, *b.settings]
        words += [w for adjectives in lexicon.sentiment.values() for w in adjectives]
        words += [*lexicon.names, *lexicon.places, LINK]
        return tuple(dict.fromkeys(words))


@lru_cache(maxsize=1)
def load_world(seed: int = 0) -> World:
    """Build the world of `WORLD_VERSION`; the same seed always gives the same facts."""
    lexicon, rng = load_lexicon(), random.Random(f"world/{seed}")
    facts = {
        (entity, attribute): rng.choice(values)
        for domain in lexicon.domains.values()
        for entity in domain.entities
        for attribute, values in domain.attributes.items()
    }
    health = lexicon.domains["health"]
    links = {a: b for members in health.classes.values() for a, b in _cycle(members, rng).items()}
    order = rng.sample(DOMAINS, len(DOMAINS))
    weights = {name: 1.0 / (rank + 4) ** 0.6 for rank, name in enumerate(order)}
    total = sum(weights.values())
    return World(
        lexicon, facts, links, {d: _skill_mix(d) for d in DOMAINS},
        {name: w / total for name, w in weights.items()},
    )  # fmt: skip
