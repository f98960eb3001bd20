"""Long runs by hand: the shipped labels, and the full tier's arms in checkpointed cells.

python -m saebook.papers.yang2024 labels
python -m saebook.papers.yang2024 grid essential
python -m saebook.papers.yang2024 collect
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from saebook.papers.yang2024 import labellers, records
from saebook.papers.yang2024.arms import INTERFERENCE, PREREQUISITE, Arm
from saebook.papers.yang2024.exams import ExamWorld
from saebook.papers.yang2024.parameters import Parameters
from saebook.papers.yang2024.sources import kept_cells, missing_arms, recorded
from saebook.papers.yang2024.training import records_of
from saebook.paths import records_dir
from saebook.records import full_tier, shard
from saebook.testbed import load_world
from saebook.testbed.house import shipped_models


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
    """Train a share of a part of the plan: arms that are neither on record nor in the cache."""
    plan = config.plan
    parts: dict[str, list[Arm]] = {"all": plan.arms(), "side": plan.side()}
    parts["amplified"] = [*plan.amplified(PREREQUISITE), *plan.amplified(INTERFERENCE)]
    parts["essential"] = [a for m in plan.models for a in plan.essential(m)]
    parts["core"] = [a for m in plan.models for a in (*plan.core(m), *plan.placebos(m))]
    shipped, held = shipped_models(), recorded(config)
    known = set() if held is None else records.held_arms(held)
    own = shard(parts[which], share)
    arms = [arm for arm in own if arm.model in shipped and arm not in known]
    print(f"{len(arms)} of {len(own)} arms to train; the others are on record, "
          "or wait for models that are not shipped")  # fmt: skip
    for done, arm in enumerate(arms):
        start = time.perf_counter()
        accuracy = _accuracy(arm, config)
        seconds = time.perf_counter() - start
        print(f"{done + 1}/{len(arms)} {accuracy:5.1f} % {seconds:5.1f} s {arm}", flush=True)


def _accuracy(arm: Arm, config: Parameters) -> float:
    return float(records.accuracies(records_of(arm, config.settings))["accuracy"].mean())


def main() -> None:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(prog="saebook.papers.yang2024")
    parser.add_argument("what", choices=("labels", "grid", "collect"))
    parser.add_argument("part", nargs="?", default="all",
                        choices=("all", "essential", "core", "side", "amplified"))  # fmt: skip
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
        print(missing_arms(held, config).to_string())
    else:
        train(config, asked.part, asked.shard)


if __name__ == "__main__":
    main()
