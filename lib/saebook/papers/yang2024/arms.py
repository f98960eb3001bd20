"""Arms: one condition of training each, and the plan of all that the chapter needs."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass

from saebook.papers.yang2024.orders import ORDERS, RANDOM, USES_DIFFICULTY
from saebook.testbed.registers.exams import EXAM_COUNTS

EXAM_SIZE = sum(EXAM_COUNTS.values())
BLOCKY = ("Blocked", "Blocked Curriculum", "Interleaved", "Interleaved Curriculum")
"""Orders that read the category."""
AMPLIFIED_ORDERS = (RANDOM, "Curriculum", "Blocked")
LABELS = ("none", "students", "models", "oracle", "reversed", "permuted", "permuted again")
CATEGORIES = ("given", "permuted", "clustered", "random")
DECAYS = ("linear", "constant")
SHOWINGS = ("once", "each block three times", "three epochs")
PREREQUISITE, INTERFERENCE, FREE = "prerequisite", "interference", "order-free"


@dataclass(frozen=True)
class Arm:
    """What is trained, on what, in which order; a run of it is fixed by a seed."""

    model: str
    world: str
    order: str
    label: str = "none"
    """Difficulty label; `none` for orders that read none."""
    categories: str = "given"
    """`permuted` is the placebo, `clustered` found from the text, `random` of the same sizes."""
    decay: str = "linear"
    show: str = "once"
    amplified: bool = False
    n_items: int = EXAM_SIZE
    """Questions of the exam; the published number unless a larger set is meant."""
    draw: int = 0
    """Which of several shuffles of one seed; seeds of adapters and folds stay the same."""

    def __post_init__(self) -> None:
        allowed = {
            "order": ORDERS, "label": LABELS, "categories": CATEGORIES, "decay": DECAYS,
            "show": SHOWINGS, "world": (PREREQUISITE, INTERFERENCE, FREE),
        }  # fmt: skip
        for name, known in allowed.items():
            if getattr(self, name) not in known:
                raise ValueError(
                    f"unknown {name} {getattr(self, name)!r}; known: {', '.join(known)}"
                )
        if (self.order in USES_DIFFICULTY) != (self.label != "none"):
            raise ValueError(f"{self.order} with the label {self.label!r}: a curriculum needs one")

    def __str__(self) -> str:
        """Order, world and model, and whatever is not as usual."""
        usual = {f.name: f.default for f in dataclasses.fields(self)}
        odd = [f"{k} {v}" for k, v in dataclasses.asdict(self).items() if v != usual[k]]
        return ", ".join([self.order, f"{self.world} world", self.model, *odd[3:]])

    @property
    def key(self) -> str:
        """Digest of all fields, 16 hexadecimal digits."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


FIELDS = tuple(field.name for field in dataclasses.fields(Arm))


@dataclass(frozen=True)
class Plan:
    """All arms of a run, by the question they answer."""

    models: tuple[str, ...]
    """Models of the nine orders, smallest first."""
    side_model: str
    """Model of the side questions and of the amplified worlds."""
    draws: int = 6
    """Shuffles of each seed in random order, at least six: the material of every null."""
    n_items: int = EXAM_SIZE
    n_large: int = 3 * EXAM_SIZE
    """Questions of the larger exam (K9)."""

    def __post_init__(self) -> None:
        if self.draws < len(ORDERS):
            raise ValueError(f"{self.draws} shuffles a seed; a null of six orders needs six")
        if not self.models:
            raise ValueError("the plan names no model")

    def arm(self, model: str, world: str, order: str, label: str = "students", **fields) -> Arm:
        """Return an arm; the label is dropped for an order that reads none.

        The order-free world asks the prerequisite world's questions, so that Random is shared.
        """
        world = PREREQUISITE if (world, order) == (FREE, RANDOM) else world
        used = label if order in USES_DIFFICULTY else "none"
        return Arm(model, world, order, used, **{"n_items": self.n_items, **fields})

    def six(self, model: str, world: str, label: str = "students", **fields) -> list[Arm]:
        """Random and the five strategies under one label."""
        return [self.arm(model, world, order, label, **fields) for order in ORDERS]

    def shuffles(self, model: str, world: str, **fields) -> list[Arm]:
        """Random order, shuffled anew in each draw."""
        return [self.arm(model, world, RANDOM, draw=d, **fields) for d in range(self.draws)]

    def grouped(self, model: str, world: str, categories: str) -> list[Arm]:
        """Random, Curriculum, and the four orders that read categories, under other categories."""
        held = {o: categories if o in BLOCKY else "given" for o in ORDERS}
        return [self.arm(model, world, o, categories=held[o]) for o in ORDERS]

    def essential(self, model: str) -> list[Arm]:
        """The shuffles, and the six orders in each world under students' labels."""
        arms: list[Arm] = []
        for world in (PREREQUISITE, INTERFERENCE, FREE):
            arms += [*self.shuffles(model, world), *self.six(model, world)]
        return list(dict.fromkeys(arms))

    def core(self, model: str) -> list[Arm]:
        """The essential arms and the curricula under models' labels: the paper's nine orders."""
        more = [self.six(model, world, "models") for world in (PREREQUISITE, INTERFERENCE)]
        return list(dict.fromkeys([*self.essential(model), *more[0], *more[1]]))

    def amplified(self, world: str) -> list[Arm]:
        """Three orders in a world with fewer facts, difficulty from the truth: the controls."""
        fields = {"label": "oracle", "amplified": True}
        return [self.arm(self.side_model, world, order, **fields) for order in AMPLIFIED_ORDERS]

    def side(self) -> list[Arm]:
        """The side questions: placebos, clusters, constant rate, repetition, size."""
        model, arms = self.side_model, list[Arm]()
        for label in ("permuted", "permuted again"):
            arms += [self.arm(model, PREREQUISITE, o, label) for o in sorted(USES_DIFFICULTY)]
        arms += [self.arm(model, PREREQUISITE, "Curriculum", "reversed")]
        arms += self.six(model, PREREQUISITE, decay="constant")
        arms += self.shuffles(model, PREREQUISITE, decay="constant")
        for found in ("clustered", "random"):
            arms += self.grouped(model, INTERFERENCE, found)
        arms += [self.arm(model, PREREQUISITE, "Blocked", show=show) for show in SHOWINGS]
        for draw in (0, 1):
            arms += [self.arm(model, PREREQUISITE, RANDOM, draw=draw, n_items=self.n_large)]
        arms += [self.arm(model, PREREQUISITE, "Curriculum", n_items=self.n_large)]
        return list(dict.fromkeys(arms))

    def placebos(self, model: str) -> list[Arm]:
        """Interleaving over permuted categories, for K3 and K4."""
        return [self.arm(model, INTERFERENCE, "Interleaved", categories="permuted")]

    def arms(self) -> list[Arm]:
        """Every arm once, in the order in which they are worth having."""
        found = [*self.amplified(PREREQUISITE), *self.amplified(INTERFERENCE)]
        for model in self.models:
            found += [*self.core(model), *self.placebos(model)]
        return list(dict.fromkeys([*found, *self.side()]))
