"""What a spec accepts, and what its key depends on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from synthetic import small_spec

from saebook.zoo import ARCHITECTURES, SAESpec, house_grid
from saebook.zoo.recipes import RECIPES, recipe_of


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"hook_name": "model.layers.3"}, "blocks.<layer>.hook_resid_post"),
        ({"hook_name": "blocks.03.hook_resid_post"}, "blocks.<layer>.hook_resid_post"),
        ({"sparsity": 65}, "above d_sae 64"),
        ({"sparsity": 2.5, "architecture": "topk"}, "whole number"),
        ({"sparsity": 0}, "greater than 0"),
        ({"architecture": "relu"}, "standard"),
        ({"n_tokens": "many"}, "n_tokens"),
        ({"l1": 3}, "Extra inputs"),
    ],
)
def test_a_bad_field_is_refused_and_named(changes, says):
    with pytest.raises(ValidationError, match=says):
        small_spec(**changes)


def test_batchtopk_takes_a_fractional_l0():
    assert small_spec(architecture="batchtopk", sparsity=2.5).sparsity == 2.5


@pytest.mark.parametrize("d_in", [48, 128])
def test_a_width_that_is_no_multiple_of_the_input_is_refused(d_in):
    with pytest.raises(ValueError, match=f"multiple of d_in {d_in}"):
        small_spec().check_width(d_in)


def test_every_field_of_a_spec_changes_its_key():
    base = small_spec()
    changes = {
        "subject": "other", "hook_name": "blocks.2.hook_resid_post", "corpus": "other",
        "packing": "single", "context": 64, "architecture": "standard", "sparsity": 4.0,
        "d_sae": 128, "n_tokens": 5000, "epochs": 2, "seed": 1, "data_seed": 1,
        "tokens": "all", "apply_b_dec_to_input": True, "recipe": "1",
    }  # fmt: skip
    assert set(changes) == set(SAESpec.model_fields)
    keys = {base.model_copy(update={k: v}).key("w", "t") for k, v in changes.items()}
    assert len(keys | {base.key("w", "t")}) == len(changes) + 1


def test_the_key_depends_on_the_weights_and_on_the_text():
    spec = small_spec()
    assert len({spec.key("w", "t"), spec.key("v", "t"), spec.key("w", "u")}) == 3


@given(st.integers(1, 64))
def test_a_spec_survives_json(sparsity):
    spec = small_spec(sparsity=sparsity)
    assert SAESpec.model_validate_json(spec.model_dump_json()) == spec
    assert SAESpec.model_validate_json(spec.model_dump_json()).key("", "") == spec.key("", "")


def test_an_unknown_recipe_is_refused_by_name():
    with pytest.raises(ValueError, match="'9' is unknown; known: 1"):
        recipe_of(small_spec(recipe="9"))


def test_a_recipe_refuses_an_architecture_it_says_nothing_about():
    with pytest.raises(ValueError, match="not for standard"):
        recipe_of(small_spec(recipe="1-k-annealed", architecture="standard"))


def test_the_house_grid_crosses_architectures_and_sparsities_on_one_stream():
    grid = house_grid()
    assert len(set(grid)) == 30
    assert {spec.architecture for spec in grid} == set(ARCHITECTURES)
    assert len({spec.stream for spec in grid}) == 1
    assert {spec.recipe for spec in grid} <= set(RECIPES)
