"""Overlap, signs and controls against the made-up SAE, whose every sign is known."""

from __future__ import annotations

import pytest
import torch

from saebook.papers.mayne2024 import signs
from saebook.papers.mayne2024.arms import Arm, control_overlaps, median_overlap, overlap_cells
from saebook.papers.mayne2024.construction import build_construction, known_answers, readings
from saebook.papers.mayne2024.frames import clearest_negative, projection_frame
from saebook.papers.mayne2024.overlap import shared_top, side_by_side, top_latents
from saebook.papers.mayne2024.vectors import Contrast, norm_percentile, shuffled_signs


@pytest.fixture(scope="module")
def made():
    return build_construction(0)


def test_the_made_up_vector_is_shorter_than_every_activation(made):
    v = made.contrast.vector.norm()
    assert (made.text.norm(dim=1) > v).all()
    found = norm_percentile(made.text.norm(dim=1), made.contrast, draws=50, seed=0)
    assert found.estimate == 0 and 0 < found.high < 1


def test_a_vector_as_long_as_the_median_lies_at_the_fiftieth_percentile(made):
    norms = made.text.norm(dim=1) * made.contrast.vector.norm() / made.text.norm(dim=1).median()
    found = norm_percentile(norms, made.contrast, draws=200, seed=0)
    assert found.estimate == pytest.approx(50, abs=0.1)
    assert found.low < 50 < found.high


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_encoding_the_vector_shows_the_bias_and_no_negative_sign(seed):
    table = known_answers(build_construction(seed))
    assert table.loc["encode", "shared"] >= 4
    assert table.loc[["encode", "encode scaled", "centred"], "downs"].eq(0).all()
    assert table.loc[["encode", "encode scaled"], "silenced"].eq(0).all()
    assert table.loc["encode scaled", "twin"] > 5  # a latent that no activation uses
    assert table.loc["difference of encodings", ["ups", "downs"]].tolist() == [10, 10]
    assert table.loc["difference of encodings", "silenced"] < -4


def test_the_pair_has_the_paper_s_cosine(made):
    rows = made.sae.W_dec[[made.down[0], made.twin]]
    assert float(rows[0] @ rows[1]) == pytest.approx(-0.82, abs=1e-5)


def test_true_down_latents_are_found_and_silenced(made):
    found = signs.latent_signs(made.sae, made.contrast, made.alpha, draws=200, seed=0)
    assert found.negative[list(made.down)].all() and not found.negative[list(made.up)].any()
    assert found.positive[list(made.up)].all()
    assert found.silenced[list(made.down)].all()
    share, n = signs.silenced_share([found], draws=100, seed=0)
    assert n == int(found.negative.sum()) and 0.5 < share.estimate <= 1
    assert share.low <= share.estimate <= share.high


def test_the_clearest_negative_latent_is_a_true_one(made):
    found = signs.latent_signs(made.sae, made.contrast, made.alpha, draws=200, seed=0)
    behaviour, latent = clearest_negative([found])
    assert behaviour == "made up" and latent in made.down
    frame = projection_frame(_arm(made), "made up", latent).groupby("group")["value"].mean()
    assert frame["negative prompts"] > frame["positive prompts"]
    assert frame["v at a typical norm"] < frame["v"] < frame["zero"]


def test_half_of_twenty_directions_are_negative(made):
    change = readings(made)["difference of encodings"]
    assert 0.3 <= signs.negative_share(change, 20).estimate <= 0.7


def test_latents_that_do_not_differ_have_no_sign():
    difference = torch.tensor([0.0, -1.0, 2.0, 0.0, -0.5])
    assert signs.negative_share(difference, 4).estimate == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="no latent differs"):
        signs.negative_share(torch.zeros(5), 4)


def test_shuffled_labels_leave_few_significant_latents(made):
    shuffled = signs.significant_share_when_shuffled(made.sae, made.contrast, 40, 200, 0)
    change = made.sae.encode(made.contrast.positive) - made.sae.encode(made.contrast.negative)
    low, high = signs.paired_interval(change, 200, 0)
    top = signs.strongest(change.mean(0), 40)
    true = ((low[top] > 0) | (high[top] < 0)).float().mean()
    assert shuffled <= 0.5 < true


def _arm(made) -> Arm:
    return Arm("made up", made.sae, made.text, {"made up": made.contrast})


def test_vectors_that_mean_nothing_share_the_zero_vector_s_latents(made):
    arm = _arm(made)
    close = overlap_cells(arm, 50, 0)["made up"].estimate
    assert 1 <= close <= known_answers(made).loc["encode", "shared"]
    for kind in ("random vector", "shuffled labels"):
        found = median_overlap(control_overlaps(arm, kind, 30, 0), 100, 0)
        assert found.low <= found.estimate <= found.high
        assert found.estimate >= 3
    with pytest.raises(ValueError, match="unknown control"):
        control_overlaps(arm, "zero", 3, 0)


def test_without_a_bias_nothing_is_shared(made):
    bare = type(made.sae)(made.sae.W_dec, torch.zeros(1024), torch.zeros(256))
    arm = Arm("bare", bare, made.text, {"made up": made.contrast})
    assert overlap_cells(arm, 50, 0)["made up"] == (0, 0, 0)


def test_inactive_latents_are_in_no_top_five():
    zero = torch.tensor([5.0, 3.0, 0.0, 0.0, 0.0, 0.0])
    assert top_latents(zero).sum() == 2
    assert shared_top(zero, torch.zeros(6)) == 0
    assert shared_top(zero, zero) == 2


def test_a_shared_latent_has_to_keep_its_value_when_asked():
    zero = torch.tensor([10.0, 8.0, 6.0, 4.0, 2.0, 0.0])
    acts = torch.tensor([[10.6, 8.0, 6.0, 4.0, 2.0, 0.0], [11.0, 8.0, 6.0, 4.0, 2.0, 9.0]])
    assert shared_top(zero, acts).tolist() == [5, 4]
    assert shared_top(zero, acts, within=0.07).tolist() == [5, 3]
    assert side_by_side(zero, acts[1])["SAE(v) latent"].tolist() == ["0", "5", "1", "2", "3"]


def test_controls_keep_the_norm_and_lose_the_sign():
    rng = torch.Generator().manual_seed(0)
    shift = torch.randn(16, generator=rng)
    negative = torch.randn(200, 16, generator=rng)
    contrast = Contrast("x", negative + shift, negative)
    assert torch.allclose(contrast.random(5, 0).norm(dim=1), contrast.vector.norm().expand(5))
    assert contrast.shuffled(50, 0).norm(dim=1).mean() < 0.2 * contrast.vector.norm()
    assert contrast.split_half_cosine(0) == pytest.approx(1, abs=1e-4)
    assert set(shuffled_signs(8, 4, 1).flatten().tolist()) == {-1.0, 1.0}
    assert torch.equal(contrast.resampled(3, 5), contrast.resampled(3, 5))
