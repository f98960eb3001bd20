"""Arms: one condition of training each, and the plan of all that the chapter needs."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from saebook.papers.yang2024.orders import ORDERS, RANDOM, USES_DIFFICULTY
from saebook.testbed.registers.exams import EXAM_COUNTS

EXAM_SIZE = sum(EXAM_COUNTS.values())
BLOCKY = ("Blocked", "Blocked Curriculum", "Interleaved", "Interleaved Curriculum")
"""Orders that read the category."""
AMPLIFIED_ORDERS = (RANDOM, "Curriculum", "Blocked")
LABELS = ("none", "students", "models", "oracle", "reversed", "redrawn", "redrawn again")
CATEGORIES = ("given", "permuted", "clustered", "random")
DECAYS = ("linear", "constant")
SHOWINGS = ("once", "each block three times", "three epochs")
PREREQUISITE, INTERFERENCE, FREE = "prerequisite", "interference", "order-free"
PUBLISHED, PUBLISHED_LARGE = "published", "published, larger"
"""Published questions in place of a world: the exam, and the larger one of K9."""
WORLDS = (PREREQUISITE, INTERFERENCE, FREE, PUBLISHED, PUBLISHED_LARGE)


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
            "show": SHOWINGS, "world": WORLDS,
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


class Cell(NamedTuple):
    """Runs of one arm that are trained together and kept together."""

    arm: Arm
    seeds: tuple[int, ...]

    @property
    def runs(self) -> set[tuple[Arm, int]]:
        """Every run of the cell: arm and seed."""
        return {(self.arm, seed) for seed in self.seeds}


@dataclass(frozen=True)
class Runs:
    """How many runs the cells of a plan have."""

    usual: int = 4
    """Of a cell, one a fold; also the size of what is trained together."""
    side: int = 12
    """Of a cell of K7, K10 and K12."""
    chance: int = 4
    """Of a cell of K14."""
    amplified: int = 10
    """Of a cell of the amplified worlds."""
    first: int = 0
    """First run's seed."""

    def seeds(self, n: int) -> tuple[int, ...]:
        """Seeds of n runs."""
        return tuple(range(self.first, self.first + n))


@dataclass(frozen=True)
class Plan:
    """All arms of a run, by the question they answer."""

    models: tuple[str, ...]
    """Models of the nine orders, smallest first."""
    side_model: str
    """Model of the side questions and of the amplified worlds."""
    chance_model: str = ""
    """Model at chance (K14); none if empty."""
    draws: int = 6
    """Shuffles of each seed in random order, at least six: the material of every null."""
    n_items: int = EXAM_SIZE
    n_large: int = 3 * EXAM_SIZE
    """Questions of the larger exam (K9)."""
    runs: Runs = Runs()
    """Runs of the cells."""

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

    def grouped(
        self, model: str, world: str, categories: str, label: str = "students", **fields
    ) -> list[Arm]:
        """Random, Curriculum, and the four orders that read categories, under other categories."""
        held = {o: categories if o in BLOCKY else "given" for o in ORDERS}
        return [self.arm(model, world, o, label, categories=held[o], **fields) for o in ORDERS]

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

    def label_arms(self) -> list[Arm]:
        """Every order that reads a label, under labels that serve and two that cannot (K7)."""
        model, kinds = self.side_model, ("models", "students", "redrawn", "redrawn again")
        orders = sorted(USES_DIFFICULTY)
        arms = [self.arm(model, PREREQUISITE, o, label) for label in kinds for o in orders]
        return [*arms, self.arm(model, PREREQUISITE, "Curriculum", "reversed")]

    def cluster_arms(self) -> list[Arm]:
        """Found categories, random ones of their sizes, and the shuffles of their null (K10)."""
        model = self.side_model
        found = [self.grouped(model, INTERFERENCE, kind) for kind in ("clustered", "random")]
        return list(dict.fromkeys([*self.shuffles(model, INTERFERENCE), *found[0], *found[1]]))

    def repetition_arms(self) -> list[Arm]:
        """Blocks once, each three times, and three epochs of them (K12)."""
        return [self.arm(self.side_model, PREREQUISITE, "Blocked", show=s) for s in SHOWINGS]

    def rate_arms(self) -> list[Arm]:
        """The six orders and the shuffles at a constant rate (K13)."""
        six = self.six(self.side_model, PREREQUISITE, decay="constant")
        return list(
            dict.fromkeys([*six, *self.shuffles(six[0].model, PREREQUISITE, decay="constant")])
        )

    def large_arms(self) -> list[Arm]:
        """Two shuffles and a curriculum of the larger exam (K9)."""
        orders = ((RANDOM, 0), (RANDOM, 1), ("Curriculum", 0))
        return [
            self.arm(self.side_model, PREREQUISITE, order, draw=draw, n_items=self.n_large)
            for order, draw in orders
        ]

    def side(self) -> list[Arm]:
        """The side questions: labels, clusters, repetition, constant rate, size."""
        parts = (self.label_arms, self.cluster_arms, self.repetition_arms, self.rate_arms)
        return list(dict.fromkeys(arm for part in (*parts, self.large_arms) for arm in part()))

    def chance(self) -> list[Arm]:
        """What is asked of the model at chance: its shuffles, and the six orders once (K14)."""
        model = self.chance_model
        if not model:
            return []
        held = [*self.shuffles(model, PREREQUISITE), *self.six(model, PREREQUISITE)]
        return list(dict.fromkeys([*held, *self.shuffles(model, INTERFERENCE)]))

    def gain_arms(self) -> list[Arm]:
        """The gain with and without the model at chance (K14); none without such a model."""
        own = [arm for arm in self.chance() if arm.world == PREREQUISITE]
        grid = [arm for model in self.models for arm in self.six(model, PREREQUISITE) if own]
        return [*own, *grid]

    def placebos(self, model: str) -> list[Arm]:
        """Interleaving over permuted categories, for K3 and K4."""
        return [self.arm(model, INTERFERENCE, "Interleaved", categories="permuted")]

    def arms(self) -> list[Arm]:
        """Every arm once, in the order in which they are worth having."""
        found = [*self.amplified(PREREQUISITE), *self.amplified(INTERFERENCE)]
        for model in self.models:
            found += [*self.core(model), *self.placebos(model)]
        return list(dict.fromkeys([*found, *self.side(), *self.chance()]))

    @cached_property
    def _more(self) -> dict[Arm, int]:
        """Arms that have more runs than usual."""
        sides = (*self.label_arms(), *self.cluster_arms(), *self.repetition_arms())
        gains = dict.fromkeys(self.gain_arms(), self.runs.chance)
        return {**gains, **dict.fromkeys(sides, self.runs.side)}

    def seeds(self, arm: Arm) -> tuple[int, ...]:
        """Seeds of an arm's runs."""
        usual = self.runs.amplified if arm.amplified else self.runs.usual
        return self.runs.seeds(max(usual, self._more.get(arm, 0)))

    def cells(self) -> list[Cell]:
        """Every arm's runs, as many in a cell as usual; each arm's first cell before any second."""

        def cut(arm: Arm) -> list[Cell]:
            seeds, size = (
                self.seeds(arm),
                len(self.seeds(arm)) if arm.amplified else self.runs.usual,
            )
            return [Cell(arm, seeds[i : i + size]) for i in range(0, len(seeds), size)]

        by_arm = [cut(arm) for arm in self.arms()]
        deepest = max(len(cells) for cells in by_arm)
        return [cells[i] for i in range(deepest) for cells in by_arm if i < len(cells)]
