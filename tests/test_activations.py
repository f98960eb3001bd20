"""Activations read through nnsight against plain torch hooks."""

from __future__ import annotations

import pytest
import torch
from tiny import N_LAYERS, tiny_subject

from saebook.activations import capture, letter_positions, read_blocks, stream_activations
from saebook.corpora import token_batches
from saebook.subjects import hook_name

TEXTS = [
    "the otter lives in the river .",
    "a fish",
    "question : what would you do ? ( A accept ) ( B refuse ) answer : ( B",
    "the green fish eats",
]
ROUNDING = {"atol": 2e-5, "rtol": 1e-5}  # float32, activations of norm about 10


def hooked(subject, ids, layer):
    """The block's output [t, d] for one unpadded text, by a plain torch hook."""
    seen = []
    handle = subject.block(layer).register_forward_hook(lambda m, i, out: seen.append(out))
    with torch.no_grad():
        subject.model(input_ids=torch.tensor([ids]))
    handle.remove()
    return (seen[0][0] if isinstance(seen[0], tuple) else seen[0])[0]


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_a_batched_capture_equals_plain_hooks_one_text_at_a_time(subject, batch_size):
    acts = capture(subject, TEXTS, [2, 0], positions="all", batch_size=batch_size)
    rows = subject.encode(TEXTS)
    for layer in (0, 2):
        expected = torch.cat([hooked(subject, row, layer) for row in rows])
        torch.testing.assert_close(acts[layer], expected, **ROUNDING)
    assert acts.index["token_id"].tolist() == [token for row in rows for token in row]
    assert acts.index["text"].tolist() == [i for i, row in enumerate(rows) for _ in row]


def test_the_last_and_the_chosen_tokens_are_rows_of_all_tokens(subject):
    everything = capture(subject, TEXTS, [1], positions="all")
    last = capture(subject, TEXTS, [1], positions="last")
    second = capture(subject, TEXTS, [1], positions=[1] * len(TEXTS))
    ends = everything.index.groupby("text").tail(1).index.tolist()
    ones = everything.index.query("position == 1").index.tolist()
    torch.testing.assert_close(last[1], everything[1][ends], **ROUNDING)
    torch.testing.assert_close(second[1], everything[1][ones], **ROUNDING)
    assert last[1].shape == (len(TEXTS), subject.d_model)


def test_the_forward_pass_stops_after_the_deepest_block_asked_for(subject):
    entered = []

    def note(layer):
        return lambda module, args: entered.append(layer)

    handles = [subject.block(i).register_forward_pre_hook(note(i)) for i in range(N_LAYERS)]
    ids = torch.tensor(subject.encode(["the otter"]))
    try:
        read_blocks(subject, ids, torch.ones_like(ids).bool(), [1, 0])
    finally:
        for handle in handles:
            handle.remove()
    assert entered == [0, 1]


def test_reading_a_block_that_returns_a_tuple_gives_the_same_numbers():
    subject, twin = tiny_subject("llama"), tiny_subject("llama")
    block = twin.block(1)
    plain = block.forward
    block.forward = lambda *args, **kwargs: (plain(*args, **kwargs), None)
    after = twin.block(2)
    receive = after.forward
    after.forward = lambda hidden, *args, **kwargs: receive(hidden[0], *args, **kwargs)
    torch.testing.assert_close(capture(twin, TEXTS, [1])[1], capture(subject, TEXTS, [1])[1])


def test_half_precision_models_give_float32_without_gradients():
    subject = tiny_subject("qwen2")
    subject.model.to(torch.bfloat16)
    acts = capture(subject, TEXTS, [1])[1]
    assert acts.dtype == torch.float32
    assert not acts.requires_grad


@pytest.mark.parametrize("packing", ["packed", "single"])
def test_a_stream_holds_the_kept_tokens_of_each_batch_in_reading_order(subject, packing):
    batches = token_batches(subject, TEXTS, context=8, packing=packing, batch_size=2)
    stream = list(stream_activations(subject, batches, [2, 1], drop_special=True))
    assert len(stream) == len(batches)
    for batch, acts in zip(batches, stream, strict=True):
        assert list(acts) == [hook_name(1), hook_name(2)]
        rows = zip(batch.ids, batch.mask, batch.keep(drop_special=True), strict=True)
        expected = [hooked(subject, i[m].tolist(), 2)[k[m]] for i, m, k in rows]
        torch.testing.assert_close(acts[hook_name(2)], torch.cat(expected), **ROUNDING)


def test_the_stream_does_not_depend_on_batch_size(subject):
    def run(batch_size):
        batches = token_batches(subject, TEXTS * 2, context=8, batch_size=batch_size)
        return torch.cat([a[hook_name(1)] for a in stream_activations(subject, batches, [1])])

    torch.testing.assert_close(run(1), run(16), **ROUNDING)


def test_the_letter_is_found_where_it_stands_and_not_at_a_fixed_index(subject):
    end = {"gemma2": "<end_of_turn>", "llama": "<|eot_id|>", "qwen2": "<|im_end|>"}
    closed = f"what would you do ? ( A accept ) ( B refuse ) answer : ( A ) {end[subject.family]}"
    texts = ["answer : ( B", closed]
    rows = subject.encode(texts)
    found = letter_positions(subject.tokenizer, texts)
    assert [subject.decode([row[at]]) for row, at in zip(rows, found, strict=True)] == ["B", "A"]
    assert found[1] != len(rows[1]) - 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("the otter", r"text 0 has no answer letter \(A or B\)"),
        ("answer : ( C", "no answer letter"),
        ("answer : ( otter", "no answer letter"),
        ("( A ) the ( ", "no answer letter"),
        ("answer : ( Accept", "no answer letter"),
        ("answer :(A", "not one of A, B"),
    ],
)
def test_a_letter_that_is_not_there_is_refused(tiny_subjects, text, message):
    with pytest.raises(ValueError, match=message):
        letter_positions(tiny_subjects["gemma2"].tokenizer, [text])


def test_no_texts_have_no_letters(tiny_subjects):
    with pytest.raises(ValueError, match="non-empty"):
        letter_positions(tiny_subjects["gemma2"].tokenizer, [])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"texts": []}, "no texts"),
        ({"layers": []}, "no layers"),
        ({"layers": [3]}, "layer 3 is out of range"),
        ({"positions": "first"}, "unknown positions 'first'"),
        ({"positions": [0]}, "1 positions for 4 texts"),
        ({"positions": [0, 9, 0, 0]}, "position 9 is outside text 1"),
        ({"texts": ["the " * 300]}, "takes 256"),
    ],
)
def test_input_that_makes_no_sense_is_refused_by_name(tiny_subjects, arguments, message):
    with pytest.raises(ValueError, match=message):
        capture(tiny_subjects["gemma2"], **{"texts": TEXTS, "layers": [1], **arguments})
