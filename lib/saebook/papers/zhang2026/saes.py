"""The chapter's SAEs: one by default, and those its ablations compare."""

from __future__ import annotations

from typing import Any

from saebook.papers.zhang2026.features import Key
from saebook.papers.zhang2026.parameters import Parameters
from saebook.subjects import hook_name
from saebook.zoo import HouseSAE, SAESpec, get_saes

SPARSITIES = (3.0, 7.0, 13.0, 22.0, 34.0)
"""Target L0 of the five SAEs of C8: the paper's 13 to 109 on width 3,584, and what lies around."""
DEPTHS = (3, 4, 5)
"""The blocks of six that lie nearest to depths .54, .71 and .89."""


def spec_of(
    config: Parameters, layer: int | None = None, sparsity: float | None = None, seed: int = 0
) -> SAESpec:
    """Return the spec of one SAE, the chapter's default unless told otherwise."""
    return SAESpec(
        subject=config.model_name,
        hook_name=hook_name(config.layer if layer is None else layer),
        architecture=config.architecture,
        sparsity=config.sparsity if sparsity is None else sparsity,
        seed=seed,
    )


def name_of(spec: SAESpec) -> Key:
    """Return the key by which the chapter's tables name an SAE."""
    return spec.layer, f"L0 {spec.sparsity:g}" + (f" seed {spec.seed}" if spec.seed else "")


def default_sae(config: Parameters) -> HouseSAE:
    """Return the SAE of the live part."""
    spec = spec_of(config)
    return get_saes([spec], progress=False)[spec]


def sparsity_specs(config: Parameters) -> list[SAESpec]:
    """Return the specs of five sparsities that C8 compares; they ship with the package."""
    return [spec_of(config, sparsity=sparsity) for sparsity in SPARSITIES]


def further_specs(config: Parameters) -> list[SAESpec]:
    """Return the specs of another seed (control of C8) and of two more layers (C9)."""
    others = [spec_of(config, layer=layer) for layer in DEPTHS if layer != config.layer]
    return [spec_of(config, seed=1), *others]


def load_all(specs: list[SAESpec]) -> dict[Key, Any]:
    """Return SAEs by key, trained where neither shipped nor cached."""
    found = get_saes(specs, progress=False)
    return {name_of(spec): found[spec].sae for spec in specs}
