"""Do R4, R5, R8 and R11 hold together elsewhere (R15): one cell a model, SAE and behaviour."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import pandas as pd

from saebook.papers.mayne2024.arms import Arm, measure_arm, overlap_cells
from saebook.papers.mayne2024.bias_latent import bias_latent, scaled_ratios
from saebook.papers.mayne2024.parameters import Parameters
from saebook.papers.mayne2024.rows import TOP_K
from saebook.papers.mayne2024.signs import negative_share
from saebook.papers.mayne2024.vectors import norm_percentile
from saebook.stats import Interval, cluster_bootstrap, proportion_interval
from saebook.subjects import hook_name, load_subject
from saebook.testbed import World
from saebook.zoo import HouseSAE, SAESpec, find_saes, get_saes

ARCHITECTURES = ("standard", "jumprelu", "topk", "batchtopk")
"""Those whose codes are x W_enc + b_enc where active."""
TESTED = ("R4", "R5", "R8", "R11")
FACTORS = ("layer", "architecture", "sparsity", "d_sae", "apply_b_dec_to_input", "seed")
Passes = Mapping[str, Callable[[float], bool]]
"""The ledger's rule for one cell of each tested row."""


def grid(config: Parameters) -> list[SAESpec]:
    """The SAEs asked for: one factor at a time around the chapter's own, in every model.

    With residual mean 3 all factors vary: layers 1 to 5, six sparsities, two widths, two
    architectures, the decoder bias in or out of the input, three seeds. The other models have the
    chapter's SAE alone, the default model its six sparsities and four architectures as well.
    """
    base = SAESpec(
        subject=config.mean3_model,
        hook_name=hook_name(config.layer),
        architecture=config.architecture,
        sparsity=config.sparsity,
        d_sae=config.d_sae,
        n_tokens=config.n_tokens,
    )
    varied = [
        *({"hook_name": hook_name(layer)} for layer in (1, 2, 3, 4, 5)),
        *({"sparsity": float(sparsity)} for sparsity in (2, 3, 7, 13, 22, 34)),
        {"d_sae": config.d_sae // 2},
        {"architecture": "jumprelu"},
        {"apply_b_dec_to_input": True},
        *({"seed": seed} for seed in (1, 2)),
    ]
    specs = [base.model_copy(update=change) for change in varied]
    specs += [base.model_copy(update={"subject": name}) for name in other_models(config)]
    specs += [
        base.model_copy(update={"subject": config.model_name, "sparsity": float(sparsity)})
        for sparsity in (2, 3, 7, 13, 22, 34)
    ]
    own = base.model_copy(update={"subject": config.model_name})
    specs += [own.model_copy(update={"architecture": name}) for name in ARCHITECTURES]
    specs.append(
        base.model_copy(update={"subject": config.mean0_model, "architecture": "jumprelu"})
    )
    return list(dict.fromkeys(specs))


def other_models(config: Parameters) -> list[str]:
    """House models beside the one with residual mean 3; the one without a mean is the control."""
    families = [f"{family}-{kind}" for family in ("gemma2", "llama", "qwen2")
                for kind in ("base", "instruct")]  # fmt: skip
    return list(dict.fromkeys([config.model_name, *families, config.mean0_model]))


def grid_saes(config: Parameters, own: Iterable[HouseSAE]) -> dict[SAESpec, HouseSAE]:
    """The grid's SAEs: shipped ones and the chapter's own; at the full tier, all that are at hand.

    With `train_missing` the rest is trained first.
    """
    specs = grid(config)
    if config.train_missing:
        return get_saes(specs, progress=False)
    found = find_saes(specs)
    if config.tier == "full":
        return found
    # What a user's cache happens to hold must not change the numbers of the book.
    always = {entry.spec for entry in own}
    return {s: entry for s, entry in found.items() if entry.origin == "shipped" or s in always}


def missing(config: Parameters, found: Iterable[SAESpec]) -> pd.DataFrame:
    """The SAEs of the grid that this run lacks: subject and the factors."""
    lacking = set(grid(config)) - set(found)
    rows = [spec.model_dump() | {"layer": spec.layer} for spec in grid(config) if spec in lacking]
    return pd.DataFrame(rows, columns=["subject", *FACTORS])


def generality_cells(
    saes: Mapping[SAESpec, HouseSAE],
    world: World,
    passes: Passes,
    config: Parameters,
    measured: Iterable[Arm] = (),
) -> pd.DataFrame:
    """Measure R4, R5, R8 and R11 on every SAE and behaviour.

    Args:
        saes: By spec.
        world: Of the texts and pairs.
        passes: The ledger's rule for one cell of each row.
        config: Sizes and seed.
        measured: Arms whose text and pairs need not be read again.

    Returns:
        A row a cell: subject, the factors, behaviour, the four values and whether each passes
        the ledger's rule for one cell (`R4 holds`, …), and `all hold`.
    """
    known = {(arm.name, arm.layer): arm for arm in measured}
    parts = []
    for spec in sorted(saes, key=lambda s: (s.subject, s.layer)):
        entry, place = saes[spec], (spec.subject, spec.layer)
        if place not in known:
            own = config.model_copy(update={"layer": spec.layer})
            known[place] = measure_arm(load_subject(spec.subject), world, entry.sae, own)
        parts.append(_cells(replace(known[place], sae=entry.sae), spec, passes, config))
    return pd.concat(parts, ignore_index=True)


def _cells(arm: Arm, spec: SAESpec, passes: Passes, config: Parameters) -> pd.DataFrame:
    draws, seed = 50, config.seed  # only the estimates are kept
    found = bias_latent(arm)
    ratios = scaled_ratios(arm, found, draws, seed)
    overlaps = overlap_cells(arm, draws, seed)
    rows = []
    for name, contrast in arm.contrasts.items():
        change = (arm.sae.encode(contrast.positive) - arm.sae.encode(contrast.negative)).mean(0)
        values = {
            "R4": norm_percentile(arm.norms, contrast, draws, seed).estimate,
            "R5": overlaps[name].estimate,
            "R8": ratios[name].estimate if found.active else 0.0,
            "R11": negative_share(change, TOP_K).estimate if bool(change.any()) else 0.0,
        }
        holds = {f"{row} holds": passes[row](value) for row, value in values.items()}
        rows.append({"behaviour": name, **values, **holds, "all hold": all(holds.values())})
    factors = {name: getattr(spec, name) for name in FACTORS}
    active = int((arm.at_zero > 0).sum())
    frame = pd.DataFrame(rows)
    return frame.assign(
        subject=spec.subject, **factors, mean_share=arm.mean_share, active_at_zero=active
    )


def generality_row(cells: pd.DataFrame, config: Parameters) -> dict[str, object]:
    """R15: share of cells in which all four hold; the model without a mean is the control.

    The interval is the wider of Wilson's over cells and a bootstrap over whole SAEs.
    """
    is_control = cells["subject"] == config.mean0_model
    share = _share(cells[~is_control], config)
    bare = cells.loc[is_control, "all hold"]
    holding = cells[~is_control].groupby("subject", sort=False)["all hold"].mean()
    return {
        **share._asdict(),
        "n": int((~is_control).sum()),
        "controls": {"share_of_cells_at_mean0": float(bare.mean())},
        "detail": {"share_by_model": holding.to_dict()},
    }


def _share(cells: pd.DataFrame, config: Parameters) -> Interval:
    held = cells["all hold"].to_numpy(float)
    wilson = proportion_interval(int(held.sum()), len(held))
    names = cells[["subject", *FACTORS]].astype(str).agg("/".join, axis=1).tolist()
    if len(set(names)) < 2:
        return wilson
    spread = cluster_bootstrap(held, names, seed=config.seed, n_resamples=config.n_resamples)
    return Interval(wilson.estimate, min(wilson.low, spread.low), max(wilson.high, spread.high))


def by_factor(cells: pd.DataFrame, factor: str) -> pd.DataFrame:
    """Share of cells that hold, by one factor: columns the factor, R4, R5, R8, R11, all, cells."""
    columns = [*(f"{row} holds" for row in TESTED), "all hold"]
    groups = cells.groupby(factor, sort=False)
    return groups[columns].mean().assign(cells=groups.size())
