"""R9 to R13 on the other house models: measured as in the chapter, judged by the same rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from saebook.papers.mayne2024 import rows
from saebook.papers.mayne2024.arms import measure_arm
from saebook.papers.mayne2024.gates import (
    balanced,
    behaviours_steer,
    enough,
    sae_checks,
    vectors_reliable,
)
from saebook.papers.mayne2024.grid import at_hand, other_models
from saebook.papers.mayne2024.layers import best_layer_row, steer_layers
from saebook.papers.mayne2024.parameters import Parameters
from saebook.papers.mayne2024.saes import sae_spec
from saebook.papers.mayne2024.steerability import movements, steer_all
from saebook.subjects import load_subject
from saebook.testbed import World
from saebook.zoo import HouseSAE

CLAIMS = ("R9", "R10", "R11", "R12", "R13")
GATES = ("sae_valid", "vector_reliable", "behaviours_steer", "unsteered_balanced")
"""What the ledger asks to hold before these rows mean anything."""
COLUMNS = ("model", "claim", "role", "name", "estimate", "low", "high")
Rows = dict[str, rows.Row]
Gates = dict[str, bool]


def family_saes(config: Parameters) -> dict[str, HouseSAE]:
    """The chapter's SAE of the first `n_families` other models, by the model's name.

    Trained at the smoke tier, where that takes a second; else as `at_hand` says.
    """
    specs = {name: sae_spec(config, name) for name in other_models(config)[: config.n_families]}
    trains = config.model_copy(update={"train_missing": True}) if config.tier == "smoke" else config
    found = at_hand(specs.values(), trains)
    return {name: found[spec] for name, spec in specs.items() if spec in found}


def measure_families(
    saes: Mapping[str, HouseSAE], world: World, config: Parameters
) -> pd.DataFrame:
    """R9 to R13 of every model that has an SAE, as one tidy table (see `tidy`)."""
    parts = [tidy(name, *measure_family(name, saes[name], world, config)) for name in saes]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))


def measure_family(
    name: str, entry: HouseSAE, world: World, config: Parameters
) -> tuple[Rows, Gates]:
    """One model's rows in the shape in which a result is recorded, and the gates behind them."""
    subject = load_subject(name)
    arm = measure_arm(subject, world, entry.sae, config)
    signs = rows.all_signs(arm, config)
    steered_frame = steer_all(subject, world, arm, config)
    moves = movements(steered_frame)
    steered = behaviours_steer(moves, config.measure)
    profile = steer_layers(subject, world, world.behaviours, config)
    checks = sae_checks({name: entry}, {name: subject}, world, config.n_check_texts)
    held = (
        bool(checks["valid"].all()),
        vectors_reliable([arm], config.seed),
        enough(steered),
        enough(balanced(moves, config.measure)),
    )
    found = {
        "R9": rows.silenced_row(signs, config),
        "R10": rows.spurious_row(arm, signs, config),
        "R11": rows.negative_row(arm, signs, config),
        "R12": best_layer_row(profile, config),
        "R13": rows.kept_row(steered_frame, steered, config),
    }
    return found, dict(zip(GATES, held, strict=True))


def tidy(model: str, found: Rows, gates: Gates) -> pd.DataFrame:
    """Lay rows and gates out as a table that a record can hold.

    Returns:
        Columns model, claim, role (part, n, control or gate), name, estimate, low, high. A row of
        the ledger that is one number has a part without a name; a gate belongs to no claim.
    """
    lines = [("", "gate", name, float(held), None, None) for name, held in gates.items()]
    for claim, row in found.items():
        whole = isinstance(row["estimate"], Mapping)
        ends = [row[end] if whole else {"": row[end]} for end in ("estimate", "low", "high")]
        lines += [(claim, "part", name, *(float(end[name]) for end in ends)) for name in ends[0]]
        lines += [(claim, "n", "", float(row["n"]), None, None)]
        controls = row["controls"].items()
        lines += [(claim, "control", name, float(value), None, None) for name, value in controls]
    return pd.DataFrame([(model, *line) for line in lines], columns=list(COLUMNS))


def untidy(table: pd.DataFrame, model: str) -> tuple[Rows, Gates]:
    """The rows and gates of one model, as `measure_family` gave them but for their details."""
    own = table[table["model"] == model]
    stated = own[own["role"] == "gate"]
    gates = {str(k): bool(v) for k, v in zip(stated["name"], stated["estimate"], strict=True)}
    return {claim: _row(own[own["claim"] == claim]) for claim in CLAIMS}, gates


def _row(lines: pd.DataFrame) -> dict[str, Any]:
    parts, counts, controls = (
        lines[lines["role"] == role].set_index("name") for role in ("part", "n", "control")
    )
    single = list(parts.index) == [""]
    ends = {end: parts[end].to_dict() for end in ("estimate", "low", "high")}
    return {
        **({end: values[""] for end, values in ends.items()} if single else ends),
        "n": int(counts["estimate"].iloc[0]),
        "controls": controls["estimate"].to_dict(),
    }


def family_frame(found: Mapping[str, Rows]) -> pd.DataFrame:
    """The numbers to read, a row a model: shares, the best block, and steerability kept.

    Args:
        found: Rows by model, as `untidy` returns them.
    """
    return pd.DataFrame.from_dict(
        {
            model: {
                "R9: silenced": own["R9"]["estimate"],
                "R10: fire on neither": own["R10"]["estimate"],
                "R11: negative, median": pd.Series(own["R11"]["estimate"]).median(),
                "R12: best block": int(own["R12"]["estimate"]),
                **{f"R13: kept {part}": value for part, value in own["R13"]["estimate"].items()},
            }
            for model, own in found.items()
        },
        orient="index",
    ).rename_axis("model")
