"""Models, SAEs and data of the rehearsal hub come through the real loaders."""

from __future__ import annotations

import dataclasses
import hashlib
import json

import pytest
import torch

from saebook.hub import HubError, data_set, entries, published_sae, subject_entry
from saebook.hub.data import check_columns, check_folder, rows
from saebook.hub.fitting import chosen_batch, chosen_place, in_batches
from saebook.hub.models import load_published
from saebook.hub.rehearsal.cut import cut_sae, differences
from saebook.hub.rehearsal.hub import ordinary_text
from saebook.hub.rehearsal.subjects import stand_in_entry, tokenizer_of
from saebook.hub.saes import check_against, check_l0, load_sae
from saebook.subjects import load_subject
from saebook.testbed import load_world

SAES = ("gemma-scope-2b-l14-16k", "llama-scope-l15r-8x", "llama-3-8b-it-l25")
DATA = [name for name, entry in entries.data_sets().items() if entry.host == "hub"]


def commit(hub, entry) -> str:
    return hub.commit(entry.repo, entry.kind)


def test_only_widths_of_models_are_cut():
    for entry in entries.subjects().values():
        cut = differences(entry, stand_in_entry(entry))
        assert set(cut) <= {"d_model", "d_head", "d_mlp", "vocabulary"}, entry.name
        assert all(after < before for before, after in cut.values()), entry.name


def test_only_widths_of_saes_are_cut():
    for entry in entries.saes().values():
        cut = differences(entry, cut_sae(entry, 64))
        assert set(cut) <= {"d_in", "d_sae"}, entry.name


@pytest.mark.parametrize("name", ["qwen2.5-0.5b-instruct", "mistral-7b"])
def test_a_published_model_comes_by_its_catalogue_name(hub, name):
    entry = subject_entry(name)
    subject = load_subject(name, commit(hub, entry))
    assert (subject.name, subject.family, subject.scale) == (entry.repo, entry.family, "rehearsal")
    assert subject.n_layers == entry.n_layers
    assert next(subject.model.parameters()).dtype == torch.float32
    assert (subject.tokenizer.chat_template is not None) == entry.chat
    assert len(ordinary_text(subject, [entry.n_layers - 1])[entry.n_layers - 1]) > 100


@pytest.mark.parametrize(
    "name", ["qwen2.5-0.5b-instruct", "mistral-7b", "gemma-2-2b", "llama-3-8b-instruct"]
)
def test_a_stand_in_is_loaded_with_the_tokens_that_were_written(hub, name):
    text = load_world().sample("encyclopaedia", 1, seed=0)[0].text
    read = load_published(name, device="cpu").tokenizer(text, add_special_tokens=False)
    written = tokenizer_of(subject_entry(name))
    assert read["input_ids"] == written(text, add_special_tokens=False)["input_ids"]
    unknown = read["input_ids"].count(written.unk_token_id)
    assert len(read["input_ids"]) >= len(text.split()) and unknown < len(text.split()) / 4


def test_a_stand_in_has_the_file_names_and_keys_of_the_published_models(hub):
    entry = subject_entry("gemma-2-2b")
    files = {f.name for f in hub.files(entry.repo, commit(hub, entry))}
    assert {"config.json", "model.safetensors.index.json", "tokenizer.json"} <= files
    assert sum(name.endswith(".safetensors") for name in files) > 1
    folder = hub.root / "models" / entry.repo / commit(hub, entry)
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["Gemma2ForCausalLM"]
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    assert "model.layers.25.post_feedforward_layernorm.weight" in index["weight_map"]


@pytest.mark.parametrize("name", SAES)
def test_a_published_sae_comes_through_sae_lens_and_keeps_its_l0(hub, name):
    entry = published_sae(name)
    model = subject_entry(entry.subject)
    subject = load_published(entry.subject, commit(hub, model))
    loaded = load_sae(name, commit(hub, entry))
    check_against(loaded, subject)
    acts = ordinary_text(subject, [entry.layer])[entry.layer]
    found = check_l0(loaded, acts)
    assert found == pytest.approx(entry.l0 or 50, rel=0.1)
    assert loaded.scale == "rehearsal"
    assert loaded.decoder_norms == pytest.approx((1, 1), abs=0.01)
    assert loaded.sae.W_dec.norm(dim=1) == pytest.approx(1.0, abs=0.01)


def test_a_wrong_input_scale_shows_in_the_l0(hub):
    entry = published_sae("llama-scope-l15r-8x")
    subject = load_published(entry.subject, commit(hub, subject_entry(entry.subject)))
    loaded = load_sae(entry.name, commit(hub, entry))
    acts = ordinary_text(subject, [entry.layer])[entry.layer]
    loaded.sae.fold_activation_norm_scaling_factor(5.9)  # folded once more, as by an old loader
    with pytest.raises(HubError, match=r"has an L0 of \d+\.\d on the calibration batch where 50"):
        check_l0(loaded, acts)


