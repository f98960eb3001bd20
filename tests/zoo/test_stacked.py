"""Stacked training: sae-lens's losses and gradients, and the weights of single training."""

from __future__ import annotations

import pytest
import torch
from sae_lens.saes.sae import TrainStepInput
from synthetic import D_IN, SyntheticSource, small_spec

from saebook.reconstruction import fvu_pooled, l0
from saebook.zoo import ARCHITECTURES, find_saes, get_saes
from saebook.zoo.selection import largest
from saebook.zoo.stack_losses import LOSSES, StackInput
from saebook.zoo.stacked import AT_MOST, StackedTraining, fit_stack, stacks
from saebook.zoo.train import build_training_sae, fit, to_inference

EACH = pytest.mark.parametrize("architecture", ARCHITECTURES)
RECIPES = [
    *((architecture, "2") for architecture in ARCHITECTURES),
    ("standard", "1-l1-unweighted"),
    ("topk", "1-topk-without-decoder-norm"),
    ("batchtopk", "1-topk-without-decoder-norm"),
    ("topk", "2-llama-scope"),
]
N_DEAD = (0, 3, 40)
"""Dead latents of the three SAEs: none, fewer than d_in / 2, more."""


def _specs(architecture, **changes):
    return [small_spec(architecture=architecture, sparsity=k, seed=k, **changes) for k in (2, 3, 5)]


def _moved(specs):
    """Training SAEs away from their symmetric start, as step 100 would find them."""
    saes = [build_training_sae(spec, D_IN) for spec in specs]
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for sae in saes:
            for value in sae.parameters():
                value += 0.05 * torch.randn(value.shape, generator=generator)
            if hasattr(sae, "threshold"):
                sae.threshold.clamp_(min=0.0)  # as every step of sae-lens begins
    return saes


def _step_of_sae_lens(sae, x, coefficient, dead):
    """Loss and gradients of sae-lens's own class, the controller left out."""
    step = TrainStepInput(x, {"l1": coefficient, "l0": coefficient}, dead, 10**6, False)
    sae.coefficient = coefficient
    loss = sae.training_forward_pass(step).loss
    loss.backward()
    return loss, {name: value.grad for name, value in sae.named_parameters()}


@pytest.mark.parametrize("subtract", [False, True])
@pytest.mark.parametrize(("architecture", "recipe"), RECIPES)
def test_loss_and_gradients_are_those_of_sae_lens(data, architecture, recipe, subtract):
    saes = _moved(_specs(architecture, recipe=recipe, apply_b_dec_to_input=subtract))
    x, coefficients = data.train[:200], [0.3, 0.7, 1.1]
    dead = torch.stack([torch.arange(4 * D_IN) < n for n in N_DEAD])
    names = [name for name, _ in saes[0].named_parameters()]
    stacked = {
        name: torch.stack([sae.get_parameter(name).detach() for sae in saes]).requires_grad_()
        for name in names
    }
    k = [getattr(sae.cfg, "k", 0) for sae in saes]
    step = StackInput(x, saes[0].cfg, torch.tensor(coefficients), k, dead)
    losses, _ = LOSSES[architecture](stacked, step)
    losses.sum().backward()
    for i, (sae, coefficient) in enumerate(zip(saes, coefficients, strict=True)):
        loss, gradients = _step_of_sae_lens(sae, x, coefficient, dead[i])
        torch.testing.assert_close(losses[i], loss, rtol=1e-5, atol=1e-6)
        for name in names:
            given = stacked[name].grad
            assert given is not None
            torch.testing.assert_close(given[i], gradients[name], rtol=1e-4, atol=1e-5, msg=name)


@EACH
def test_weights_are_those_of_single_training(data, architecture):
    specs = _specs(architecture)
    for spec, stacked in zip(specs, fit_stack(specs, data), strict=True):
        single = fit(spec, data)
        for name, value in single.state_dict().items():
            torch.testing.assert_close(stacked.state_dict()[name], value, rtol=1e-3, atol=1e-4)


@EACH
def test_longer_training_ends_as_well_as_single_training(data, trained, architecture):
    spec = small_spec(architecture=architecture, n_tokens=20_000, epochs=6)
    stacked = to_inference(fit_stack([spec, spec.model_copy(update={"seed": 1})], data)[0])
    _, single = trained(architecture)
    x = data.holdout
    assert l0(stacked.encode(x)) == pytest.approx(l0(single.encode(x)), rel=0.02)
    assert fvu_pooled(x, stacked(x)) == pytest.approx(fvu_pooled(x, single(x)), rel=0.02)


@pytest.mark.parametrize("architecture", ["standard", "topk"])
def test_products_in_bfloat16_end_as_well_as_sae_lens_s_own_autocast(data, architecture):
    spec = small_spec(architecture=architecture, recipe="2-bfloat16", epochs=4)
    stacked, single = to_inference(fit_stack([spec], data)[0]), to_inference(fit(spec, data))
    x = data.holdout
    assert stacked.W_enc.dtype == torch.float32
    assert l0(stacked.encode(x)) == pytest.approx(l0(single.encode(x)), rel=0.05)
    assert fvu_pooled(x, stacked(x)) == pytest.approx(fvu_pooled(x, single(x)), rel=0.05)


@EACH
def test_an_sae_does_not_depend_on_what_it_is_stacked_with(data, architecture):
    specs = _specs(architecture)
    alone, together = fit_stack(specs[:1], data)[0], fit_stack(specs, data)[0]
    for name, value in alone.state_dict().items():
        torch.testing.assert_close(together.state_dict()[name], value, rtol=1e-3, atol=1e-4)


def test_stacks_hold_saes_that_differ_in_sparsity_and_seed_alone():
    specs = [*_specs("topk"), *_specs("gated"), small_spec(sparsity=7), small_spec(d_sae=128)]
    made = stacks(specs)
    assert sorted(map(len, made)) == [1, 1, AT_MOST["cpu"], AT_MOST["cpu"]]
    assert {spec for stack in made for spec in stack} == set(specs)
    with pytest.raises(ValueError, match="sparsity and seed alone"):
        StackedTraining([small_spec(), small_spec(architecture="gated")], D_IN)


def test_the_store_keeps_stacked_saes_under_the_names_of_single_ones(tmp_path):
    specs = [small_spec(sparsity=k) for k in (2, 3, 5, 7)]
    source = SyntheticSource()
    options = {"cache_root": tmp_path, "progress": False}
    made = get_saes(specs, source, stacked=True, **options)
    assert [entry.origin for entry in made.values()] == ["trained"] * 4
    assert all(entry.report["stacked"] for entry in made.values())
    assert len(source.opened) == 1
    assert list(find_saes(specs, source, cache_root=tmp_path)) == specs
    assert {e.origin for e in get_saes(specs, source, **options).values()} == {"cache"}


@pytest.mark.parametrize("n", [5, 17, 64, 701, 768])
@pytest.mark.parametrize("k", [1, 2, 13, 48])
def test_the_largest_are_found_exactly(n, k):
    if k > n:
        return
    values = torch.randn(30, n, generator=torch.Generator().manual_seed(n * k))
    wanted = values.topk(k).indices.sort().values
    assert torch.equal(largest(values, k).sort().values, wanted)
