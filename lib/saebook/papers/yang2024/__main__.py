"""Long runs by hand: the shipped labels, and the full tier's checkpointed cells.

python -m saebook.papers.yang2024 labels
python -m saebook.papers.yang2024 grid essential
python -m saebook.papers.yang2024 collect
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from saebook.papers.yang2024 import labellers, records
from saebook.papers.yang2024.arms import INTERFERENCE, PREREQUISITE, Arm, Cell, Plan
from saebook.papers.yang2024.exams import ExamWorld
from saebook.papers.yang2024.parameters import Parameters
from saebook.papers.yang2024.sources import kept_cells, missing, recorded
from saebook.papers.yang2024.starts import at_hand
from saebook.papers.yang2024.training import missing_cells, records_of
from saebook.paths import records_dir
from saebook.records import full_tier, shard
from saebook.testbed import load_world

PARTS: dict[str, Callable[[Plan], list[Arm]]] = {
    "all": Plan.arms,
    "essential": lambda plan: [arm for model in plan.models for arm in plan.essential(model)],
    "core": lambda plan: [a for m in plan.models for a in (*plan.core(m), *plan.placebos(m))],
    "amplified": lambda plan: [a for w in (PREREQUISITE, INTERFERENCE) for a in plan.amplified(w)],
    "side": Plan.side,
    "labels": Plan.label_arms,
    "clusters": Plan.cluster_arms,
    "repetition": Plan.repetition_arms,
    "chance": Plan.gain_arms,
}
"""Parts of the plan that can be trained by themselves."""


def make_labels(config: Parameters) -> None:
    """Label the exams of both worlds, and the larger one of the prerequisite world."""
    rights = {}
    for world, sizes in (
        (PREREQUISITE, (config.n_items, config.n_large)),
        (INTERFERENCE, (config.n_items,)),
    ):
        own = ExamWorld(world, load_world())
        exams = [own.exam(n) for n in sizes]
        held: list[dict[str, np.ndarray]] = [{} for _ in sizes]
        for labeller in labellers.LABELLERS:
            for place, right in zip(held, labellers.label_exams(own, exams, labeller), strict=True):
                place[labeller] = right
            print(f"{world}: {labeller} gives {held[0][labeller].mean():.3f}", flush=True)
        for n, exam, by_labeller in zip(sizes, exams, held, strict=True):
            rights[world, n] = (labellers.exam_digest(exam), by_labeller)
    print(f"wrote {labellers.write_labels(rights).name}")


def train(config: Parameters, which: str, share: str) -> None:
    """Train a share of a part of the plan: cells that are neither on record nor in the cache."""
    wanted = set(PARTS[which](config.plan))
    own = shard([cell for cell in config.plan.cells() if cell.arm in wanted], share)
    lacking = [c for c in missing_cells(own, recorded(config)) if at_hand(c.arm.model)]
    print(f"{len(lacking)} of {len(own)} cells to train; the others are on record, "
          "or wait for models that are not shipped")  # fmt: skip
    for done, cell in enumerate(lacking):
        start = time.perf_counter()
        accuracy = _accuracy(cell, config)
        seconds = time.perf_counter() - start
        says = f"runs {cell.seeds[0]} to {cell.seeds[-1]} of {cell.arm}"
        print(f"{done + 1}/{len(lacking)} {accuracy:5.1f} % {seconds:5.1f} s {says}", flush=True)


def _accuracy(cell: Cell, config: Parameters) -> float:
    return float(records.accuracies(records_of(cell, config.settings))["accuracy"].mean())


def main() -> None:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(prog="saebook.papers.yang2024")
    parser.add_argument("what", choices=("labels", "grid", "collect"))
    parser.add_argument("part", nargs="?", default="all", choices=tuple(PARTS))
    parser.add_argument("--shard", default="1/1", help="a share of a grid, such as 2/8")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    config = full_tier("yang2024", Parameters)
    if asked.what == "labels":
        make_labels(config)
    elif asked.what == "collect":
        held = kept_cells(config)
        path = records.write(held, records_dir() / records.FILE, config.settings.text)
        print(f"{len(records.held_arms(held))} arms, {len(held)} records in {path.name}")
        print(missing(held, config).to_string())
    else:
        train(config, asked.part, asked.shard)


if __name__ == "__main__":
    main()
