"""The catalogue agrees with what sae-lens, transformers and TransformerLens know."""

from __future__ import annotations

import inspect

import pytest
from pydantic import ValidationError

from saebook.hub import HubError, entries, published_sae, subject_entry
from saebook.hub.schema import SubjectEntry
from saebook.hub.sizes import fitting_batch, forward_bytes, n_parameters, weight_bytes

SUBJECTS = entries.subjects()
SAES = entries.saes()
PUBLISHED_COUNTS = {
    # Numbers of parameters on the model cards.
    "gemma-2-2b": 2_614_341_888,
    "gemma-2-9b": 9_241_705_984,
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-1.5b": 1_543_714_304,
    "qwen2.5-3b": 3_085_938_688,
    "qwen2.5-7b": 7_615_616_512,
    "mistral-7b": 7_241_732_096,
}


@pytest.mark.parametrize("name", PUBLISHED_COUNTS)
def test_the_sizes_give_the_published_number_of_parameters(name):
    assert n_parameters(subject_entry(name)) == PUBLISHED_COUNTS[name]


@pytest.mark.parametrize("family", ["gemma2", "llama", "mistral", "qwen2"])
def test_parameters_are_counted_as_the_transformers_class_has_them(family):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    entry = next(e for e in SUBJECTS.values() if e.family == family)
    config = AutoConfig.for_model(
        family,
        hidden_size=entry.d_model,
        num_hidden_layers=entry.n_layers,
        num_attention_heads=entry.n_heads,
        num_key_value_heads=entry.n_kv_heads,
        head_dim=entry.d_head,
        intermediate_size=entry.d_mlp,
        vocab_size=entry.vocabulary,
        tie_word_embeddings=entry.tied,
    )
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    assert n_parameters(entry) == model.num_parameters()


def test_gemma_and_llama_sizes_are_those_that_transformer_lens_lists():
    from transformer_lens import loading_from_pretrained

    source = inspect.getsource(loading_from_pretrained)
    for marker, name in (
        ('startswith("google/gemma-2-2b")', "gemma-2-2b"),
        ('startswith("google/gemma-2-9b")', "gemma-2-9b"),
        ('"Llama-3.2-1B" in', "llama-3.2-1b"),
        ('"Llama-3.2-3B" in', "llama-3.2-3b"),
        ('"Meta-Llama-3-8B" in', "llama-3-8b"),
    ):
        listed = source[source.index(marker) :][:900]
        entry = subject_entry(name)
        for key, value in {
            "d_model": entry.d_model,
            "d_head": entry.d_head,
            "n_heads": entry.n_heads,
            "d_mlp": entry.d_mlp,
            "n_layers": entry.n_layers,
            "d_vocab": entry.vocabulary,
            "n_key_value_heads": entry.n_kv_heads,
        }.items():
            assert f'"{key}": {value},' in listed, (name, key)


@pytest.mark.parametrize("name", SAES)
def test_every_sae_is_in_the_list_that_sae_lens_ships(name):
    from sae_lens.loading.pretrained_saes_directory import get_pretrained_saes_directory

    entry = SAES[name]
    listed = get_pretrained_saes_directory()[entry.release]
    assert listed.repo_id == entry.repo
    assert listed.saes_map[entry.sae_id] == entry.folder
    assert (listed.conversion_func or "sae_lens") == entry.format
    if listed.expected_l0[entry.sae_id]:
        assert listed.expected_l0[entry.sae_id] == entry.l0
    model = subject_entry(entry.subject)
    assert entry.d_in == model.d_model
    assert entry.layer < model.n_layers


@pytest.mark.parametrize("name", [n for n, e in SAES.items() if e.format == "gemma_2"])
def test_gemma_scope_widths_are_those_that_the_loader_reads_from_the_folder(name):
    from sae_lens.loading.pretrained_sae_loaders import get_gemma_2_config_from_hf

    entry = SAES[name]
    config = get_gemma_2_config_from_hf(entry.repo, entry.folder, "cpu")
    assert (config["d_in"], config["d_sae"], config["hook_name"]) == (
        entry.d_in,
        entry.d_sae,
        entry.hook_name,
    )
    assert f"average_l0_{entry.l0:g}" in entry.folder


def test_no_revision_is_invented():
    held = [*SUBJECTS.values(), *SAES.values(), *entries.data_sets().values()]
    for entry in held:
        assert entry.revision is not None or entry.why
        if entry.revision is None:
            with pytest.raises(HubError, match=r"no revision of .* is pinned"):
                entry.pinned()
        assert entry.pinned("a" * 40) == "a" * 40


@pytest.mark.parametrize("revision", ["main", "b18a80e", "A" * 40])
def test_a_branch_or_a_short_commit_is_no_pinned_revision(revision):
    with pytest.raises(HubError, match=r"no pinned revision of Qwen/Qwen2.5-0.5B"):
        subject_entry("qwen2.5-0.5b").pinned(revision)


def test_an_unknown_name_is_told_with_its_neighbours():
    with pytest.raises(HubError, match=r"no SAE 'gemma-scope-2b-l14-32k'; did you mean"):
        published_sae("gemma-scope-2b-l14-32k")
    assert subject_entry("google/gemma-2-2b").name == "gemma-2-2b"


def test_an_entry_without_revision_or_reason_is_refused():
    fields = subject_entry("qwen2.5-0.5b").model_dump()
    with pytest.raises(ValidationError, match="needs a reason"):
        SubjectEntry(**{**fields, "why": ""})
    with pytest.raises(ValidationError, match="unread names no field"):
        SubjectEntry(**{**fields, "unread": ("colour",)})
    with pytest.raises(ValidationError, match="no commit of 40 digits"):
        SubjectEntry(**{**fields, "revision": "main"})


def test_the_batch_is_halved_until_the_forward_pass_fits():
    entry = subject_entry("gemma-2-2b")
    one = forward_bytes(entry, 1, 512)
    assert forward_bytes(entry, 8, 512) == 8 * one
    assert fitting_batch(entry, free_bytes=5 * one, tokens=512, wanted=16) == 4
    assert fitting_batch(entry, free_bytes=100 * one, tokens=512, wanted=16) == 16
    with pytest.raises(ValueError, match="one sequence of 512 tokens through gemma-2-2b"):
        fitting_batch(entry, free_bytes=one, tokens=512, wanted=16)


def test_memory_follows_the_number_type():
    entry = subject_entry("llama-3.1-8b")
    assert weight_bytes(entry, "float32") == 2 * weight_bytes(entry, "bfloat16")
    assert weight_bytes(entry) == 2 * n_parameters(entry)