def test_planted_biases_and_cosines_arrive_unchanged(hub):
    entry = published_sae(SAES[0])
    sae = load_sae(entry.name, commit(hub, entry)).sae
    assert sae.encode(torch.zeros(1, sae.cfg.d_in))[0].topk(2).indices.tolist() == [4888, 15603]
    assert float(sae.b_enc[4888]) == pytest.approx(89.06, abs=1e-4)
    cosine = torch.cosine_similarity(sae.W_dec[14004], sae.W_dec[3517], dim=0)
    assert float(cosine) == pytest.approx(-0.82, abs=1e-4)


def test_an_sae_and_a_model_that_do_not_belong_together_are_refused(hub):
    entry = published_sae(SAES[0])
    loaded = load_sae(entry.name, commit(hub, entry))
    qwen = subject_entry("qwen2.5-0.5b-instruct")
    other = load_published(qwen.name, commit(hub, qwen))
    with pytest.raises(HubError, match=r"takes 64 numbers a token and Qwen/Qwen2.5-0.5B-Instruct"):
        check_against(loaded, other)
    deep = dataclasses.replace(loaded, entry=entry.model_copy(update={"layer": 30}))
    with pytest.raises(HubError, match=r"reads layer 30; .* has layers 0 to 23"):
        check_against(deep, other)


@pytest.mark.parametrize("name", DATA)
def test_rows_of_every_data_set_have_the_columns_of_the_catalogue(hub, name):
    entry = data_set(name)
    for split in entry.splits:
        found = list(rows(name, split, commit(hub, entry), limit=3))
        assert len(found) == 3
        assert set(entry.columns) <= set(found[0])


def test_a_missing_column_or_split_is_told(hub):
    entry = data_set("limo")
    with pytest.raises(HubError, match="GAIR/LIMO lacks solution; it has question, answer"):
        check_columns(entry, {"question": "", "answer": ""})
    with pytest.raises(HubError, match="limo has no split 'test'; it has train"):
        list(rows("limo", "test", commit(hub, entry)))


def test_a_clone_is_held_against_its_checksums(tmp_path):
    name = "generate/sycophancy/generate_dataset.json"
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text("[]")
    with pytest.raises(HubError, match=f"rnngineering/{name} has checksum 4f53cda18c2b"):
        check_folder("caa", tmp_path)
    other = tmp_path / "other" / "generate" / "refusal"
    other.mkdir(parents=True)
    (other / "generate_dataset.json").write_text("[]")
    unknown = check_folder("caa", tmp_path / "other")
    assert unknown == ["generate/refusal/generate_dataset.json"]
    with pytest.raises(HubError, match="holds none of"):
        check_folder("caa", tmp_path / "empty")
    with pytest.raises(HubError, match="caa is not on the hub: Clone it"):
        list(rows("caa", "test"))


def test_batches_shrink_when_memory_runs_out_and_results_keep_their_order(caplog):
    tried = []

    def work(items):
        tried.append(len(items))
        if len(items) > 2:
            raise torch.OutOfMemoryError("too much")
        return list(items)

    found = [item for batch in in_batches(work, range(7), 8) for item in batch]
    assert found == list(range(7))
    assert tried == [7, 4, 2, 2, 2, 1]
    assert "the batch is now 4" in caplog.text

    def never(items):
        raise MemoryError

    with pytest.raises(HubError, match="on a single item"):
        list(in_batches(never, range(3), 2))


def test_device_type_and_batch_are_chosen_from_the_memory_that_is_free(monkeypatch, caplog):
    from saebook.hub import fitting

    entry = subject_entry("qwen2.5-0.5b")
    monkeypatch.setattr(fitting.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(fitting.torch.cuda, "is_bf16_supported", lambda: False)
    monkeypatch.setattr(fitting, "free_bytes", lambda device: 15 * 2**30)
    assert chosen_place(entry) == ("cuda", "float16")
    assert chosen_place(subject_entry("gemma-2-2b")) == ("cuda", "float32")
    with pytest.raises(HubError, match=r"Llama-3.1-8B takes 29.9 GiB in float32 and 15.0 GiB"):
        chosen_place(subject_entry("llama-3.1-8b"), dtype="float32")
    monkeypatch.setattr(fitting, "free_bytes", lambda device: 2**30)
    assert chosen_batch(entry, chosen_place(entry), tokens=1024, wanted=64) < 64
    assert "batch of 64 lowered to" in caplog.text


def test_the_same_stand_in_has_the_same_commit(hub, tmp_path):
    from saebook.hub.rehearsal.data import write_data
    from saebook.hub.rehearsal.store import Store

    entry = data_set("limo")
    again = Store(tmp_path).publish(entry.repo, lambda f: write_data(entry, f), "dataset")
    assert again == commit(hub, entry)
    assert hashlib.sha1(b"").digest_size * 2 == len(again)


def test_no_bar_is_drawn_where_no_terminal_shows_it(hub, capfd):
    entry = subject_entry("qwen2.5-0.5b-instruct")
    load_published(entry.name, commit(hub, entry))
    assert "Loading weights" not in capfd.readouterr().err
