"""What the house models' cards say, and their gates as a frame."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from saebook.testbed import HOUSE_MODELS, WORLD_VERSION, shipped_models
from saebook.testbed.gates import GateResult, evaluate_gates
from saebook.testbed.house import D_MODEL, house_spec, model_folder


def chosen_models(model_name: str, which: str) -> tuple[str, ...]:
    """Return the shipped models that a run gates: `one`, the `family` of that one, or `all`.

    A family is its base and instruct models and those with another residual mean, without further
    seeds and widths.

    Raises:
        ValueError: Unknown or unshipped model, or an unknown choice.
    """
    family = house_spec(model_name).family
    choices = {
        "one": (model_name,),
        "family": tuple(
            name
            for name, spec in HOUSE_MODELS.items()
            if name == model_name or (spec.family, spec.seed, spec.d_model) == (family, 0, D_MODEL)
        ),
        "all": tuple(HOUSE_MODELS),
    }
    if which not in choices:
        raise ValueError(f"models is {which!r}; choose one of {', '.join(choices)}")
    found = tuple(name for name in shipped_models() if name in choices[which])
    if model_name not in found:
        raise ValueError(f"house model {model_name!r} is not shipped; train it with `make models`")
    return found


def read_card(name: str) -> dict[str, Any]:
    """Read the card of a shipped model. Raises ValueError when it has none."""
    path = model_folder(name) / "card.json"
    if not path.is_file():
        raise ValueError(f"house model {name!r} is not shipped; train it with `make models`")
    return json.loads(path.read_text("utf-8"))


def present_weights() -> dict[str, str]:
    """Digest of each shipped model's weights, and the world's version under `world`."""
    digests = {name: read_card(name)["sha256"] for name in shipped_models()}
    return {"world": WORLD_VERSION, **digests}


def card_frame(names: Sequence[str]) -> pd.DataFrame:
    """One row a model: what it is, its size, and what its training took."""
    cards = [read_card(name) for name in names]
    rows = [
        {
            "model": card["name"],
            "family": card["family"],
            "kind": card["kind"],
            "seed": card["seed"],
            "residual mean": card["residual_mean"],
            "parameters [M]": card["parameters"] / 1e6,
            "tokens [M]": card["tokens"] / 1e6,
            "minutes": card["seconds"] / 60,
            "threads": card["threads"],
            "size [MB]": (model_folder(card["name"]) / "model.safetensors").stat().st_size / 1e6,
        }
        for card in cards
    ]
    return pd.DataFrame(rows).set_index("model")


def loss_frame(names: Sequence[str]) -> pd.DataFrame:
    """One row a model and register: held-out loss, entropy floor and their gap, nats a token."""
    rows = [
        {"model": name, "register": register, **pair, "gap": pair["loss"] - pair["floor"]}
        for name in names
        for register, pair in read_card(name)["losses"].items()
    ]
    return pd.DataFrame(rows)


def card_table(names: Sequence[str]) -> pd.DataFrame:
    """`card_frame` for reading, with a last row that adds up tokens, minutes and megabytes.

    Family and kind are left out: a model's name says both.
    """
    frame = card_frame(names).drop(columns=["family", "kind", "threads"])
    sums = frame[["tokens [M]", "minutes", "size [MB]"]].sum().rename("all of them")
    rows = pd.concat([frame.astype(object), sums.to_frame().T.astype(object)])
    return rows.map(lambda value: f"{value:.3g}" if isinstance(value, float) else str(value)).where(
        rows.notna(), ""
    )


def loss_table(names: Sequence[str]) -> pd.DataFrame:
    """`loss_frame` for reading: models down, registers across, `loss (gap)` in each cell."""
    frame = loss_frame(names)
    shown = frame.assign(cell=[f"{r.loss:.2f} ({r.gap:+.2f})" for r in frame.itertuples()])
    wide = shown.pivot(index="model", columns="register", values="cell").fillna("")
    wide = wide.loc[list(names), list(frame["register"].unique())]
    return wide.rename_axis(index=None, columns=None)


def measured_gates(names: Sequence[str], n: int, seed: int) -> list[GateResult]:
    """Evaluate the gates of the world and of the named models on `n` items each.

    Items are drawn from seeds far from those of the training streams.
    """
    return evaluate_gates(list(names), n=n, seed=9_000 + 1_000 * seed)


def seed_or_family(gates: pd.DataFrame) -> pd.DataFrame:
    """Gate values of the base models that differ in seed alone, and of those in family alone.

    Args:
        gates: Columns gate, model and value.

    Returns:
        Index gate; a column a model, then how far apart (largest minus smallest) the seeds are and
        how far the families. Only gates that all of these models have; no rows without records.
    """
    base = [spec for spec in HOUSE_MODELS.values()
            if (spec.kind, spec.residual_mean, spec.d_model) == ("base", 1.0, D_MODEL)]  # fmt: skip
    families = [spec.name for spec in base if spec.seed == 0]
    first = HOUSE_MODELS[families[0]].family
    seeds = [spec.name for spec in base if spec.family == first]
    names = list(dict.fromkeys([*seeds, *families]))
    wide = gates.pivot(index="gate", columns="model", values="value").reindex(columns=names)
    wide = wide.dropna().rename_axis(index=None, columns=None)
    spreads = {"seeds apart": seeds, "families apart": families}
    return wide.assign(**{k: wide[v].max(axis=1) - wide[v].min(axis=1) for k, v in spreads.items()})
