"""Batches of tokens: nothing lost, nothing doubled, everything traceable to its text."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saebook.corpora import INSERTED, padding_id, token_batches

TEXTS = ["the otter lives in the river .", "a fish", "what would you do ? i accept"]


def rebuilt(batches) -> dict[int, list[int]]:
    """The tokens of each document, put back together by position."""
    found: dict[int, dict[int, int]] = {}
    for batch in batches:
        own = batch.mask & (batch.position != INSERTED)
        for i, d, p in zip(
            batch.ids[own].tolist(), batch.document[own].tolist(), batch.position[own].tolist(),
            strict=True,
        ):  # fmt: skip
            assert p not in found.setdefault(d, {}), "a token came twice"
            found[d][p] = i
    return {d: [tokens[p] for p in range(len(tokens))] for d, tokens in sorted(found.items())}


@pytest.mark.parametrize("packing", ["packed", "single"])
def test_every_token_of_every_text_comes_once_and_knows_its_place(subject, packing):
    batches = token_batches(subject, TEXTS * 3, context=10, packing=packing, batch_size=2)
    assert list(rebuilt(batches).values()) == subject.encode(TEXTS * 3, bos=False)


def test_packed_blocks_are_full_and_each_starts_with_one_bos(subject):
    batches = token_batches(subject, TEXTS * 5, context=8, batch_size=3)
    rows = torch.cat([b.mask.sum(-1) for b in batches])
    assert (rows[:-1] == 8).all()
    assert 0 < rows[-1] <= 8
    for batch in batches:
        if subject.bos_id is None:
            assert not batch.bos.any()
        else:
            assert batch.bos[:, 0].all()
            assert not (batch.bos[:, 1:] & batch.bos[:, :-1]).any(), "two BOS in a row"


def test_packed_texts_of_a_family_without_bos_are_parted_by_eos(tiny_subjects):
    subject = tiny_subjects["qwen2"]
    (batch,) = token_batches(subject, TEXTS, context=32)
    assert (batch.ids[0][batch.mask[0]] == subject.eos_id).sum() == len(TEXTS)


def test_a_family_without_bos_and_eos_cannot_be_packed(tiny_subjects, monkeypatch):
    subject = tiny_subjects["qwen2"]
    monkeypatch.setattr(type(subject), "eos_id", None)
    with pytest.raises(ValueError, match="neither BOS nor EOS"):
        token_batches(subject, TEXTS)


def test_single_texts_are_cut_at_the_context_and_padded_on_the_right(subject):
    (batch,) = token_batches(subject, TEXTS, context=5, packing="single")
    assert batch.mask.tolist()[0] == [True] * 5
    short = 2 + (subject.bos_id is not None)
    assert batch.mask.tolist()[1] == [True] * short + [False] * (5 - short)
    assert (batch.ids[1, short:] == padding_id(subject)).all()
    assert (batch.document[1, short:] == INSERTED).all()
    assert not (batch.special & ~batch.mask).any()


def test_dropping_bos_and_special_tokens_keeps_the_rest(subject):
    turn = subject.tokenizer.convert_ids_to_tokens(max(subject.special_ids))
    (batch,) = token_batches(subject, [f"the {turn} otter"], packing="single")
    assert batch.keep().sum() == 3 + (subject.bos_id is not None)
    assert batch.keep(drop_bos=True).sum() == 3
    assert batch.keep(drop_special=True).sum() == 2


def test_a_rendered_template_with_its_own_bos_does_not_get_a_second(tiny_subjects):
    subject = tiny_subjects["llama"]
    (batch,) = token_batches(subject, ["<|begin_of_text|> the otter"], packing="single")
    assert batch.bos.sum() == 1
    assert batch.position[0].tolist() == [0, 1, 2]


def test_annotated_texts_are_read_by_their_text(tiny_subjects):
    subject = tiny_subjects["gemma2"]
    annotated = [SimpleNamespace(text=text, words=tuple(text.split())) for text in TEXTS]
    one, other = token_batches(subject, annotated)[0], token_batches(subject, TEXTS)[0]
    assert torch.equal(one.ids, other.ids)


def test_a_shuffle_depends_on_its_seed_only_and_keeps_document_numbers(subject):
    def ids(seed):
        return token_batches(subject, TEXTS * 4, context=16, shuffle_seed=seed)

    first, again, other, plain = ids(1), ids(1), ids(2), ids(None)
    assert all(torch.equal(a.ids, b.ids) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a.ids, b.ids) for a, b in zip(first, other, strict=True))
    assert rebuilt(first) == rebuilt(other) == rebuilt(plain)


@settings(max_examples=30, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=8),
    context=st.integers(2, 20),
    family=st.sampled_from(["gemma2", "qwen2"]),
)
def test_packing_loses_no_token_whatever_the_lengths(tiny_subjects, lengths, context, family):
    subject = tiny_subjects[family]
    texts = [" ".join(["otter"] * n) for n in lengths]
    batches = token_batches(subject, texts, context=context)
    assert [len(tokens) for tokens in rebuilt(batches).values()] == lengths
    assert all(batch.ids.shape[1] <= context for batch in batches)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"texts": []}, "no texts"),
        ({"texts": "the otter"}, "not one string"),
        ({"texts": [" "]}, "text 0 has no token"),
        ({"context": 1}, "takes 2 to 256"),
        ({"context": 257}, "takes 2 to 256"),
        ({"packing": "loose"}, "unknown packing 'loose'"),
        ({"batch_size": 0}, "batch size 0"),
    ],
)
def test_input_that_makes_no_sense_is_refused_by_name(tiny_subjects, arguments, message):
    with pytest.raises(ValueError, match=message):
        token_batches(tiny_subjects["gemma2"], **{"texts": TEXTS, **arguments})
