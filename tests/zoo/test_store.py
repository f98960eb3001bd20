"""Getting SAEs: shipped, cached or trained; never stale, never half-written."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from synthetic import SyntheticSource, small_spec

from saebook.zoo import find_saes, get_saes, making, store
from saebook.zoo.store import key_of, ship

TESTS = Path(__file__).parent


def _get(specs, source, root, **options):
    return get_saes(specs, source, cache_root=root, progress=False, **options)


def _weights(entry):
    return {name: value.clone() for name, value in entry.sae.state_dict().items()}


def test_an_sae_is_trained_once_and_then_read_from_the_cache(source, tmp_path):
    spec = small_spec()
    first = _get([spec], source, tmp_path)[spec]
    again = _get([spec], source, tmp_path)[spec]
    assert (first.origin, again.origin) == ("trained", "cache")
    assert len(source.opened) == 1
    for name, value in _weights(first).items():
        assert torch.equal(value, _weights(again)[name])


def test_the_report_is_measured_on_held_out_tokens(source, tmp_path):
    spec = small_spec(n_tokens=8192)
    report = _get([spec], source, tmp_path)[spec].report
    assert report["l0"] <= 3
    assert 0 < report["fvu_pooled"] < 1
    assert report["n_holdout_tokens"] == 819
    assert set(report["versions"]) == {"torch", "sae-lens", "transformers", "nnsight"}


def test_specs_that_share_a_stream_share_one_pass_over_it(source, tmp_path):
    specs = [
        small_spec(architecture=architecture, hook_name=f"blocks.{layer}.hook_resid_post")
        for architecture in ("topk", "jumprelu")
        for layer in (0, 1)
    ]
    assert list(_get(specs, source, tmp_path)) == specs
    assert len(source.opened) == 1


def test_an_sae_does_not_depend_on_what_is_trained_beside_it(source, tmp_path):
    specs = [small_spec(sparsity=k) for k in (2, 3)]
    together = _get(specs, source, tmp_path / "together")[specs[1]]
    alone = _get(specs[1:], source, tmp_path / "alone")[specs[1]]
    for name, value in _weights(together).items():
        assert torch.equal(value, _weights(alone)[name])


@pytest.mark.parametrize("other", [{"digest": "weights-2"}, {"version": "text-2"}])
def test_an_sae_of_other_weights_or_text_is_never_handed_out(source, tmp_path, other):
    spec = small_spec()
    _get([spec], source, tmp_path)
    assert find_saes([spec], SyntheticSource(**other), cache_root=tmp_path) == {}
    assert _get([spec], SyntheticSource(**other), tmp_path)[spec].origin == "trained"


@pytest.mark.parametrize("damage", ["truncated", "altered", "missing"])
def test_a_damaged_sae_is_made_again_and_said(source, tmp_path, caplog, damage):
    spec = small_spec()
    entry = _get([spec], source, tmp_path)[spec]
    before = _weights(entry)
    path = entry.folder / "sae_weights.safetensors"
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        path.write_bytes(content[:-7])
    elif damage == "altered":
        content[-1] ^= 1
        path.write_bytes(content)
    else:
        path.unlink()
    with caplog.at_level(logging.WARNING, "saebook"):
        again = _get([spec], source, tmp_path)[spec]
    assert again.origin == "trained"
    assert "sae_weights.safetensors" in caplog.text
    for name, value in before.items():
        assert torch.equal(value, _weights(again)[name])


FILES = ("sae_weights.safetensors", "cfg.json", "spec.json", "report.json", "manifest.json")


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A cache that holds one SAE."""
    root = tmp_path_factory.mktemp("sound")
    entry = _get([small_spec()], SyntheticSource(), root)[small_spec()]
    assert sorted(path.name for path in entry.folder.iterdir()) == sorted(FILES)
    return root


