"""R9 to R13 on the other house models: measured as in the chapter, judged by the same rules."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from saebook.papers.mayne2024 import rows
from saebook.papers.mayne2024.arms import measure_arm
from saebook.papers.mayne2024.effects import movements
from saebook.papers.mayne2024.gates import (
    balanced,
    behaviours_steer,
    enough,
    sae_checks,
    vectors_reliable,
)
from saebook.papers.mayne2024.grid import at_hand, other_models
from saebook.papers.mayne2024.layers import best_layer_row, layer_frame, steer_layers
from saebook.papers.mayne2024.parameters import Parameters
from saebook.papers.mayne2024.rows import Row
from saebook.papers.mayne2024.saes import sae_spec
from saebook.papers.mayne2024.sources import WorldSource
from saebook.papers.mayne2024.steerability import VECTOR, steer_all
from saebook.subjects import load_subject
from saebook.testbed import World
from saebook.zoo import HouseSAE
from saebook.zoo.validity import SAE_VALID

CLAIMS = ("R9", "R10", "R11", "R12", "R13")
GATES = ("sae_valid", "vector_reliable", "behaviours_steer", "unsteered_balanced")
"""What the ledger asks to hold before these rows mean anything."""
COLUMNS = ("model", "claim", "role", "name", "estimate", "low", "high")
ENDS = ("estimate", "low", "high")


@dataclass(frozen=True, eq=False)
class Family:
    """What one house model shows."""

    rows: dict[str, Row]
    """R9 to R13 in the shape in which a result is recorded."""
    gates: dict[str, bool]
    checks: dict[str, float]
    """The figures by which its SAE was judged, those of `SAE_VALID`."""
    profile: pd.DataFrame
    """Steerability by block: columns layer, estimate, low, high."""


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
    """Every model that has an SAE, one below the other (see `tidy`)."""
    parts = [tidy(name, measure_family(name, saes[name], world, config)) for name in saes]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))


def measure_family(name: str, entry: HouseSAE, world: World, config: Parameters) -> Family:
    """Measure R9 to R13 on one model as the chapter does on its own."""
    subject, source = load_subject(name), WorldSource(world)
    arm = measure_arm(subject, source, entry.sae, config)
    signs = rows.all_signs(arm, config)
    steered_frame = steer_all(subject, source, arm, config)
    moves = movements(steered_frame)
    steered = behaviours_steer(moves, config.measure)
    slopes = steer_layers(subject, source, source.behaviours, config)
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
        "R12": best_layer_row(slopes, config),
        "R13": rows.kept_row(steered_frame, steered, config),
    }
    figures = {figure: float(checks[figure].iloc[0]) for figure in SAE_VALID}
    profile = vector_profile(layer_frame(slopes, config.n_resamples, config.seed))
    return Family(found, dict(zip(GATES, held, strict=True)), figures, profile)


def vector_profile(frame: pd.DataFrame) -> pd.DataFrame:
    """The vector's own lines of a `layer_frame`: columns layer, estimate, low, high."""
    own = frame[frame["vector"] == VECTOR]
    return own[["layer", *ENDS]].reset_index(drop=True)


def tidy(model: str, family: Family) -> pd.DataFrame:
    """Lay a model out as a table that a record can hold.

    Returns:
        Columns model, claim, role (part, n, control, gate, check or layer), name, estimate, low,
        high. A row of the ledger that is one number has a part without a name; gates, checks and
        layers belong to no claim.
    """
    lines = [("", "gate", name, float(held), None, None) for name, held in family.gates.items()]
    lines += [("", "check", name, value, None, None) for name, value in family.checks.items()]
    profile = family.profile.itertuples(index=False, name=None)
    lines += [("", "layer", str(layer), *ends) for layer, *ends in profile]
    for claim, row in family.rows.items():
        ends = [
            row[end] if isinstance(row["estimate"], Mapping) else {"": row[end]} for end in ENDS
        ]
        lines += [(claim, "part", name, *(float(end[name]) for end in ends)) for name in ends[0]]
        lines += [(claim, "n", "", float(row["n"]), None, None)]
        controls = row["controls"].items()
        lines += [(claim, "control", name, float(value), None, None) for name, value in controls]
    return pd.DataFrame([(model, *line) for line in lines], columns=list(COLUMNS))


def untidy(table: pd.DataFrame, model: str) -> Family:
    """What `tidy` laid out, without the details of the rows."""
    own = table[table["model"] == model]
    layers = own.loc[own["role"] == "layer", ["name", *ENDS]]
    profile = layers.rename(columns={"name": "layer"}).astype({"layer": int})
    return Family(
        {claim: _row(own[own["claim"] == claim]) for claim in CLAIMS},
        {name: bool(held) for name, held in _numbers(own, "gate").items()},
        _numbers(own, "check"),
        profile.reset_index(drop=True),
    )


def _row(lines: pd.DataFrame) -> Row:
    ends = {end: _numbers(lines, "part", end) for end in ENDS}
    single = set(ends["estimate"]) == {""}
    return {
        **({end: values[""] for end, values in ends.items()} if single else ends),
        "n": int(_numbers(lines, "n")[""]),
        "controls": _numbers(lines, "control"),
    }


def _numbers(lines: pd.DataFrame, role: str, column: str = "estimate") -> dict[str, float]:
    own = lines[lines["role"] == role]
    return {str(k): float(v) for k, v in zip(own["name"], own[column], strict=True)}


def family_frame(found: Mapping[str, Family]) -> pd.DataFrame:
    """The numbers to read, a row a model: the SAE's F1, shares, best block, steerability kept."""
    return pd.DataFrame.from_dict(
        {name: _numbers_to_read(own) for name, own in found.items()}, orient="index"
    ).rename_axis("model")


def _numbers_to_read(family: Family) -> dict[str, float]:
    estimates = {claim: row["estimate"] for claim, row in family.rows.items()}
    return {
        "SAE: best-latent F1": family.checks["best_latent_f1_median"],
        "R9: silenced": estimates["R9"],
        "R10: fire on neither": estimates["R10"],
        "R11: negative, median": statistics.median(estimates["R11"].values()),
        "R12: best block": int(estimates["R12"]),
        **{f"R13: kept {part}": value for part, value in estimates["R13"].items()},
    }


def profile_frame(found: Mapping[str, Family]) -> pd.DataFrame:
    """Steerability by block of every model: columns model, layer, estimate, low, high."""
    parts = [family.profile.assign(model=name) for name, family in found.items()]
    return pd.concat(parts, ignore_index=True)
