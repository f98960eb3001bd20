"""Reading the option letter, steering, and what a reconstruction keeps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from saebook.papers.mayne2024 import effects, gates, steerability
from saebook.papers.mayne2024.construction import MadeUpSAE
from saebook.papers.mayne2024.parameters import Parameters, even_grid
from saebook.papers.mayne2024.saes import sae_specs
from saebook.papers.mayne2024.sources import Items, WorldSource, next_token, one_token
from saebook.papers.mayne2024.vectors import contrasts_by_layer, ordinary_activations
from saebook.parameters import ParameterError
from saebook.steering import SteeringVector, item_slopes, propensity_frame
from saebook.subjects import Subject
from saebook.testbed import HOUSE_MODELS, load_world


@pytest.fixture(scope="module")
def world():
    return load_world()


@pytest.fixture(scope="module")
def house(world) -> Subject:
    """An untrained house model: numbers that mean nothing, shapes and words of the real one."""
    from saebook.testbed.house import build_model
    from saebook.testbed.tokenizers import build_tokenizer

    model = build_model(HOUSE_MODELS["gemma2-base"], world).eval()
    return Subject.from_model(model, build_tokenizer(world, "gemma2"), name="untrained")


def test_pairs_are_read_at_the_letter_and_differ_only_there(house, world):
    contrast = contrasts_by_layer(house, WorldSource(world), "refusal", [0], n_pairs=6, seed=0)[0]
    assert contrast.positive.shape == (6, house.d_model)
    assert (contrast.differences.norm(dim=1) > 0).all()
    again = contrasts_by_layer(house, WorldSource(world), "refusal", [0], n_pairs=6, seed=0)[0]
    assert torch.equal(contrast.vector, again.vector)


def test_too_little_ordinary_text_is_said(house, world):
    class Short(WorldSource):
        def texts(self, n_tokens, seed):
            return super().texts(1, seed)

    assert ordinary_activations(house, Short(world), 1, 20, 0).shape == (20, house.d_model)
    with pytest.raises(ValueError, match="give more texts"):
        ordinary_activations(house, Short(world), 1, 10_000, 0)


def test_items_name_one_token_a_side(house, world):
    letters = WorldSource(world).items(house, "sycophancy", "letter", 5, 1)
    for prompt, yes, no in zip(letters.prompts, letters.positive, letters.negative, strict=True):
        assert prompt.endswith("(")
        assert sorted(house.decode(ids) for ids in (yes, no)) == ["A", "B"]
    free = WorldSource(world).items(house, "sycophancy", "free", 5, 1)
    words = {house.decode([i]) for i in free.positive[0]}
    assert words == set(world.pole_words("sycophancy")[0])
    with pytest.raises(ValueError, match="not one token"):
        one_token(house, "two words")
    with pytest.raises(ValueError, match="unknown measure 'essay'"):
        WorldSource(world).items(house, "sycophancy", "essay", 5, 1)


def test_a_letter_that_joins_what_stands_before_it_is_refused(house):
    assert house.decode([next_token(house, "answer : (", "A")]) == "A"
    with pytest.raises(ValueError, match="no token of its own after"):
        next_token(house, "answer : th", "A")


@pytest.fixture(scope="module")
def steered(house, world) -> tuple[pd.DataFrame, Items, torch.Tensor]:
    items = WorldSource(world).items(house, "refusal", "letter", 4, 1)
    vector = torch.randn(house.d_model, generator=torch.Generator().manual_seed(3))
    vectors = {steerability.VECTOR: vector, "nothing": torch.zeros_like(vector)}
    frame = steerability.steer(house, items, vectors, layer=2, coeffs=(-1.0, 0.0, 1.0))
    return frame, items, vector


def test_slopes_equal_those_of_the_shared_propensity_functions(house, steered):
    frame, items, vector = steered
    steering = SteeringVector(vector, layer=2, positions="last")
    slow = item_slopes(
        propensity_frame(
            house, items.prompts, items.positive, items.negative, steering, [-1.0, 0.0, 1.0]
        )
    )
    fast = effects.slopes(frame).loc[("refusal", "letter", steerability.VECTOR)]
    assert np.allclose(fast.to_numpy(), slow.to_numpy(), atol=1e-4)
    assert np.abs(slow).max() > 1e-3


def test_a_zero_vector_steers_nothing_and_keeps_nothing(steered):
    frame = steered[0]
    slopes = effects.slopes(frame).loc[("refusal", "letter", "nothing")]
    assert np.allclose(slopes, 0, atol=1e-5)
    kept = effects.share_kept(frame, "nothing", ["refusal"], "letter")
    assert effects.median_kept(kept, 50, 0).estimate == pytest.approx(0, abs=1e-3)


def test_the_share_is_the_log_odds_through_the_logistic_function(steered):
    frame = steered[0]
    assert np.allclose(frame["share"], 1 / (1 + np.exp(-frame["log_odds"])))
    assert frame["mass"].between(0, 1).all()


def test_half_a_vector_keeps_half():
    own = np.random.default_rng(0).normal(2, 0.1, size=(3, 1, 40))
    kept = np.concatenate([0.5 * own, own], axis=1)
    found = effects.median_kept(kept, 200, 0)
    assert found == pytest.approx((0.5, 0.5, 0.5))
    with pytest.raises(ValueError, match="nothing can be kept"):
        effects.median_kept(kept[:0], 10, 0)


def test_a_reconstruction_has_the_vector_s_norm_and_an_empty_one_is_zero():
    W_dec = torch.eye(4).repeat(2, 1)
    sae = MadeUpSAE(W_dec, torch.zeros(8), torch.tensor([0.0, 0.0, 0.0, 9.0]))
    v = torch.tensor([6.0, -8.0, 0.0, 0.0])
    plain = steerability.reconstruction(sae, v, bias=False)
    assert torch.allclose(plain, torch.tensor([10.0, 0, 0, 0]))  # the negative side is lost
    assert float(steerability.reconstruction(sae, v, bias=True).norm()) == pytest.approx(10)
    assert not steerability.reconstruction(sae, 0.1 * v, bias=False).any()  # below the threshold


def test_the_reading_by_mass_sees_the_room_that_the_likelier_side_hides():
    odds = {-1.0: -2.0, 0.0: 0.2, 1.0: 2.0}  # every prompt leans a little to the matching side
    rows = [(i, c, m) for i in range(5) for c, m in odds.items()]
    frame = pd.DataFrame(rows, columns=["item", "coeff", "log_odds"])
    frame = frame.assign(behaviour="a", measure="free", vector=steerability.VECTOR, mass=1.0)
    table = effects.movements(frame.assign(share=1 / (1 + np.exp(-frame["log_odds"]))))
    assert table["chosen"][0] == 1.0 and table["unsteered"][0] == pytest.approx(0.55, abs=0.01)
    assert gates.balanced(table, "free") == ["a"]


def _moves() -> pd.DataFrame:
    rows = [("a", 0.5, 0.3), ("b", 0.9, 0.2), ("c", 0.4, 0.1)]
    frame = pd.DataFrame(rows, columns=["behaviour", "unsteered", "moved"])
    return frame.assign(measure="letter")


def test_gates_name_the_behaviours_that_steer_and_those_in_balance():
    assert gates.behaviours_steer(_moves(), "letter") == ["a", "b"]
    assert gates.balanced(_moves(), "letter") == ["a", "c"]
    assert gates.behaviours_steer(_moves(), "free") == []


def test_movement_needs_the_coefficients_it_is_read_at(steered):
    table = effects.movements(steered[0])
    assert len(table) == 1 and 0 <= table["unsteered"][0] <= 1
    with pytest.raises(ValueError, match="lack"):
        effects.movements(steered[0].query("coeff != 1"))


def test_coefficients_without_one_are_refused_by_name():
    assert even_grid(2.0, 5) == (-2.0, -1.0, 0.0, 1.0, 2.0)
    with pytest.raises(ParameterError, match="coeff_max"):
        Parameters.checked({"coeff_max": 1.5, "n_coeffs": 5})
    with pytest.raises(ParameterError, match="sparsity"):
        Parameters.checked({"sparsity": 30.0})


def test_every_model_gets_an_sae_of_one_recipe_without_behaviour_text():
    specs = sae_specs(Parameters())
    assert set(specs) == {"gemma2-base", "gemma2-base-mean0", "gemma2-base-mean3"}
    assert len({s.model_copy(update={"subject": "x"}) for s in specs.values()}) == 1
    assert all(s.corpus == "default" and not s.apply_b_dec_to_input for s in specs.values())
