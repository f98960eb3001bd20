"""SAEs trained on a stream that is read once."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from synthetic import HOOK, SyntheticSource, small_spec, synthetic_activations

from saebook.reconstruction import fvu_pooled, l0
from saebook.zoo import ARCHITECTURES, get_saes
from saebook.zoo.harvest import Harvest, harvest
from saebook.zoo.recipes import RECIPES
from saebook.zoo.streamed import _chunks, _pools, fit_streamed
from saebook.zoo.train import fit, to_inference

SPECS = [small_spec(architecture=a, recipe="pooled", n_tokens=40_000) for a in ARCHITECTURES]


@pytest.fixture(autouse=True)
def pooled(monkeypatch) -> None:
    """The house's recipe, whose learning rate suits a few hundred steps, on a mixed pool."""
    pooled = replace(RECIPES["2"], min_steps=600, pool_tokens=10_000)
    monkeypatch.setitem(RECIPES, "pooled", pooled)


class ShortSource(SyntheticSource):
    """A stream that ends after so many tokens."""

    def stream(self, spec, hook_names):
        yield from itertools.islice(super().stream(spec, hook_names), 3)


def test_all_architectures_train_side_by_side_on_one_pass(tmp_path):
    source = SyntheticSource()
    found = get_saes(SPECS, source, cache_root=tmp_path, progress=False)
    assert len(source.opened) == 1
    assert {entry.origin for entry in found.values()} == {"trained"}
    assert {entry.report["n_holdout_tokens"] for entry in found.values()} == {4_000}
    again = get_saes(SPECS, source, cache_root=tmp_path, progress=False)
    assert {entry.origin for entry in again.values()} == {"cache"}


def test_a_streamed_sae_is_as_good_as_one_trained_on_the_whole_harvest():
    streamed, _ = fit_streamed(SPECS, SyntheticSource())
    stream = SyntheticSource().stream(SPECS[0].stream, [HOOK])
    data = harvest(stream, [HOOK], SPECS[0].n_tokens)[HOOK]
    acts = synthetic_activations(4_000, seed=5)
    for spec, live in zip(SPECS, streamed, strict=True):
        ours, theirs = to_inference(live), to_inference(fit(spec, data))
        left = [fvu_pooled(acts, sae.decode(sae.encode(acts))) for sae in (ours, theirs)]
        assert left[0] == pytest.approx(left[1], abs=0.03), spec.label
        assert l0(ours.encode(acts)) == pytest.approx(3, abs=0.3), spec.label


def test_an_sae_does_not_depend_on_those_trained_beside_it():
    alone, _ = fit_streamed(SPECS[:1], SyntheticSource())
    beside, _ = fit_streamed(SPECS[:3], SyntheticSource())
    assert torch.equal(alone[0].W_dec, beside[0].W_dec)


def test_every_token_is_dealt_once_and_the_pool_mixes_them():
    stream = (torch.arange(i, i + 7.0)[:, None] for i in range(0, 700, 7))
    chunks = _chunks(stream, 50, 100)
    holdout, sample = next(chunks), next(chunks)
    assert holdout.flatten().tolist() == list(range(50)) and len(sample) == 100
    dealt = torch.cat(list(_pools(Harvest(sample, holdout, 1.0), chunks, seed=0))).flatten()
    assert sorted(dealt.tolist()) == list(range(50, 700))
    early = dealt[:150]
    assert early.max() > 150 and not torch.equal(early, early.sort().values)


def test_a_stream_that_ends_early_says_how_much_is_missing():
    with pytest.raises(ValueError, match="40,000 are needed: give more text or lower n_tokens"):
        fit_streamed(SPECS[:1], ShortSource())


def test_specs_that_cannot_share_a_pass_are_refused():
    with pytest.raises(ValueError, match="epochs is 3, not 1"):
        fit_streamed([SPECS[0].model_copy(update={"epochs": 3})], SyntheticSource())
    with pytest.raises(ValueError, match="mixes no pool"):
        fit_streamed([small_spec(epochs=1)], SyntheticSource())
    with pytest.raises(ValueError, match="share stream, hook point and recipe"):
        fit_streamed([SPECS[0], SPECS[1].model_copy(update={"n_tokens": 999})], SyntheticSource())
    assert SPECS[0].hook_name == HOOK
