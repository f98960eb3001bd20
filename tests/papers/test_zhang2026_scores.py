"""Scores and sets of latents: planted truths, invariances, and what unaligned pairing loses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from saebook.papers.zhang2026 import features, sts
from saebook.papers.zhang2026.features import Raw, Stream, changes, profile

N_LATENTS, N_TOKENS, PLANTED = 200, 1500, 10


def _streams(seed: int = 0) -> tuple[Stream, Stream, set[int]]:
    """Tokens of very different sizes by latent; ten quiet latents shift, the loud ones do not."""
    rng = np.random.default_rng(seed)
    scale = np.exp(rng.normal(0, 1.5, N_LATENTS))
    bare = rng.gamma(0.3, 1.0, (N_TOKENS, N_LATENTS)) * scale
    quiet = set(np.argsort(scale)[40 : 40 + PLANTED].tolist())
    shown = bare + rng.normal(0, 0.01, bare.shape)
    shown[:, list(quiet)] += 1.0
    own = torch.ones(N_TOKENS, dtype=torch.bool)
    last = torch.arange(N_TOKENS) % 30 == 29

    def stream(acts: np.ndarray) -> Stream:
        return Stream({0: torch.tensor(acts).float()}, own, last, ~own)

    return stream(bare), stream(shown), quiet


def test_planted_latents_are_recovered_when_tokens_are_aligned() -> None:
    bare, shown, planted = _streams()
    found = changes(bare, shown, 0, Raw)
    assert set(sts.top(found["aligned"], PLANTED)) == planted
    assert set(sts.top(found["last"], PLANTED)) == planted


def test_planted_latents_are_lost_when_tokens_are_not_aligned() -> None:
    bare, shown, planted = _streams()
    turned = Stream({0: shown.acts[0].roll(7, 0)}, shown.own, shown.last, shown.template)
    unaligned = changes(bare, turned, 0, Raw)["unaligned"]
    loud = bare.acts[0].square().mean(0)
    assert len(set(sts.top(unaligned, PLANTED)) & planted) <= 1
    assert sts.overlap(unaligned, loud) >= 0.8


def test_the_activation_score_is_linear_in_the_activations() -> None:
    bare, shown, _ = _streams()
    double = Stream({0: 2 * bare.acts[0]}, bare.own, bare.last, bare.template)
    once, twice = (profile(s, shown, 0, Raw)["act"].numpy() for s in (bare, double))
    chosen = [1, 5, 9]
    assert sts.sts(twice[None], chosen) == pytest.approx(2 * sts.sts(once[None], chosen), rel=1e-5)


def test_summing_or_averaging_over_the_set_gives_one_correlation() -> None:
    rng = np.random.default_rng(1)
    profiles, size = rng.random((14, 30)), rng.random(14)
    summed = sts.sts(profiles, [3, 4, 5])
    one = sts.correlate(summed, size, seed=0, n_resamples=200)
    other = sts.correlate(summed / 3, size, seed=0, n_resamples=200)
    assert one.r == pytest.approx(other.r)
    assert profiles[:, [3, 4, 5]].mean(1) == pytest.approx(summed / 3)


def test_more_latents_than_are_live_is_an_error() -> None:
    with pytest.raises(ValueError, match="5 latents asked for, 3 are live"):
        sts.top([1.0, 2.0, 3.0, 4.0], 5, live=[True, True, True, False])


def test_a_dead_latent_is_never_chosen() -> None:
    assert sts.top([9.0, 2.0, 3.0], 2, live=[False, True, True]).tolist() == [2, 1]


def test_the_share_rule_takes_as_few_latents_as_hold_the_share() -> None:
    change = [5.0, 1.0, 3.0, 1.0]
    assert [sts.n_by_share(change, s) for s in (0.25, 0.5, 0.51, 0.95)] == [1, 1, 2, 4]
    with pytest.raises(ValueError, match="no latent changes"):
        sts.n_by_share([0.0, 0.0], 0.5)


def test_a_set_that_is_scored_has_at_least_four_latents() -> None:
    change = [5.0, 1.0, 3.0, 1.0, 0.5, 0.1]
    assert sts.smallest_set(change, 0.25).tolist() == [0, 2, 1, 3]
    assert len(sts.smallest_set(change, 0.999)) == 6


def test_the_papers_ratio_leaves_four_latents_of_a_small_dictionary() -> None:
    assert sts.n_by_ratio(28_672) == 100
    assert sts.n_by_ratio(384) == 4


def test_one_outlier_shows_in_the_smallest_correlation() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=14), rng.normal(size=14)
    x[3] = y[3] = 20.0
    found = sts.correlate(x, y, seed=0, n_resamples=300)
    assert found.r > 0.9 > 0.5 > found.smallest
    assert found.left_out == 3
    assert found.low <= found.r <= found.high


def test_extremes_flatter_a_middling_correlation() -> None:
    rng = np.random.default_rng(5)
    gain = []
    for _ in range(200):
        y = rng.random(14)
        found = np.argsort(-y)
        x = y + rng.normal(0, 0.5, 14)
        ends = np.r_[found[:4], found[-4:]]
        gain.append(sts.rows_r(x[ends][None], y[ends][None])[0] - sts.rows_r(x[None], y[None])[0])
    assert np.mean(gain) > 0.04


def test_a_wide_dictionary_is_encoded_in_pieces_with_the_same_result(monkeypatch) -> None:
    bare, shown, _ = _streams()
    whole = changes(bare, shown, 0, Raw) | profile(bare, shown, 0, Raw)
    monkeypatch.setattr(features, "CHUNK", 400)
    pieces = changes(bare, shown, 0, Raw) | profile(bare, shown, 0, Raw)
    for name, value in whole.items():
        assert torch.allclose(pieces[name], value, rtol=1e-4), name


def test_a_stream_keeps_the_rows_that_are_asked_for() -> None:
    bare, _, _ = _streams()
    kept = bare.kept(bare.last)
    assert len(kept.acts[0]) == int(bare.last.sum()) == len(kept.own)
    assert torch.equal(features.joined([kept, kept]).acts[0][: len(kept.own)], kept.acts[0])
