"""The bias-driven latent, and the gauge that an SAE's loss does not fix."""

from __future__ import annotations

import pytest
import torch

from saebook.papers.mayne2024 import bias_rows, gauge
from saebook.papers.mayne2024.arms import Arm, control_overlaps, overlap_cells
from saebook.papers.mayne2024.bias_latent import (
    bias_latent,
    natural_end,
    scaled_ratios,
    text_cosine,
    text_projection,
    vector_projections,
)
from saebook.papers.mayne2024.construction import build_construction
from saebook.papers.mayne2024.frames import bias_frame, gauge_frames, shortening_frame
from saebook.papers.mayne2024.parameters import Parameters
from saebook.papers.mayne2024.vectors import (
    Contrast,
    percentile_without_the_mean,
    typical_percentile,
)
from saebook.plots import figure
from saebook.plots import mayne2024_remedies as figures


@pytest.fixture(scope="module")
def made():
    return build_construction(0)


@pytest.fixture(scope="module")
def arm(made) -> Arm:
    return Arm("made up", made.sae, made.text, {"made up": made.contrast})


def test_text_cancels_the_bias_and_the_vector_does_not(arm):
    found = bias_latent(arm)
    assert found.latent == 0 and found.active and found.bias == pytest.approx(90, rel=0.1)
    text = text_projection(arm, found)
    assert text.low <= text.estimate <= text.high < -0.8
    vector = vector_projections(arm, found, draws=50, seed=0)["made up"]
    assert vector.low <= vector.estimate <= vector.high and vector.estimate > -0.2


def test_scaling_leaves_the_bias_latent_beyond_its_range(arm):
    ratio = scaled_ratios(arm, bias_latent(arm), draws=50, seed=0)["made up"]
    assert ratio.low > 1 and ratio.low <= ratio.estimate <= ratio.high


def test_a_latent_that_hardly_fires_is_measured_against_the_weakest_activation():
    text, _ = _steady()
    sae = _sae()
    sae.b_enc[7] = -1000.0
    quiet = Arm("steady", sae, text, {})
    codes = quiet.sae.encode(quiet.text)
    assert not codes[:, 7].any()
    assert natural_end(quiet, 7) == pytest.approx(float(codes[codes > 0].min()))


def test_an_ordinary_activation_is_within_the_range(arm):
    found = bias_latent(arm)
    typical = float(arm.sae.encode(arm.text)[:, found.latent].median())
    assert typical <= natural_end(arm, found.latent)


def test_without_an_active_latent_no_behaviour_passes(arm, made):
    bare = type(made.sae)(made.sae.W_dec, -torch.ones(1024), torch.zeros(256))
    empty = Arm("empty", bare, made.text + 500 * made.sae.W_dec[40], arm.contrasts)
    assert not bias_latent(empty).active
    row = bias_rows.scaled_row(arm, empty, lambda x: x > 1, Parameters(n_resamples=50))
    assert row["controls"] == {"behaviours_passing_at_mean0": 0}
    assert row["estimate"]["made up"] > 1


