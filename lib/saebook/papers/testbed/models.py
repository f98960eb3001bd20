"""What the house models' cards say, and their gates as a frame."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from saebook.testbed import HOUSE_MODELS, shipped_models
from saebook.testbed.gates import GateResult, evaluate_gates
from saebook.testbed.house import house_spec, model_folder


def chosen_models(model_name: str, which: str) -> tuple[str, ...]:
    """Return the shipped models that a run gates: `one`, the `family` of that one, or `all`.

    Raises:
        ValueError: Unknown or unshipped model, or an unknown choice.
    """
    family = house_spec(model_name).family
    choices = {
        "one": (model_name,),
        "family": tuple(n for n, spec in HOUSE_MODELS.items() if spec.family == family),
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


def measured_gates(names: Sequence[str], n: int, seed: int) -> list[GateResult]:
    """Evaluate the gates of the world and of the named models on `n` items each.

    Items are drawn from seeds far from those of the training streams.
    """
    return evaluate_gates(list(names), n=n, seed=9_000 + 1_000 * seed)


def gate_frame(results: Sequence[GateResult]) -> pd.DataFrame:
    """One row a gate and model, in the columns that `gates_figure` draws."""
    rows = [
        {
            "gate": r.name,
            "model": r.model,
            "paper": r.paper,
            "label": f"{r.name} · {r.model}",
            "value": r.value,
            "low": r.low,
            "high": r.high,
            "unit": r.unit,
            "n": r.n,
            "passed": r.passed,
            "says": r.says,
        }
        for r in results
    ]
    return pd.DataFrame(rows)


def gate_table(results: Sequence[GateResult]) -> pd.DataFrame:
    """Gates down, models across: each value with a tick where it holds and a cross where not."""
    frame = gate_frame(results)
    frame["bounds"] = [f"{r.low:g} to {r.high:g} {r.unit}" for r in results]
    marks = frame["passed"].map({True: "✓", False: "✗"})
    frame["shown"] = frame["value"].map("{:.3g}".format) + " " + marks
    table = frame.pivot(index=["gate", "bounds"], columns="model", values="shown").fillna("")
    order = frame[["gate", "bounds"]].drop_duplicates()
    models = list(dict.fromkeys(frame["model"]))
    return table.loc[list(order.itertuples(index=False, name=None)), models].reset_index("bounds")