@pytest.mark.parametrize("damage", ["truncated", "altered"])
@pytest.mark.parametrize("name", FILES)
def test_every_file_of_a_cached_sae_is_missed_when_damaged(
    sound, source, tmp_path, caplog, name, damage
):
    root = shutil.copytree(sound, tmp_path / "cache")
    (path,) = root.rglob(name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content if damage == "altered" else content[: len(content) // 2])
    with caplog.at_level(logging.WARNING, "saebook"):
        assert find_saes([small_spec()], source, cache_root=root) == {}
    assert "cache entry removed" in caplog.text
    assert name in caplog.text or name == "manifest.json"
    assert not path.exists()


def test_a_shipped_sae_is_used_and_a_damaged_one_is_not(source, tmp_path, caplog, monkeypatch):
    spec = small_spec()
    shipped = tmp_path / "shipped"
    monkeypatch.setattr(store, "SHIPPED", shipped)
    made = _get([spec], source, tmp_path / "a")[spec]
    folder = ship(made, key_of(spec, source), {"n_nameable_latents": 5}, shipped)
    found = _get([spec], source, tmp_path / "b")[spec]
    assert (found.origin, found.report["n_nameable_latents"]) == ("shipped", 5)
    (folder / "cfg.json").write_text("{}")
    with caplog.at_level(logging.WARNING, "saebook"):
        assert _get([spec], source, tmp_path / "b")[spec].origin == "trained"
    assert "shipped SAE is damaged" in caplog.text


def test_a_wrong_width_is_refused_before_anything_is_read(source, tmp_path):
    with pytest.raises(ValueError, match="multiple of d_in 16"):
        _get([small_spec(), small_spec(d_sae=60)], source, tmp_path)
    assert source.opened == []


def test_a_failure_in_one_sae_leaves_the_finished_ones(source, tmp_path, monkeypatch):
    specs = [small_spec(sparsity=k) for k in (2, 3)]
    real = making.save_sae

    def fail(sae, folder, dtype: Any = "float32"):
        if sae.cfg.k == 3:
            (folder / "half").write_text("written")
            raise KeyboardInterrupt
        real(sae, folder, dtype)

    monkeypatch.setattr(making, "save_sae", fail)
    with pytest.raises(KeyboardInterrupt):
        _get(specs, source, tmp_path)
    monkeypatch.undo()
    assert list(find_saes(specs, source, cache_root=tmp_path)) == specs[:1]
    assert not list(tmp_path.rglob("*.partial"))


_TRAIN = """
import sys, torch
from pathlib import Path
from typing import Any
sys.path[:0] = [sys.argv[1]]
torch.set_num_threads(1)
from synthetic import SyntheticSource, small_spec
from saebook.zoo import get_saes
specs = [small_spec(sparsity=k, n_tokens=20_000, epochs=4) for k in (2, 3, 4, 5)]
get_saes(specs, SyntheticSource(), cache_root=Path(sys.argv[2]), progress=False)
"""


def _start(root: Path) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", _TRAIN, str(TESTS), str(root)], env=environment)


@pytest.mark.slow
def test_a_run_killed_in_the_middle_goes_on_and_ends_with_the_same_weights(source, tmp_path):
    specs = [small_spec(sparsity=k, n_tokens=20_000, epochs=4) for k in (2, 3, 4, 5)]
    process = _start(tmp_path / "killed")
    deadline = time.monotonic() + 120
    while not find_saes(specs, source, cache_root=tmp_path / "killed"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    resumed = _get(specs, source, tmp_path / "killed")
    whole = _get(specs, source, tmp_path / "whole")
    origins = [entry.origin for entry in resumed.values()]
    assert origins[0] == "cache"
    assert origins[-1] == "trained"
    for spec in specs:
        for name, value in _weights(whole[spec]).items():
            assert torch.equal(value, _weights(resumed[spec])[name])
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.slow
def test_two_processes_at_once_divide_the_work_and_do_no_harm(source, tmp_path):
    specs = [small_spec(sparsity=k, n_tokens=20_000, epochs=4) for k in (2, 3, 4, 5)]
    processes = [_start(tmp_path) for _ in range(2)]
    assert [process.wait(timeout=200) for process in processes] == [0, 0]
    assert list(find_saes(specs, source, cache_root=tmp_path)) == specs


def test_no_wandb_folder_is_made(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _get([small_spec(architecture="jumprelu")], source, tmp_path / "cache")
    assert [p.name for p in tmp_path.iterdir()] == ["cache"]