def _steady(seed: int = 0, n: int = 400, d: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """Activations that do not vary at all along their mean's direction, and that direction."""
    rng = torch.Generator().manual_seed(seed)
    mean = torch.randn(d, generator=rng)
    mean_hat = mean / mean.norm()
    noise = torch.randn(n, d, generator=rng)
    return mean_hat * 8 + noise - (noise @ mean_hat)[:, None] * mean_hat, mean_hat


def _sae(d: int = 12, d_sae: int = 40) -> gauge.JumpReLUWeights:
    rng = torch.Generator().manual_seed(1)
    W_dec = torch.nn.functional.normalize(torch.randn(d_sae, d, generator=rng), dim=1)
    b_enc = -torch.rand(d_sae, generator=rng)
    b_enc[:2] = 1.5  # two latents are active at zero
    return gauge.JumpReLUWeights(
        W_dec.T.clone(), b_enc, W_dec, torch.zeros(d), torch.full((d_sae,), 0.5)
    )


def test_codes_stay_and_sae_of_zero_goes_wherever_it_is_told():
    text, mean_hat = _steady()
    sae, mean = _sae(), 8 * mean_hat
    u = gauge.steady_direction(text)
    assert torch.allclose(u, mean_hat / 8, atol=1e-3)
    for shift in (gauge.emptying_shift(sae), torch.linspace(-9, 9, 40)):
        moved = gauge.regauge(sae, u, shift)
        assert torch.allclose(moved.encode(text), sae.encode(text), atol=1e-3)
        assert torch.allclose(moved.b_enc, sae.b_enc + shift)
        # in the words of the text: w' = w - (w.m_hat - a) m_hat, b' = b + (w.m_hat - a)|m|
        along = sae.W_enc.T @ mean_hat
        target = along - shift / mean.norm()
        by_hand = sae.W_enc - torch.outer(mean_hat, along - target)
        assert torch.allclose(moved.W_enc, by_hand, atol=1e-3)
    empty = gauge.regauge(sae, u, gauge.emptying_shift(sae))
    assert sae.encode(torch.zeros(1, 12)).any() and not empty.encode(torch.zeros(1, 12)).any()


def test_a_planted_bias_makes_r5_hold_with_the_same_codes():
    text, mean_hat = _steady()
    sae = _sae()
    rng = torch.Generator().manual_seed(5)
    vectors = torch.randn(3, 12, generator=rng)
    vectors -= (vectors @ mean_hat)[:, None] * mean_hat  # a difference has lost the mean
    moved = gauge.regauge(
        sae, gauge.steady_direction(text), gauge.planting_shift(sae, text, vectors)
    )
    zero = moved.encode(torch.zeros(1, 12))[0]
    assert (zero > 0).sum() == 5
    assert torch.allclose(moved.encode(text), sae.encode(text), atol=2e-2)
    from saebook.papers.mayne2024.overlap import CLOSE, shared_top

    assert (shared_top(zero, moved.encode(vectors), within=CLOSE) == 5).all()
    changes = gauge.code_changes(sae, moved, text)
    assert changes["L0"] == changes["L0 after"] and changes["codes switched"] == 0


def test_the_steady_direction_is_orthogonal_to_what_it_is_told():
    text, _ = _steady()
    across = torch.randn(2, 12, generator=torch.Generator().manual_seed(4))
    u = gauge.steady_direction(text, across)
    assert torch.allclose(across @ u, torch.zeros(2), atol=1e-4)
    assert float((text @ u).mean()) == pytest.approx(1, abs=1e-4)


def test_where_the_mean_varies_the_gauge_is_not_free():
    rng = torch.Generator().manual_seed(2)
    text = torch.randn(400, 12, generator=rng) + 0.2  # no steady direction
    sae = _sae()
    moved = gauge.regauge(sae, gauge.steady_direction(text), torch.full((40,), 9.0))
    assert gauge.code_changes(sae, moved, text)["codes switched"] > 0.2


def test_what_cannot_be_regauged_is_refused(made):
    text, _ = _steady()
    sae, u = _sae(), gauge.steady_direction(text)
    with pytest.raises(ValueError, match="long"):
        gauge.regauge(sae, u, torch.zeros(39))
    with pytest.raises(ValueError, match="no mean"):
        gauge.steady_direction(torch.zeros(4, 3))

    class Without:
        W_enc, b_enc, W_dec, b_dec = sae.W_enc, sae.b_enc, sae.W_dec, sae.b_dec

    with pytest.raises(ValueError, match="neither"):
        gauge.regauge(Without(), u, torch.zeros(40))  # type: ignore[arg-type]


def test_a_relu_sae_is_a_jumprelu_sae_with_thresholds_of_zero():
    from sae_lens.saes.standard_sae import StandardSAE, StandardSAEConfig
    from sae_lens.saes.topk_sae import TopKSAE, TopKSAEConfig

    text, _ = _steady()
    plain = StandardSAE(StandardSAEConfig(d_in=12, d_sae=40, apply_b_dec_to_input=False))
    moved = gauge.regauge(plain, gauge.steady_direction(text), torch.zeros(40))
    assert not gauge.thresholds(plain).any()
    assert torch.allclose(moved.encode(text), plain.encode(text), atol=1e-5)
    with pytest.raises(ValueError, match="neither"):
        gauge.thresholds(TopKSAE(TopKSAEConfig(d_in=12, d_sae=40, k=3)))


def test_planted_and_emptied_arms_decide_the_bias_rows(arm):
    arms = {"trained": arm, **bias_rows.planted_arms(arm)}
    passes = {"R5": lambda x: x >= 4, "R8": lambda x: x > 1}
    frame = bias_rows.gauge_frame(arms, passes, Parameters(n_draws=10))
    assert frame["active in SAE(0)"].tolist()[1:] == [5, 0]
    assert frame["R5: behaviours passing"].tolist()[1:] == [1, 0]
    assert frame.loc["planted", "R14: overlap of a random vector"] >= 4
    assert overlap_cells(arms["planted"], 20, 0)["made up"].estimate == 5
    assert not control_overlaps(arms["emptied"], "random vector", 5, 0).any()


def test_the_gauge_s_figures_draw_every_arm(arm):
    arms = {"trained": arm, **bias_rows.planted_arms(arm)}
    text, zero = gauge_frames(arms, 200, 0)
    assert set(text["SAE"]) == {"planted", "emptied"} and set(zero["SAE"]) == set(arms)
    _, axes = figure(columns=2)
    figures.gauge_panels(axes, text, zero)
    _, (ax,) = figure()
    assert figures.bias_histogram(ax, bias_frame(arm)).get_xlabel().startswith("pre-activation")


def test_a_cosine_needs_no_bias_as_its_unit(arm):
    found = bias_latent(arm)
    direction = arm.sae.W_enc[:, found.latent]
    slow = [float(torch.cosine_similarity(a, direction, dim=0)) for a in arm.text[:200]]
    some = Arm("some", arm.sae, arm.text[:200], arm.contrasts)
    assert text_cosine(some, found) == pytest.approx(sum(slow) / 200, abs=1e-5)
    tiny = type(found)(found.latent, 1e-9, found.active)
    assert text_cosine(some, tiny) == text_cosine(some, found) < 0


def test_what_the_mean_alone_shortens_is_told_from_what_the_average_shortens(made):
    noise = torch.randn(3, 400, 32, generator=torch.Generator().manual_seed(0))
    text, positive, negative = noise
    contrast = Contrast("noise", positive, negative)
    assert float(contrast.vector.norm()) < float(text.norm(dim=1).min())  # the average alone
    assert percentile_without_the_mean(text, contrast) == pytest.approx(50, abs=8)
    shared = 100 * torch.ones(32)
    moved = Contrast("noise", positive + shared, negative + shared)
    assert percentile_without_the_mean(text + shared, moved) == 0  # the mean alone
    assert typical_percentile(text.norm(dim=1)) == pytest.approx(50, abs=8)
    steps = shortening_frame([Arm("moved", made.sae, text + shared, {"noise": moved})]).iloc[0]
    assert steps["at the letter"] > steps["without the mean"] > steps["v"]


def test_projections_row_takes_the_vector_that_lowers_the_latent_most(arm, made):
    second = type(made.contrast)("other", made.contrast.negative, made.contrast.positive)
    both = Arm("made up", made.sae, made.text, {"made up": made.contrast, "other": second})
    row = bias_rows.projections_row(both, arm, Parameters(n_resamples=50))
    assert row["estimate"]["vector"] == min(row["detail"]["by_behaviour"].values())
    assert row["low"]["text"] <= row["estimate"]["text"] <= row["high"]["text"]
