"""The arms of the comparison: which text, how it is fed, and on which model; each an SAE spec."""

from __future__ import annotations

from typing import NamedTuple

from saebook.papers.li2025.parameters import Parameters
from saebook.subjects import hook_name
from saebook.zoo import SAESpec
from saebook.zoo.spec import Architecture

GRID, FIXED = "1-fixed-coefficient", "2-fixed-coefficient"
"""Recipes of the SAEs trained as the paper trains them, at one sparsity coefficient: those of the
grid, short, and those of the default cell, long."""
MATCHED = "2"
"""Recipe of the SAEs whose L0 is chosen: TopK by construction, others by a controller."""


class Arm(NamedTuple):
    """One way of feeding text."""

    corpus: str
    packing: str
    context: str = "block"
    """Parameter that holds the length: block, cut, or `dialogue` for the model's own context."""
    model: str = "instruct"
    data_seed: int = 0


ARMS = {
    "BT(P)": Arm("default", "packed"),
    "BT(F)": Arm("chats", "packed"),
    "FAST": Arm("chats", "single", "dialogue"),
    "masked": Arm("chats", "masked"),
    "FAST cut": Arm("chats", "single", "cut"),
    "no header": Arm("chats-no-header", "single", "dialogue"),
    "random header": Arm("chats-random-header", "single", "dialogue"),
    "base SAE": Arm("default", "packed", model="base"),
    "BT(F) again": Arm("chats", "packed", data_seed=1),
}
"""The paper's three arms, then those it lacks: blocks in which dialogues do not see each other,
dialogues cut short, with no system header or a random one, an SAE of the base model, and block
training on a second sample of dialogues."""
PAPER_ARMS = ("BT(P)", "BT(F)", "FAST")
CONTEXT = 512
"""Context of the house models."""


class Cell(NamedTuple):
    """One SAE of the chapter, in the terms of its tables."""

    family: str
    layer: int
    d_sae: int
    architecture: Architecture
    recipe: str
    arm: str
    seed: int
    with_sink: bool = True
    """Whether first positions carry a sink: planted in house models, their own in others."""
    target: float = 0.0
    """Target L0 where it is not the chapter's own, in the sweep of sparsities; else 0."""


def model_name(family: str, kind: str, sink: float | None) -> str:
    """Name of a house model, with its planted sink if there is one."""
    return f"{family}-{kind}" + (f"+sink{sink:g}" if sink else "")


def spec_of(cell: Cell, config: Parameters) -> SAESpec:
    """Return the spec of a cell's SAE.

    Raises:
        ValueError: an unknown arm.
    """
    if cell.arm not in ARMS:
        raise ValueError(f"unknown arm {cell.arm!r}; known: {', '.join(ARMS)}")
    arm = ARMS[cell.arm]
    lengths = {"block": config.block, "cut": config.cut, "dialogue": CONTEXT}
    sink, short = config.sink if cell.with_sink else None, cell.recipe == GRID
    return SAESpec(
        subject=model_name(cell.family, arm.model, sink),
        hook_name=hook_name(cell.layer),
        corpus=arm.corpus,
        packing=arm.packing,  # type: ignore[arg-type]
        context=lengths[arm.context],
        architecture=cell.architecture,
        sparsity=cell.target or float(config.k),
        d_sae=cell.d_sae,
        n_tokens=config.grid_n_tokens if short else config.n_tokens,
        epochs=1 if short else config.epochs,
        seed=cell.seed,
        data_seed=arm.data_seed,
        tokens="all",
        recipe=cell.recipe,
    )


def grid(config: Parameters) -> list[Cell]:
    """The paper's grid in small: families, layers, widths, architectures, arms and seeds."""
    return [
        Cell(family, layer, d_sae, architecture, GRID, arm, seed)
        for family in config.families.split(",")
        for layer in dict.fromkeys((config.layer, config.other_layer))
        for d_sae in dict.fromkeys((config.grid_d_sae, config.wide_d_sae))
        for architecture in ("standard", "jumprelu")
        for arm in PAPER_ARMS
        for seed in range(config.n_seeds)
    ]


def default_cell(config: Parameters, architecture: Architecture, arm: str, seed: int = 0) -> Cell:
    """A cell of the default family, layer and width, as the paper trains them."""
    return Cell(config.family, config.layer, config.d_sae, architecture, FIXED, arm, seed)


def headline_cells(config: Parameters) -> list[Cell]:
    """The paper's arms in the default cell, ReLU (F1 and F2)."""
    return [
        default_cell(config, "standard", arm, seed)
        for arm in PAPER_ARMS
        for seed in range(config.n_more_seeds)
    ]


def packing_cells(config: Parameters) -> list[Cell]:
    """TopK SAEs of equal L0 that take the packing apart (F11)."""
    return [
        default_cell(config, "topk", arm, seed)._replace(recipe=MATCHED)
        for arm in ("BT(F)", "FAST", "masked")
        for seed in range(config.n_more_seeds)
    ]


def sweep_cells(config: Parameters) -> list[Cell]:
    """The paper's arms and architectures in the default cell at several sparsities."""
    return [
        default_cell(config, architecture, arm)._replace(recipe=MATCHED, target=float(target))
        for architecture in ("standard", "jumprelu")
        for arm in PAPER_ARMS
        for target in config.sweep.split(",")
    ]


def more_arms(config: Parameters) -> list[Cell]:
    """Arms the paper lacks, one ReLU SAE each, trained as the grid's of the default family."""
    extra = [arm for arm in ARMS if arm not in PAPER_ARMS]
    return [grid_cell(config, arm) for arm in extra]


def grid_cell(config: Parameters, arm: str, seed: int = 0) -> Cell:
    """A ReLU SAE of the default family as the grid's are trained."""
    return Cell(config.family, config.layer, config.grid_d_sae, "standard", GRID, arm, seed)


def natural_cells(config: Parameters) -> list[Cell]:
    """The default cell on the model as it is, without a planted sink."""
    plain = [
        default_cell(config, "standard", arm, seed)
        for arm in ("BT(F)", "FAST")
        for seed in range(config.n_more_seeds)
    ]
    plain += [default_cell(config, "jumprelu", "FAST")]
    plain += [
        default_cell(config, "topk", arm, seed)._replace(recipe=MATCHED)
        for arm in ("BT(F)", "FAST")
        for seed in range(2)
    ]
    return [cell._replace(with_sink=False) for cell in plain]
