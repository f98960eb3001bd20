"""SAEs of published models on published text, from the hub's files to a trained SAE."""

from __future__ import annotations

import pytest

from saebook.hub import HubError
from saebook.hub.models import load_published
from saebook.subjects import hook_name
from saebook.zoo import SAESpec, get_saes
from saebook.zoo.hub_source import HubSource, HubText, published_text, sequences_a_pass

QWEN = "qwen2.5-0.5b-instruct"


def spec(**changes) -> SAESpec:
    fields = {"subject": QWEN, "corpus": "common-pile", "hook_name": hook_name(5), "context": 32}
    sizes = {"d_sae": 224, "n_tokens": 1_024, "epochs": 1, "sparsity": 4, "recipe": "wang2025"}
    return SAESpec(**{**fields, **sizes, **changes})


@pytest.fixture
def source(hub) -> HubSource:
    return HubSource(
        {QWEN: load_published(QWEN)}, {"common-pile": published_text("common-pile", "train")}
    )


def test_an_sae_is_trained_on_published_text_and_found_again(source, tmp_path):
    wanted = [spec(), spec(architecture="gated")]
    found = get_saes(wanted, source, cache_root=tmp_path, progress=False)
    entry = found[wanted[0]]
    assert entry.sae.W_dec.shape == (224, source.d_in(QWEN))
    assert entry.report["l0"] == pytest.approx(4)
    again = get_saes(wanted, source, cache_root=tmp_path, progress=False)
    assert [e.origin for e in again.values()] == ["cache", "cache"]


def test_the_stream_gives_every_token_but_bos_and_starts_anew_each_time(source):
    hooks = [hook_name(2), hook_name(5)]
    parts = [list(source.stream(spec().stream, hooks)) for _ in range(2)]
    first, second = (sum(len(p[hooks[0]]) for p in part) for part in parts)
    assert first == second > 1_000
    assert set(parts[0][0]) == set(hooks)
    assert parts[0][0][hooks[1]].equal(parts[1][0][hooks[1]])


def test_a_corpus_is_named_by_repository_commit_split_and_column(hub):
    text = published_text("common-pile", "train", limit=3)
    assert text.version.startswith("common-pile/comma_v0.1_training_dataset@")
    assert text.version.endswith("/train/text/3")
    assert len(list(text.texts())) == 3 and all(isinstance(t, str) for t in text.texts())


def test_texts_may_come_from_anywhere_and_empty_ones_are_passed_over(hub, monkeypatch):
    rows = [{"text": "  "}, {"text": "leo finds the ball"}]
    monkeypatch.setattr("saebook.zoo.hub_source.rows", lambda *a: iter(rows))
    assert list(published_text("common-pile", "train").texts()) == ["leo finds the ball"]
    own = HubSource({}, {"mine": HubText("mine-1", lambda: iter(["a"]))})
    assert own.corpus_version("mine") == "mine-1"


def test_unknown_names_and_texts_that_end_early_are_said(source, tmp_path):
    with pytest.raises(ValueError, match="unknown model 'gpt'; given: qwen"):
        source.d_in("gpt")
    with pytest.raises(ValueError, match="unknown corpus 'wiki'; given: common-pile"):
        source.corpus_version("wiki")
    with pytest.raises(ValueError, match="give more text or lower n_tokens"):
        get_saes([spec(n_tokens=10**6)], source, cache_root=tmp_path, progress=False)
    with pytest.raises(HubError):
        published_text("wiki", "train")


def test_the_batch_is_what_fits_the_memory_that_is_free(source, monkeypatch):
    subject = source.subject(QWEN)
    assert sequences_a_pass(subject, 32) == 32
    monkeypatch.setattr("saebook.hub.fitting.free_bytes", lambda device: 2**28)
    assert 1 <= sequences_a_pass(subject, 512) < 32
