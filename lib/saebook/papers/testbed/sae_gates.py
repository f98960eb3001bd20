"""Gates on house SAEs: a claim that rests on an SAE which fails them is inconclusive."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from saebook.testbed.gates import GateResult
from saebook.testbed.house import D_MODEL
from saebook.zoo import HouseSAE, SAESpec

SAE_BOUNDS: dict[str, tuple[str, float, float, str, str]] = {
    "sae-l0": ("valid_l0", 1.0, D_MODEL / 4, "latents a token", "L0, at most a quarter of d_in"),
    "sae-fvu": ("valid_fvu_pooled", 0.0, 0.5, "fvu_pooled", "variance left unexplained"),
    "sae-dead": ("valid_dead_fraction", 0.0, 0.5, "share", "latents that never fire"),
    "sae-loss": (
        "loss_recovered_mean_ablation", 0.7, math.inf, "share",
        "loss recovered, against ablation to the mean",
    ),
    "sae-f1": (
        "best_latent_f1_median", 0.7, 1.0, "F1",
        "median over concepts of the best latent's F1, chosen and scored on different texts",
    ),
    "sae-nameable": (
        "n_nameable_latents", 100, math.inf, "latents",
        "live latents that detect a concept with F1 of at least 0.7",
    ),
}  # fmt: skip
"""Gate to (key of the validity report, least, most, unit, what it is).

The bounds were set before any SAE was measured: half of the variance, of the latents and nearly
a third of the loss may be lost; the F1 and the count of nameable latents are the testbed's own.
"""
STABLE_COSINE = 0.7


def sae_label(spec: SAESpec) -> str:
    """Name an SAE as gates do: subject, layer, architecture and target L0, training tokens."""
    return f"{spec.subject} layer {spec.layer} {spec.label} {spec.n_tokens // 1000}k"


def sae_gates(spec: SAESpec, report: Mapping[str, Any]) -> list[GateResult]:
    """Return the gates of one SAE from its validity report.

    Raises:
        ValueError: The report lacks a measurement; says which.
    """
    missing = [key for key, *_ in SAE_BOUNDS.values() if key not in report]
    if missing:
        raise ValueError(
            f"the report of {sae_label(spec)} lacks {', '.join(missing)}; measure it with "
            "saebook.zoo.validity.validity_report"
        )
    n = int(report["n_valid_tokens"])
    return [
        GateResult(
            name, "general", sae_label(spec), float(report[key]), low, high, unit, says, n
        )
        for name, (key, low, high, unit, says) in SAE_BOUNDS.items()
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
        "sae-stability", "general", sae_label(one.spec), float(twins.float().mean()),
        0.5, 1.0, "share", says, len(twins),
    )  # fmt: skip


def twin_cosines(one: Tensor, other: Tensor) -> Tensor:
    """Return for each row of `one` [n, d] its largest cosine with a row of `other` [m, d]."""
    unit = torch.nn.functional.normalize
    return (unit(one, dim=1) @ unit(other, dim=1).T).max(dim=1).values


def sae_frame(entries: Iterable[tuple[SAESpec, Mapping[str, Any]]]) -> pd.DataFrame:
    """One row an SAE: architecture, measured figures, and whether all its gates hold."""
    rows = []
    for spec, report in entries:
        gates = sae_gates(spec, report)
        figures = {gate.name.removeprefix("sae-"): gate.value for gate in gates}
        rows.append(
            {
                "sae": sae_label(spec),
                "architecture": spec.architecture,
                "target L0": spec.sparsity,
                **figures,
                "valid": all(gate.passed for gate in gates),
            }
        )
    return pd.DataFrame(rows).set_index("sae")
