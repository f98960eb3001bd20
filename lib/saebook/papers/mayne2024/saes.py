"""The chapter's SAE, by one spec on every house model, and where it is found."""

from __future__ import annotations

from saebook.papers.mayne2024.parameters import Parameters
from saebook.subjects import hook_name
from saebook.zoo import HouseSAE, SAESpec, get_saes


def sae_spec(config: Parameters, model: str) -> SAESpec:
    """The spec of a model's SAE; the decoder bias is not subtracted from the input.

    The default corpus holds no behaviour documents, so that the SAEs meet the pairs unprepared.
    """
    return SAESpec(
        subject=model,
        hook_name=hook_name(config.layer),
        architecture=config.architecture,
        sparsity=config.sparsity,
        d_sae=config.d_sae,
        n_tokens=config.n_tokens,
        apply_b_dec_to_input=False,
    )


def sae_specs(config: Parameters) -> dict[str, SAESpec]:
    """The specs of the three models that the chapter rests on, by the model's name."""
    names = (config.model_name, config.mean0_model, config.mean3_model)
    return {name: sae_spec(config, name) for name in dict.fromkeys(names)}


def chapter_saes(config: Parameters) -> dict[str, HouseSAE]:
    """Return each model's SAE by the model's name, training what is neither shipped nor cached."""
    specs = sae_specs(config)
    found = get_saes(specs.values(), progress=config.tier == "full")
    return {name: found[spec] for name, spec in specs.items()}
