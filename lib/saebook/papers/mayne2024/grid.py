"""Which SAEs stand behind R15, and which of them are at hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from saebook.papers.mayne2024.parameters import Parameters
from saebook.papers.mayne2024.saes import sae_spec
from saebook.subjects import hook_name
from saebook.zoo import HouseSAE, SAESpec, find_saes, get_saes

FAMILIES = tuple(
    f"{family}-{kind}" for family in ("gemma2", "llama", "qwen2") for kind in ("base", "instruct")
)
"""House models of the paper's kind of family, base and instruct; their residual mean is 1."""
LAYERS = (1, 2, 3, 4, 5)
SPARSITIES = (2.0, 3.0, 7.0, 13.0, 22.0, 34.0)
CROSSED_SPARSITIES = (3.0, 13.0, 34.0)
"""Target L0 at which every layer of the model with residual mean 3 has an SAE."""
ARCHITECTURES = ("standard", "jumprelu", "topk", "batchtopk")
"""Those whose codes are x W_enc + b_enc where active."""
FACTORS = ("layer", "architecture", "sparsity", "d_sae", "apply_b_dec_to_input", "seed")
PLACE = ("subject", *FACTORS)
"""Columns that name an SAE in a table of cells."""


def other_models(config: Parameters) -> list[str]:
    """House models of the families beside the chapter's own."""
    return [name for name in FAMILIES if name != config.model_name]


def grid(config: Parameters) -> list[SAESpec]:
    """The SAEs of R15: one factor at a time around the chapter's own, in every model.

    With residual mean 3 all factors vary: layers 1 to 5, six sparsities, two widths, two
    architectures, the decoder bias in or out of the input, three seeds. The other models have the
    chapter's SAE alone, the default model its six sparsities and four architectures as well, and
    the model without a residual mean, the control, a JumpReLU SAE beside it.
    """
    base, own, control = (
        sae_spec(config, name)
        for name in (config.mean3_model, config.model_name, config.mean0_model)
    )
    varied = [
        *({"hook_name": hook_name(layer)} for layer in LAYERS),
        *({"sparsity": sparsity} for sparsity in SPARSITIES),
        {"d_sae": config.d_sae // 2},
        {"architecture": "jumprelu"},
        {"apply_b_dec_to_input": True},
        *({"seed": seed} for seed in (1, 2)),
    ]
    specs = [
        *(base.model_copy(update=change) for change in varied),
        own,
        *(sae_spec(config, name) for name in other_models(config)),
        control,
        *(own.model_copy(update={"sparsity": sparsity}) for sparsity in SPARSITIES),
        *(own.model_copy(update={"architecture": name}) for name in ARCHITECTURES),
        control.model_copy(update={"architecture": "jumprelu"}),
    ]
    return list(dict.fromkeys(specs))


def crossing(config: Parameters) -> list[SAESpec]:
    """Every layer at three sparsities, residual mean 3: shown beside R15 and not counted in it."""
    base = sae_spec(config, config.mean3_model)
    return [
        base.model_copy(update={"hook_name": hook_name(layer), "sparsity": sparsity})
        for layer in LAYERS
        for sparsity in CROSSED_SPARSITIES
    ]


def grid_saes(config: Parameters, own: Iterable[HouseSAE]) -> dict[SAESpec, HouseSAE]:
    """The SAEs of grid and crossing that this run has, the chapter's own among them."""
    specs = list(dict.fromkeys([*grid(config), *crossing(config)]))
    return at_hand(specs, config) | {e.spec: e for e in own if e.spec in specs}


def at_hand(specs: Iterable[SAESpec], config: Parameters) -> dict[SAESpec, HouseSAE]:
    """Those of some SAEs that a run may use.

    With `train_missing` all, trained where they exist nowhere; at the full tier those that are
    shipped or cached; else the shipped ones, because what a user's cache happens to hold must not
    change the numbers of the book.
    """
    if config.train_missing:
        return get_saes(specs, progress=config.tier == "full")
    found = find_saes(specs)
    if config.tier == "full":
        return found
    return {spec: entry for spec, entry in found.items() if entry.origin == "shipped"}


def place(spec: SAESpec) -> tuple[Any, ...]:
    """Subject and factors of a spec, in the order of `PLACE`."""
    return tuple(getattr(spec, name) for name in PLACE)


def missing(config: Parameters, cells: pd.DataFrame) -> pd.DataFrame:
    """The SAEs of the grid of which a table of cells holds none: subject and the factors."""
    held = set(cells[list(PLACE)].itertuples(index=False, name=None))
    rows = [place(spec) for spec in grid(config) if place(spec) not in held]
    return pd.DataFrame(rows, columns=list(PLACE))
