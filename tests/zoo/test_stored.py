"""Harvests kept on disk: read by many, made once, whole or absent."""

from __future__ import annotations

import shutil

import pytest
import torch
from synthetic import HOOK, SyntheticSource, small_spec

from saebook.cache import CacheWriteError
from saebook.zoo import get_saes
from saebook.zoo.stored import StreamHarvest


class NoModel(SyntheticSource):
    """A source whose model cannot be read."""

    def stream(self, *args, **kwargs):
        raise AssertionError("the model was read")


def _weights(entry):
    return entry.sae.state_dict()


def test_an_sae_from_a_kept_harvest_equals_one_that_harvested_itself(tmp_path):
    spec = small_spec()
    alone = get_saes([spec], SyntheticSource(), cache_root=tmp_path / "alone", progress=False)
    StreamHarvest(spec.stream, [HOOK], SyntheticSource(), tmp_path / "kept").keep()
    reader = get_saes([spec], NoModel(), cache_root=tmp_path / "kept", progress=False)
    for name, value in _weights(alone[spec]).items():
        assert torch.equal(value, _weights(reader[spec])[name]), name


def test_the_model_is_read_once_for_all_jobs(tmp_path):
    source = SyntheticSource()
    specs = [small_spec(sparsity=k) for k in (2, 3)]
    StreamHarvest(specs[0].stream, [HOOK], source, tmp_path).keep()
    StreamHarvest(specs[0].stream, [HOOK], source, tmp_path).keep()
    for spec in specs:
        get_saes([spec], source, cache_root=tmp_path, progress=False)
    assert len(source.opened) == 1


def test_a_damaged_harvest_is_made_again(tmp_path):
    spec, source = small_spec(), SyntheticSource()
    kept = StreamHarvest(spec.stream, [HOOK], source, tmp_path)
    folder = kept.keep()[HOOK]
    (folder / "activations.safetensors").write_bytes(b"cut short")
    again = StreamHarvest(spec.stream, [HOOK], source, tmp_path)
    again.keep()
    assert len(source.opened) == 2
    assert torch.equal(kept.by_hook[HOOK].train, again.by_hook[HOOK].train)


def test_other_text_or_another_model_has_another_key():
    spec = small_spec()
    one = StreamHarvest(spec.stream, [HOOK], SyntheticSource())
    others = [
        StreamHarvest(spec.stream._replace(data_seed=1), [HOOK], SyntheticSource()),
        StreamHarvest(spec.stream, [HOOK], SyntheticSource(digest="weights-2")),
        StreamHarvest(spec.stream, [HOOK], SyntheticSource(version="text-2")),
    ]
    assert len({kept.key(HOOK) for kept in (one, *others)}) == 4


def test_a_disk_too_small_is_said_before_the_model_is_read(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    spec = small_spec()
    with pytest.raises(CacheWriteError, match="lower n_tokens"):
        StreamHarvest(spec.stream, [HOOK], NoModel(), tmp_path).keep()
