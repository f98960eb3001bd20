"""Command line of the zoo: ``python -m saebook.zoo grid|harvest|member|stack|train|report``.

grid     train the house grid, and ship it as float16 with --ship
harvest  keep the grid's activations on disk, for jobs that train one member each
member   train one member of the grid, by its label
stack    train one architecture's members side by side, as one batched step
train    train one SAE named by options
report   table of the shipped and cached house grid, from their reports

Every SAE is stored when it is done: a run that is stopped goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from saebook.cache import file_digest
from saebook.zoo.files import WEIGHTS, write_json
from saebook.zoo.grid import house_grid
from saebook.zoo.source import HouseSource
from saebook.zoo.spec import ARCHITECTURES, SAESpec
from saebook.zoo.store import HouseSAE, find_saes, get_saes, key_of, ship
from saebook.zoo.stored import StreamHarvest

VALIDITY_TEXTS = {"encyclopaedia": 480, "problems": 320}
VALIDITY_SEED = 70_000
COLUMNS = (
    "l0", "fvu_pooled", "dead_fraction", "loss_recovered_zero_ablation",
    "loss_recovered_mean_ablation", "best_latent_f1_median", "n_nameable_latents",
)  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m saebook.zoo", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("grid", "harvest", "member", "stack", "report"):
        command = commands.add_parser(name)
        command.add_argument("--subject", default="gemma2-base")
        command.add_argument("--layer", type=int, default=3)
        command.add_argument("--seed", type=int, default=0)
        command.add_argument("--n-tokens", type=int, default=SAESpec().n_tokens)
        if name == "grid":
            command.add_argument("--ship", action="store_true", help="write into the package")
            command.add_argument("--stacked", action="store_true", help="train in batched steps")
        if name == "member":
            command.add_argument("--label", required=True, help="such as topk-13")
        if name == "stack":
            command.add_argument("--architecture", required=True, choices=ARCHITECTURES)
        if name in ("member", "stack"):
            command.add_argument("--out", type=Path, help="where a summary is written")
        if name in ("grid", "member", "stack"):
            command.add_argument("--device", default="cpu")
    train = commands.add_parser("train")
    for field, default in SAESpec().model_dump().items():
        if not isinstance(default, bool):
            choices = ARCHITECTURES if field == "architecture" else None
            option = "--" + field.replace("_", "-")
            train.add_argument(option, type=type(default), default=default, choices=choices)
    train.add_argument("--ship", action="store_true", help="write into the package")
    train.add_argument("--apply-b-dec-to-input", action="store_true")
    train.add_argument("--device", default="cpu")
    return parser


def _ship_all(entries: Sequence[HouseSAE], source: HouseSource) -> None:
    from saebook.testbed import load_world
    from saebook.zoo.validity import ValidityBench

    world = load_world()
    texts: list[Any] = [
        text
        for register, n in VALIDITY_TEXTS.items()
        for text in world.sample(register, n, VALIDITY_SEED)
    ]
    benches: dict[tuple[Any, ...], ValidityBench] = {}
    for entry in entries:
        spec = entry.spec
        if entry.origin != "shipped":
            place = (spec.subject, spec.hook_name, spec.context, spec.packing)
            if place not in benches:
                benches[place] = ValidityBench(spec, source.subject(spec.subject), texts)
            ship(entry, key_of(spec, source), benches[place].report(entry.sae))
        _say(entry)


def _say(entry: HouseSAE) -> None:
    report = {name: entry.report.get(name) for name in COLUMNS}
    measured = "  ".join(f"{k}={v:.3g}" for k, v in report.items() if isinstance(v, int | float))
    sys.stdout.write(f"{entry.spec.label:14s} {entry.origin:8s} {measured}\n")


def _member(specs: Sequence[SAESpec], label: str) -> SAESpec:
    found = {spec.label: spec for spec in specs}
    if label not in found:
        raise SystemExit(f"the grid has no {label!r}; it has {', '.join(found)}")
    return found[label]


def summary(entry: HouseSAE) -> dict[str, Any]:
    """What is the same wherever an SAE was trained: spec, digest of its weights, measurements."""
    report = {k: v for k, v in entry.report.items() if k != "versions"}
    weights = file_digest(entry.folder / WEIGHTS)
    return {"spec": entry.spec.model_dump(mode="json"), "weights": weights, "report": report}


def _train(options: dict[str, Any], source: HouseSource) -> int:
    device, to_ship = options.pop("device"), options.pop("ship")
    entries = list(get_saes([SAESpec(**options)], source, device=device).values())
    if to_ship:
        _ship_all(entries, source)
    for entry in entries:
        sys.stdout.write(f"{entry.folder}\n{json.dumps(entry.report, indent=1)}\n")
    return 0


def _train_members(
    specs: Sequence[SAESpec], options: dict[str, Any], source: HouseSource, stacked: bool
) -> int:
    """Train some members of the grid and write their summaries: one, or one of each label."""
    found = get_saes(
        specs,
        source,
        device=options["device"],
        use_shipped=False,
        stacked=stacked,
        progress=False,
    )
    for entry in found.values():
        _say(entry)
    if options["out"] is not None:
        summaries = {entry.spec.label: summary(entry) for entry in found.values()}
        options["out"].parent.mkdir(parents=True, exist_ok=True)
        write_json(options["out"], summaries if stacked else summaries[specs[0].label])
    return 0


def _harvest(specs: Sequence[SAESpec], source: HouseSource) -> int:
    kept = StreamHarvest(specs[0].stream, [spec.hook_name for spec in specs], source)
    for hook_name, folder in kept.keep().items():
        sys.stdout.write(f"{hook_name}: {kept.n_bytes / 2**20:.0f} MiB in {folder}\n")
    return 0


def _report(specs: Sequence[SAESpec], source: HouseSource) -> int:
    found = find_saes(specs, source)
    for entry in found.values():
        _say(entry)
    sys.stdout.write(f"{len(found)} of {len(specs)} there\n")
    return 0 if len(found) == len(specs) else 1


def _grid(specs: Sequence[SAESpec], options: dict[str, Any], source: HouseSource) -> int:
    device, stacked = options["device"], options["stacked"]
    entries = list(get_saes(specs, source, device=device, stacked=stacked).values())
    if options["ship"]:
        _ship_all(entries, source)
    else:
        for entry in entries:
            _say(entry)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    options = vars(_parser().parse_args(arguments))
    command = options.pop("command")
    source = HouseSource()
    if command == "train":
        return _train(options, source)
    grid = house_grid(options["subject"], options["layer"], options["seed"])
    specs = [spec.model_copy(update={"n_tokens": options["n_tokens"]}) for spec in grid]
    if command == "report":
        return _report(specs, source)
    if command == "harvest":
        return _harvest(specs, source)
    if command == "member":
        return _train_members([_member(specs, options["label"])], options, source, stacked=False)
    if command == "stack":
        alike = [spec for spec in specs if spec.architecture == options["architecture"]]
        return _train_members(alike, options, source, stacked=True)
    return _grid(specs, options, source)


if __name__ == "__main__":
    sys.exit(main())
