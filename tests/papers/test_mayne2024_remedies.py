"""Remedies against the made-up SAE, whose every sign is known, and the one to use."""

from __future__ import annotations

import pytest
import torch

from saebook.papers.mayne2024 import pursuit, scores, signs, spurious
from saebook.papers.mayne2024.arms import Arm
from saebook.papers.mayne2024.construction import N_SIDE, build_construction
from saebook.papers.mayne2024.remedies import REMEDIES, UNSIGNED
from saebook.papers.mayne2024.remedy_steering import made_up_case, remedy_frame
from saebook.plots import figure
from saebook.plots import mayne2024_remedies as figures
from saebook.steering import error_left, refit, signed_decomposition, strongest

K = 2 * N_SIDE


@pytest.fixture(scope="module")
def made():
    return build_construction(0)


@pytest.fixture(scope="module")
def case(made):
    return made_up_case(made)


@pytest.fixture(scope="module")
def table(case):
    return scores.score_case(case, K, draws=4, seed=0).set_index("remedy")


def test_every_remedy_is_scored_and_only_signed_ones_go_below_zero(case):
    found = case.describe(K)
    assert tuple(found) == REMEDIES
    for name, description in found.items():
        if name in UNSIGNED:
            assert (description >= 0).all(), name
    for name in ("difference of encodings", "pursuit, signed", "lasso, signed"):
        assert (found[name] < 0).any(), name


def test_the_difference_of_encodings_gets_every_sign_right_and_fits_after_refitting(table):
    row = table.loc["difference of encodings"]
    assert row["sign accuracy"] == 1 and row["spurious rate"] == 0
    assert row["cosine"] > 0.9 and row["refitted FVU"] < 0.1
    assert row["overlap with SAE(0)"] == 0 and row["stability"] > 0.9


def test_encoding_the_vector_shows_the_bias_and_at_best_half_of_the_signs(table):
    assert table.loc["encode", "overlap with SAE(0)"] >= 0.8
    assert table.loc[["encode", "scaled"], "sign accuracy"].le(0.5).all()
    assert table.loc["bias subtracted", "overlap with SAE(0)"] < 0.8


def test_signed_pursuit_recovers_all_twenty_directions_and_the_unsigned_one_half(case, table):
    assert table.loc["pursuit, signed", "sign accuracy"] == 1
    assert table.loc["pursuit, signed", "refitted FVU"] < 0.02
    assert table.loc["pursuit, non-negative", "sign accuracy"] <= 0.55
    assert table.loc["pursuit, non-negative", "refitted FVU"] > 0.2


def test_a_pursuit_finds_the_rows_that_made_a_vector():
    rng = torch.Generator().manual_seed(0)
    W_dec = torch.nn.functional.normalize(torch.randn(60, 30, generator=rng), dim=1)
    v = (3 * W_dec[4] - 2 * W_dec[9])[None]
    for find in (pursuit.signed_pursuit, pursuit.signed_lasso):
        found = find(W_dec, v, 2)[0]
        assert found[4] > 0 > found[9] and (found != 0).sum() == 2
    unsigned = pursuit.nonnegative_pursuit(W_dec, v, 2)[0]
    assert unsigned[4] > 0 and (unsigned >= 0).all() and unsigned[9] == 0


def test_an_empty_description_has_nothing_spurious_and_keeps_nothing(case):
    empty = torch.zeros_like(case.truth)
    assert scores._spurious(case, empty, K) == 0
    assert not scores.kept_vector(case, empty, K, signed=True).any()


def test_stability_is_one_for_the_same_latents_and_zero_for_others():
    own = torch.tensor([3.0, -2.0, 0.0, 0.0])
    assert scores._stability(own, own.expand(3, -1), 2) == 1
    assert scores._stability(own, own.flip(0).expand(3, -1), 2) == 0


def test_the_winner_reads_signs_and_fits(made):
    found = signed_decomposition(made.sae, made.contrast.positive, made.contrast.negative, K)
    sign = {**dict.fromkeys(made.up, 1), **dict.fromkeys(made.down, -1)}
    true = [i for i, latent in enumerate(found.latents.tolist()) if latent in sign]
    assert len(true) >= K - 2
    for i in true:
        wanted = sign[int(found.latents[i])]
        assert found.differences[i].sign() == found.coefficients[i].sign() == wanted
    assert found.error < 0.1
    assert found.error == pytest.approx(error_left(made.contrast.vector, found.vector), abs=1e-6)
    assert torch.allclose(found.vector, found.coefficients @ made.sae.W_dec[found.latents])
    assert found.table().index.tolist() == found.latents.tolist()


