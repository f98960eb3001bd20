"""Hook points and encoding, the same in every family."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch
from tiny import N_LAYERS, tiny_model, tiny_subject, tiny_tokenizer

from saebook import subjects
from saebook.subjects import Subject, hook_name, parse_hook


def block_output(subject: Subject, ids: torch.Tensor, layer: int) -> torch.Tensor:
    seen = []
    handle = subject.block(layer).register_forward_hook(lambda m, i, out: seen.append(out))
    with torch.no_grad():
        subject.model(input_ids=ids)
    handle.remove()
    return subjects.block_tensor(seen[0])


def test_a_hook_point_is_the_blocks_own_output_and_not_the_normed_last_hidden_state(subject):
    ids = torch.tensor(subject.encode(["the otter lives in the river"]))
    with torch.no_grad():
        hidden = subject.model(input_ids=ids, output_hidden_states=True).hidden_states
    for layer in range(N_LAYERS - 1):
        assert torch.equal(block_output(subject, ids, layer), hidden[layer + 1])
    assert not torch.allclose(block_output(subject, ids, N_LAYERS - 1), hidden[-1], atol=0.1)


def test_a_hook_name_and_its_layer_are_each_others_inverse():
    assert hook_name(3) == "blocks.3.hook_resid_post"
    assert [parse_hook(hook_name(layer)) for layer in (0, 7, 41)] == [0, 7, 41]


@pytest.mark.parametrize(
    "name",
    [
        "blocks.3.hook_resid_pre",
        "model.layers.3",
        "blocks.-1.hook_resid_post",
        "blocks.03.hook_resid_post",
    ],
)
def test_another_spelling_of_a_hook_is_refused(name):
    with pytest.raises(ValueError, match="the one spelling is"):
        parse_hook(name)


@pytest.mark.parametrize("layer", [-1, N_LAYERS])
def test_a_layer_out_of_range_names_the_range(subject, layer):
    with pytest.raises(ValueError, match="has layers 0 to 2"):
        subject.block(layer)


def test_tuple_and_tensor_block_outputs_are_both_read_and_written():
    resid, other = torch.ones(1, 2, 3), object()
    assert subjects.block_tensor((resid, other)) is resid
    assert subjects.with_block_tensor((resid, other), -resid)[1] is other
    assert torch.equal(subjects.with_block_tensor(resid, -resid), -resid)


def test_every_text_gets_exactly_one_bos_where_the_family_has_one(subject):
    plain = subject.encode(["the otter"])[0]
    if subject.bos_id is None:
        assert len(plain) == 2
        return
    again = subject.encode([subject.tokenizer.bos_token + " the otter"])[0]
    assert plain == again
    assert plain.count(subject.bos_id) == 1
    assert subject.encode(["the otter"], bos=False)[0] == plain[1:]


def test_a_text_without_tokens_is_refused_by_number(subject):
    with pytest.raises(ValueError, match="text 1 has no token"):
        subject.encode(["the otter", "  "])
    with pytest.raises(ValueError, match="not one string"):
        subject.encode("the otter")


def test_special_tokens_hold_the_template_but_not_the_unknown_word(subject):
    tokenizer = subject.tokenizer
    assert tokenizer.unk_token_id not in subject.special_ids
    assert {tokenizer.eos_token_id, tokenizer.pad_token_id} <= subject.special_ids
    turn = {"gemma2": "<end_of_turn>", "llama": "<|eot_id|>", "qwen2": "<|im_end|>"}
    assert tokenizer.convert_tokens_to_ids(turn[subject.family]) in subject.special_ids


def test_tracing_leaves_tokenizer_and_model_as_they_were():
    subject = tiny_subject("gemma2")
    side, pad = subject.tokenizer.padding_side, subject.tokenizer.pad_token
    settings = subject.model.generation_config.to_dict()
    assert subject.traced is subject.traced
    assert (subject.tokenizer.padding_side, subject.tokenizer.pad_token) == (side, pad)
    assert subject.model.generation_config.to_dict() == settings


def test_the_digest_follows_the_weights():
    one, same, other = tiny_subject("llama"), tiny_subject("llama"), tiny_subject("llama", seed=1)
    assert one.digest == same.digest != other.digest
    with torch.no_grad():
        next(same.model.parameters()).view(-1)[0] += 1e-3
    assert one.digest != same.digest


def test_a_model_in_training_mode_or_of_an_unknown_family_is_refused():
    model, tokenizer = tiny_model("llama"), tiny_tokenizer("llama")
    with pytest.raises(ValueError, match=r"call model\.eval"):
        Subject.from_model(model.train(), tokenizer)
    model.eval().config.model_type = "ouija"
    with pytest.raises(ValueError, match="unknown model family 'ouija'"):
        Subject.from_model(model, tokenizer)


def test_an_unknown_scale_is_refused():
    with pytest.raises(ValueError, match="unknown scale 'huge'"):
        Subject.from_model(tiny_model("llama"), tiny_tokenizer("llama"), scale="huge")


def test_house_models_load_by_name_and_an_unknown_name_lists_those_that_exist(monkeypatch):
    model, tokenizer = tiny_model("qwen2"), tiny_tokenizer("qwen2")
    house = SimpleNamespace(model=model, tokenizer=tokenizer)
    testbed = SimpleNamespace(
        HOUSE_MODELS={"qwen2-base": None, "llama-base": None}, load_house_model=lambda name: house
    )
    monkeypatch.setitem(sys.modules, "saebook.testbed", testbed)
    loaded = subjects.load_subject("qwen2-base")
    assert (loaded.name, loaded.family, loaded.scale) == ("qwen2-base", "qwen2", "testbed")
    with pytest.raises(ValueError, match="known: qwen2-base, llama-base"):
        subjects.load_subject("gemma9")


def test_a_folder_in_the_hubs_format_gives_the_same_weights(tmp_path):
    subject = tiny_subject("gemma2")
    subject.model.save_pretrained(tmp_path)
    subject.tokenizer.save_pretrained(tmp_path)
    loaded = subjects.load_hub_subject(str(tmp_path), revision="main", scale="rehearsal")
    assert (loaded.digest, loaded.scale) == (subject.digest, "rehearsal")
    assert loaded.encode(["the otter"]) == subject.encode(["the otter"])
