"""Gates on house SAEs: a claim that rests on an SAE which fails them is inconclusive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from saebook.testbed.gates import GateResult
from saebook.zoo import HouseSAE, SAESpec, get_saes
from saebook.zoo.validity import SAE_BOUNDS

SAE_GATES = {
    "sae-l0": "valid_l0",
    "sae-fvu": "valid_fvu_pooled",
    "sae-dead": "valid_dead_fraction",
    "sae-loss": "loss_recovered_mean_ablation",
    "sae-f1": "best_latent_f1_median",
    "sae-nameable": "n_nameable_latents",
}
"""Figure of the validity report behind each gate; its bounds are those of the zoo."""
STABILITY, STABLE_COSINE = "sae-stability", 0.7


def sae_label(spec: SAESpec) -> str:
    """Name an SAE as gates do: subject, layer, architecture and target L0, training tokens."""
    return f"{spec.subject} layer {spec.layer} {spec.label} {spec.n_tokens // 1000}k"


def sae_gates(spec: SAESpec, report: Mapping[str, Any]) -> list[GateResult]:
    """Return the gates of one SAE from its validity report.

    Raises:
        ValueError: The report lacks a measurement; says which.
    """
    missing = [key for key in SAE_GATES.values() if key not in report]
    if missing:
        raise ValueError(
            f"the report of {sae_label(spec)} lacks {', '.join(missing)}; measure it with "
            "saebook.zoo.validity.validity_report"
        )
    n = int(report["n_valid_tokens"])
    return [
        GateResult(
            name, "general", sae_label(spec), float(report[key]), *SAE_BOUNDS[key], n
        )
        for name, key in SAE_GATES.items()
    ]  # fmt: skip


def stability_gate(one: HouseSAE, other: HouseSAE) -> GateResult:
    """Share of decoder rows that have a twin in an SAE from another seed.

    A twin is a row with a cosine of at least `STABLE_COSINE`. Dead latents count too.

    Raises:
        ValueError: The two differ in more than their seed.
    """
    if one.spec.model_copy(update={"seed": other.spec.seed}) != other.spec:
        raise ValueError(
            f"stability compares SAEs that differ in their seed alone: {one.spec} and {other.spec}"
        )
    twins = twin_cosines(one.sae.W_dec, other.sae.W_dec) >= STABLE_COSINE
    says = f"latents with a twin (decoder cosine of {STABLE_COSINE}) under another seed"
    return GateResult(
        STABILITY, "general", sae_label(one.spec), float(twins.float().mean()),
        0.5, 1.0, "share", says, len(twins),
    )  # fmt: skip


def grid_stability(grid: Mapping[SAESpec, HouseSAE], progress: bool = True) -> list[GateResult]:
    """Stability of each SAE of a grid against one of the next seed, trained where missing."""
    reseeded = {spec: spec.model_copy(update={"seed": spec.seed + 1}) for spec in grid}
    others = get_saes(reseeded.values(), progress=progress)
    return [stability_gate(entry, others[reseeded[spec]]) for spec, entry in grid.items()]


def stability_frame(held: Mapping[str, float], grid: Mapping[SAESpec, HouseSAE]) -> pd.DataFrame:
    """Stability against sparsity: a row an SAE of the grid whose stability is known.

    Args:
        held: Share of latents with a twin, by `sae_label`.
        grid: The SAEs, with their reports.

    Returns:
        Columns architecture, l0 (measured on held-out texts), stability (share of latents).
    """
    rows = [
        (spec.architecture, entry.report["valid_l0"], held[sae_label(spec)])
        for spec, entry in grid.items()
        if sae_label(spec) in held
    ]
    return pd.DataFrame(rows, columns=pd.Index(["architecture", "l0", "stability"]))


def twin_cosines(one: Tensor, other: Tensor) -> Tensor:
    """Return for each row of `one` [n, d] its largest cosine with a row of `other` [m, d]."""
    unit = torch.nn.functional.normalize
    return (unit(one, dim=1) @ unit(other, dim=1).T).max(dim=1).values


def sae_frame(entries: Iterable[tuple[SAESpec, Mapping[str, Any]]]) -> pd.DataFrame:
    """One row an SAE of one layer: measured figures, and whether all its gates hold."""
    rows = []
    for spec, report in entries:
        gates = sae_gates(spec, report)
        figures = {gate.name.removeprefix("sae-"): gate.value for gate in gates}
        rows.append(
            {
                "sae": f"{spec.label} {spec.n_tokens // 1000}k",
                "architecture": spec.architecture,
                **figures,
                "valid": all(gate.passed for gate in gates),
            }
        )
    return pd.DataFrame(rows).set_index("sae")


def grid_twin(spec: SAESpec, shipped: Iterable[SAESpec]) -> SAESpec | None:
    """The shipped spec that differs from `spec` in its number of tokens alone, if there is one."""
    alike = (s for s in shipped if spec.model_copy(update={"n_tokens": s.n_tokens}) == s)
    return next(alike, None)


def twin_frame(entries: Mapping[str, tuple[SAESpec, Mapping[str, Any]]]) -> pd.DataFrame:
    """Size and figures of SAEs side by side, for reading: a row a figure, a column an SAE.

    Args:
        entries: Spec and validity report by what the SAE is called.

    Raises:
        ValueError: A report lacks a measurement; says which.
    """
    columns = {}
    for name, (spec, report) in entries.items():
        figures = {gate.says: gate.value for gate in sae_gates(spec, report)}
        read = {"tokens it was trained on": spec.n_tokens, "passes over them": spec.epochs}
        columns[name] = {k: _short(v) for k, v in {**read, **figures}.items()}
    return pd.DataFrame(columns)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
