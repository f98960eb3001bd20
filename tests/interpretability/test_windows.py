"""Which windows a latent is explained and scored on."""

from __future__ import annotations

import pytest
import torch

from saebook.interpretability import (
    WindowSizes,
    latent_windows,
    live_latents,
    random_direction_codes,
    scoreable_latents,
)

SIZES = WindowSizes(buffer=2, top_generation=3, weighted_generation=2, random_scoring=4)


@pytest.fixture(scope="module")
def codes() -> torch.Tensor:
    """Latent 0 fires on a tenth of tokens, 1 on three tokens, 2 never, 3 everywhere."""
    generator = torch.Generator().manual_seed(0)
    acts = torch.rand(20, 64, 4, generator=generator)
    fires = torch.rand(20, 64, generator=generator)
    acts[..., 0] *= fires < 0.1
    acts[..., 1] = 0
    acts[0, 10, 1] = acts[3, 30, 1] = acts[5, 30, 1] = 1.0
    acts[..., 2] = 0
    acts[:, 0] = 0
    return acts


@pytest.fixture(scope="module")
def kept() -> torch.Tensor:
    kept = torch.ones(20, 64, dtype=torch.bool)
    kept[:, 0] = False
    return kept


def test_the_strongest_places_lead_and_no_two_windows_overlap(codes, kept):
    windows = latent_windows(codes, kept, [0], seed=1, sizes=SIZES)
    assert windows.generation.shape == (1, 5, 2) and windows.scoring.shape == (1, 8, 2)
    places = torch.cat([windows.generation[0], windows.scoring[0]]).tolist()
    for i, (row, start) in enumerate(places):
        for other, begin in places[:i]:
            assert row != other or abs(start - begin) >= SIZES.width
    assert float(windows.max_acts[0]) == float(codes[..., 0].max())
    acts = windows.acts(windows.generation, codes)[0]
    assert float(acts.max()) > 0.9 and bool((acts[:, SIZES.buffer] > 0).all())
    columns = torch.tensor(places)[:, 1]
    assert int(columns.min()) >= 1, "no window holds the BOS"


def test_a_latent_s_windows_do_not_depend_on_the_others_asked_for(codes, kept):
    both = latent_windows(codes, kept, [3, 0], seed=1, sizes=SIZES)
    alone = latent_windows(codes, kept, [0], seed=1, sizes=SIZES)
    assert torch.equal(both.scoring[1], alone.scoring[0])
    other = latent_windows(codes, kept, [0], seed=2, sizes=SIZES)
    assert not torch.equal(other.scoring, alone.scoring)


def test_a_dead_latent_is_refused_by_name(codes, kept):
    with pytest.raises(ValueError, match=r"\[2\] are dead"):
        latent_windows(codes, kept, [0, 2], seed=0, sizes=SIZES)


def test_latents_with_too_few_windows_or_out_of_range_are_refused_by_name(codes, kept):
    with pytest.raises(ValueError, match=r"\[1\] have fewer than 9"):
        latent_windows(codes, kept, [0, 1], seed=0, sizes=SIZES)
    with pytest.raises(ValueError, match=r"\[9\] are out of range"):
        latent_windows(codes, kept, [9], seed=0, sizes=SIZES)
    with pytest.raises(ValueError, match="no latents"):
        latent_windows(codes, kept, [], seed=0, sizes=SIZES)


def test_live_and_scoreable_latents_are_told_apart(codes, kept):
    assert live_latents(codes).tolist() == [0, 3]
    assert live_latents(codes, more_than=2).tolist() == [0, 1, 3]
    assert scoreable_latents(codes, kept, SIZES, seed=0).tolist() == [0, 3]


def test_sequences_shorter_than_a_window_are_refused(codes, kept):
    with pytest.raises(ValueError, match="shorter than a window of 101"):
        latent_windows(codes, kept, [0], seed=0, sizes=WindowSizes(buffer=50))


def test_sizes_that_cannot_be_scored_are_refused():
    with pytest.raises(ValueError, match="without an active window"):
        WindowSizes(top_scoring=0, weighted_scoring=0)
    with pytest.raises(ValueError, match="top_generation 0"):
        WindowSizes(top_generation=0)
    assert WindowSizes().scoring == 14 and WindowSizes().width == 21


def test_importance_weighting_prefers_strong_activations(kept):
    acts = torch.zeros(20, 64, 1)
    acts[:, 5::20, 0] = 0.1  # three weak places a sequence
    acts[:, 15, 0] = 1.0  # one strong one
    acts[:3, 55, 0] = 2.0
    sizes = WindowSizes(buffer=2, top_generation=1, top_scoring=2, weighted_generation=5)
    strong = 0
    for seed in range(10):
        windows = latent_windows(acts, kept, [0], seed=seed, sizes=sizes)
        peaks = windows.acts(windows.generation, acts)[0, 1:, sizes.buffer]
        strong += int((peaks == 1.0).sum())
    assert strong >= 40, "odds are a hundred to three"


def test_random_directions_fire_as_often_as_asked(kept):
    acts = torch.randn(20, 64, 8, generator=torch.Generator().manual_seed(3))
    density = torch.tensor([0.01, 0.1, 0.4])
    codes = random_direction_codes(acts, kept, density, seed=0)
    found = (codes[kept] > 0).double().mean(0)
    assert torch.allclose(found, density.double(), atol=2 / int(kept.sum()))
    assert not codes[~kept].any()
    with pytest.raises(ValueError, match="between 0 and 1"):
        random_direction_codes(acts, kept, torch.tensor([0.0, 0.5]), seed=0)
