"""The house grid: the thirty SAEs of the default model that ship with the package."""

from __future__ import annotations

from saebook.zoo.spec import ARCHITECTURES, SAESpec

SPARSITIES = (2, 3, 7, 13, 22, 34)
"""Target L0: Wang et al.'s 50 to 820 on width 2,304, scaled by L0 / d_model to 96."""


def house_grid(subject: str = "gemma2-base", layer: int = 3, seed: int = 0) -> list[SAESpec]:
    """Specs of five architectures at six sparsities, d_sae 768, in a fixed order.

    Args:
        subject: Name of the house model.
        layer: Block whose output is read.
        seed: Seed of the initial weights.
    """
    return [
        SAESpec(
            subject=subject,
            hook_name=f"blocks.{layer}.hook_resid_post",
            architecture=architecture,
            sparsity=sparsity,
            seed=seed,
        )
        for architecture in ARCHITECTURES
        for sparsity in SPARSITIES
    ]