def test_the_decoder_bias_cancels_in_the_difference(made):
    positive, negative = made.contrast.positive, made.contrast.negative
    change = (made.sae.encode(positive) - made.sae.encode(negative)).mean(0)
    decoded = (made.sae.decode(made.sae.encode(positive)).mean(0)
               - made.sae.decode(made.sae.encode(negative)).mean(0))  # fmt: skip
    assert torch.allclose(change @ made.sae.W_dec, decoded, atol=1e-3)


def test_what_cannot_be_decomposed_is_refused_by_name(made):
    positive = made.contrast.positive[:4]
    with pytest.raises(ValueError, match="k is 0"):
        signed_decomposition(made.sae, positive, positive, 0)
    with pytest.raises(ValueError, match="nothing to decompose"):
        signed_decomposition(made.sae, positive, positive, 3)
    with pytest.raises(ValueError, match="equal shapes"):
        signed_decomposition(made.sae, positive, positive[:2], 3)
    with pytest.raises(ValueError, match="zero"):
        error_left(torch.zeros(3), torch.zeros(3))
    assert strongest(torch.tensor([0.0, -2.0, 1.0]), 5).tolist() == [1, 2]


def test_a_refit_without_signs_never_goes_below_zero():
    W_dec = torch.eye(3)
    v = torch.tensor([1.0, -1.0, 0.5])
    at = torch.tensor([0, 1])
    assert refit(W_dec, v, at).tolist() == pytest.approx([1, -1])
    assert refit(W_dec, v, at, signed=False).tolist() == pytest.approx([1, 0])


def test_a_scaled_vector_lights_the_twin_that_no_prompt_uses(made):
    arm = Arm("made up", made.sae, made.text, {"made up": made.contrast})
    own = signs.latent_signs(made.sae, made.contrast, made.alpha, draws=100, seed=0)
    assert spurious.lit_latents(arm, own)[made.twin]
    assert spurious.quiet(arm, "made up", below=0.1)[made.twin]
    share, n = spurious.spurious_share(arm, [own], 50, 0)
    assert share.low <= share.estimate <= share.high and n >= N_SIDE
    assert spurious.spurious_in_difference(arm, [own], {own.behaviour: 20}) <= 0.05
    silent = spurious.quiet(arm, "made up")
    hits = [
        bool(silent[latent])
        for vector in arm.alpha("made up") * arm.contrasts["made up"].random(20, 0)
        for latent, code in enumerate(arm.encoded(vector).tolist())
        if code > 0 and arm.at_zero[latent] == 0
    ]
    assert hits and spurious.spurious_when_random(arm, 20, 0) == pytest.approx(
        sum(hits) / len(hits)
    )
    pair = spurious.opposed_pairs(arm, [own], below=0.1).iloc[0]
    assert (pair["silenced"], pair["lit"]) == (made.down[0], made.twin)
    assert pair["encoder cosine"] == pytest.approx(-0.82, abs=1e-4)
    assert pair["highest firing rate"] < 0.1 < pair["SAE(αv)"]


def test_nothing_lit_is_said(made):
    arm = Arm("made up", made.sae, made.text, {"made up": made.contrast})
    own = signs.latent_signs(made.sae, made.contrast, 0.0, draws=20, seed=0)
    with pytest.raises(ValueError, match="lit by a scaled vector"):
        spurious.spurious_share(arm, [own], 20, 0)


def test_the_figure_has_a_panel_a_measure_and_a_row_a_remedy(table):
    held = table.reset_index()
    frame = remedy_frame(held)
    assert set(frame["where"]) == {"made-up SAE"}
    measures = list(dict.fromkeys(frame["measure"]))
    _, axes = figure(columns=len(measures))
    figures.remedies(axes, frame, scores.BETTER_LOW)
    assert [t.get_text() for t in axes[0].get_yticklabels()] == list(REMEDIES)
