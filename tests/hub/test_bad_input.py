"""Everything that can be wrong with something published is told before it does harm."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from dataclasses import replace

import numpy as np
import pytest
from huggingface_hub import constants

from saebook.activations import capture
from saebook.hub import HubError, data_set, published_sae, subject_entry
from saebook.hub import fetch as fetching
from saebook.hub.explain import NoNetworkError
from saebook.hub.fetch import RemoteFile, fetch, present_commit
from saebook.hub.models import load_published
from saebook.hub.rehearsal.store import Store
from saebook.hub.rehearsing import VARIABLE
from saebook.hub.saes import check_against, check_input_scale, file_sizes, load_sae

QWEN = subject_entry("qwen2.5-0.5b-instruct")
GEMMA = subject_entry("gemma-2-2b")
LIMO = data_set("limo")


def commit(hub: Store, entry) -> str:
    return hub.commit(entry.repo, entry.kind)


@pytest.fixture
def no_answer(monkeypatch):
    """The hub's address leads nowhere."""
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")


def test_no_network_is_told_with_what_to_do(hub, no_answer):
    with pytest.raises(NoNetworkError, match=r"127.0.0.1:9 does not answer; check the network"):
        load_published(QWEN.name, "a" * 40)


def test_a_hub_that_is_shut_off_is_told_with_the_variable(hub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(NoNetworkError, match="shut off by HF_HUB_OFFLINE; unset it"):
        present_commit(QWEN)


def test_what_is_in_the_cache_needs_no_network(hub, monkeypatch, caplog):
    revision = commit(hub, LIMO)
    first = fetch(LIMO, revision, ["limo.jsonl"])
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert fetch(LIMO, revision, ["limo.jsonl"]) == first
    assert "is read from the cache" in caplog.text
    with pytest.raises(NoNetworkError):
        fetch(LIMO, revision, ["limo.jsonl", "other.jsonl"])


def test_a_missing_token_is_told_with_licence_page_and_variable(hub, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    wanted = r"gemma-2-2b is gated and no token .*huggingface.co/google/gemma-2-2b, .*HF_TOKEN"
    with pytest.raises(HubError, match=wanted):
        load_published(GEMMA.name, commit(hub, GEMMA))


def test_a_token_without_access_is_told_with_the_licence_page(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_someone_else")
    wild = data_set("wildchat")
    with pytest.raises(HubError, match=r"has no access.*datasets/allenai/WildChat.*leave it out"):
        fetch(wild, commit(hub, wild), ["data/*"])


def test_a_wrong_revision_is_told(hub):
    with pytest.raises(HubError, match=f"Qwen/Qwen2.5-0.5B-Instruct has no revision {'f' * 40}"):
        load_published(QWEN.name, "f" * 40)


def test_a_repository_that_is_not_there_is_told(hub):
    with pytest.raises(HubError, match=r"the hub has no model Qwen/Qwen2.5-7B, or does not show"):
        load_published("qwen2.5-7b", "a" * 40)


def test_without_a_revision_nothing_published_is_loaded(hub, monkeypatch):
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(HubError, match=r"no revision of Qwen/Qwen2.5-0.5B-Instruct is pinned"):
        load_published(QWEN.name)


def test_a_checksum_that_differs_from_the_catalogue_is_refused(hub):
    changed = LIMO.model_copy(update={"checksums": {"limo.jsonl": "0" * 64}})
    with pytest.raises(HubError, match=r"GAIR/LIMO/limo.jsonl has checksum .* where 0000"):
        fetch(changed, commit(hub, LIMO), ["limo.jsonl"])


def test_a_checksum_that_differs_from_the_listing_is_refused(hub, monkeypatch):
    lied = [RemoteFile("limo.jsonl", 10, "1" * 64)]
    monkeypatch.setattr(fetching, "listing", lambda entry, revision: lied)
    with pytest.raises(HubError, match="changed or broken on the way"):
        fetch(LIMO, commit(hub, LIMO), ["limo.jsonl"])


def test_a_disk_too_small_is_told_before_the_download(hub, monkeypatch, tmp_path):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(2**40, 2**40, 2**29))
    with pytest.raises(HubError, match=r"GiB and 0.50 GiB are free .* point HF_HOME at a larger"):
        load_published(QWEN.name, commit(hub, QWEN))
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_a_pickle_in_place_of_safetensors_is_refused(hub):
    def write(folder):
        config = hub.root / "models" / QWEN.repo / commit(hub, QWEN) / "config.json"
        (folder / "config.json").write_text(config.read_text())
        (folder / "tokenizer.json").write_text("{}")
        (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")

    only_pickle = QWEN.model_copy(update={"repo": "someone/pickled"})
    if hub.head(only_pickle.repo) is None:
        hub.publish(only_pickle.repo, write)
    revision = hub.commit(only_pickle.repo)
    with pytest.raises(HubError, match=r"offers pytorch_model.bin and no safetensors. A pickle"):
        fetch(only_pickle, revision, ["config.json", "model*.safetensors"])
    with pytest.raises(HubError, match="may run code when read"):
        fetch(only_pickle, revision, ["*"])


def test_an_array_file_with_pickled_objects_is_refused(tmp_path):
    entry = published_sae("gemma-scope-2b-l14-16k")
    path = tmp_path / entry.files[0]
    path.parent.mkdir(parents=True)
    np.savez(path, W_dec=np.array([{"a": 1}], dtype=object))
    with pytest.raises(HubError, match=r"is not in its format: .*allow_pickle"):
        file_sizes(entry, tmp_path)


def test_a_model_without_that_layer_is_told(hub):
    subject = load_published(QWEN.name, commit(hub, QWEN))
    with pytest.raises(ValueError, match=r"layer 24 is out of range; .* has layers 0 to 23"):
        capture(subject, ["a text"], [24])
    entry = published_sae("gemma-scope-2b-l14-16k")
    loaded = load_sae(entry.name, commit(hub, entry))
    deeper = replace(loaded, entry=entry.model_copy(update={"layer": 30}))
    with pytest.raises(HubError, match=r"reads layer 30; .* has layers 0 to 23"):
        check_against(deeper, subject)


def test_a_tokenizer_without_a_chat_template_is_told(hub):
    with pytest.raises(HubError, match="google/gemma-2-2b has no chat template; take the instruct"):
        load_published(GEMMA.name, commit(hub, GEMMA), chat=True)


def test_a_stand_in_is_never_taken_for_what_is_published(hub, monkeypatch):
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(HubError, match=r"d_model 56 \(catalogue 896\)"):
        load_published(QWEN.name, commit(hub, QWEN))
    entry = published_sae("gemma-scope-2b-l14-16k")
    with pytest.raises(HubError, match=r"d_in 64 \(catalogue 2,304\)"):
        load_sae(entry.name, commit(hub, entry))


def test_an_input_scale_other_than_the_one_that_is_folded_is_told(tmp_path):
    entry = published_sae("llama-scope-l15r-8x")
    path = tmp_path / entry.files[0]
    path.parent.mkdir(parents=True)
    norms = {"in": 64.0, "out": 64.0}
    path.write_text(json.dumps({"d_model": 4096, "dataset_average_activation_norm": norms}))
    with pytest.raises(HubError, match=r"input scale of 1.0000, sae-lens folds 5.9"):
        check_input_scale(entry, tmp_path)
