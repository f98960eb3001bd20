"""The three ways of feeding text, token by token against a slow transcription, and what they do."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saebook.activations import stream_activations
from saebook.corpora import INSERTED, mixing_buffer, n_cut, token_batches
from saebook.reconstruction import next_token_nll, nll_by_text
from saebook.subjects import hook_name

TEXTS = ["the otter lives in the river .", "a fish", "what would you do ? i accept", "the fish"]
FAMILIES = ("gemma2", "llama", "qwen2")


def slow_rows(subject, texts, context, packing):
    """(id, document, position) of every token of every row, written as one would on paper."""
    rows, row = [], []
    bos = [] if subject.bos_id is None else [subject.bos_id]
    encoded = subject.encode(texts, bos=False)
    if packing in ("single", "masked"):
        for d, ids in enumerate(encoded):
            own = [(b, d, INSERTED) for b in bos] + [(t, d, p) for p, t in enumerate(ids)]
            own = own[:context]
            if packing == "masked" and rows and len(rows[-1]) + len(own) <= context:
                rows[-1].extend(own)
            else:
                rows.append(own)
        return rows
    todo = []
    for d, ids in enumerate(encoded):
        todo += [(b, d, INSERTED) for b in bos] + [(t, d, p) for p, t in enumerate(ids)]
        todo += [] if bos else [(subject.eos_id, d, INSERTED)]
    for token in todo:
        if len(row) == context:
            rows.append(row)
            row = []
        if not row and bos and token[0] != bos[0]:
            row.append((bos[0], token[1], INSERTED))
        row.append(token)
    return [*rows, row] if row else rows


def as_rows(batches):
    return [
        list(zip(b.ids[i][m].tolist(), b.document[i][m].tolist(), b.position[i][m].tolist(),
                 strict=True))
        for b in batches
        for i, m in enumerate(b.mask)
    ]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 24), min_size=1, max_size=9),
    context=st.integers(2, 20),
    family=st.sampled_from(FAMILIES),
    packing=st.sampled_from(["packed", "single", "masked"]),
)
def test_every_regime_equals_its_slow_transcription(
    tiny_subjects, lengths, context, family, packing
):
    subject, words = tiny_subjects[family], ["the", "otter", "river", "fish", "lives"]
    texts = [" ".join(words[(i + j) % 5] for j in range(n)) for i, n in enumerate(lengths)]
    batches = token_batches(subject, texts, context, packing, batch_size=3)
    assert as_rows(batches) == slow_rows(subject, texts, context, packing)


def test_masked_positions_start_again_with_every_text(subject):
    (batch,) = token_batches(subject, TEXTS, context=64, packing="masked")
    lengths = [len(row) for row in subject.encode(TEXTS)]
    assert batch.place[0].tolist() == [p for n in lengths for p in range(n)]
    (packed,) = token_batches(subject, TEXTS, context=64, packing="packed")
    assert packed.place[0].tolist() == list(range(packed.ids.shape[1]))


def test_masked_packing_gives_the_activations_of_one_text_a_sequence(subject):
    def read(packing):
        batches = token_batches(subject, TEXTS * 3, context=40, packing=packing, batch_size=2)
        (acts,) = zip(*(p.values() for p in stream_activations(subject, batches, [2])), strict=True)
        return torch.cat(acts)

    torch.testing.assert_close(read("masked"), read("single"), rtol=1e-4, atol=1e-5)
    if subject.bos_id is not None:  # the same tokens, but texts see what stands before them
        far = token_batches(subject, TEXTS, context=64, packing="packed")
        near = token_batches(subject, TEXTS, context=64, packing="single", batch_size=1)
        mixed = next(iter(stream_activations(subject, far, [2])))[hook_name(2)]
        alone = torch.cat([p[hook_name(2)] for p in stream_activations(subject, near, [2])])
        first = len(subject.encode(TEXTS[:1])[0])
        torch.testing.assert_close(mixed[:first], alone[:first], rtol=1e-4, atol=1e-5)
        assert (mixed[first:] - alone[first:]).abs().max() > 0.05


def test_no_token_is_predicted_from_a_text_that_it_may_not_see(subject):
    single = token_batches(subject, TEXTS, context=40, packing="single")
    masked = token_batches(subject, TEXTS, context=40, packing="masked")
    one, other = nll_by_text(subject, single), nll_by_text(subject, masked)
    assert one["n"].tolist() == other["n"].tolist()
    assert one["nats"].tolist() == pytest.approx(other["nats"].tolist(), rel=1e-4)
    assert next_token_nll(subject, masked) == pytest.approx(next_token_nll(subject, single), 1e-4)


def test_the_loss_of_a_text_counts_each_of_its_tokens_once(subject):
    batches = token_batches(subject, TEXTS, context=40, packing="single")
    table = nll_by_text(subject, batches)
    bos = int(subject.bos_id is not None)
    lengths = [len(row) for row in subject.encode(TEXTS, bos=False)]
    assert table["n"].tolist() == [n - 1 + bos for n in lengths]
    special = nll_by_text(subject, batches, where=lambda b: b.keep(drop_special=True))
    assert special["n"].sum() == table["n"].sum()  # no special token but BOS stands in these texts


def test_texts_longer_than_the_context_are_counted(subject):
    longest = max(len(row) for row in subject.encode(TEXTS))
    assert n_cut(subject, TEXTS, longest) == 0
    assert n_cut(subject, TEXTS, longest - 1) >= 1
    assert n_cut(subject, TEXTS, 2) == sum(len(row) > 2 for row in subject.encode(TEXTS))


def slow_mixing(rows, capacity, seed):
    """The buffer with lists: fill, shuffle, hand out half, refill."""
    generator = torch.Generator().manual_seed(seed)
    held, out = [], []
    for row in rows:
        held.append(row)
        if len(held) == capacity:
            held = [held[i] for i in torch.randperm(capacity, generator=generator).tolist()]
            out.append(held[: capacity // 2])
            held = held[capacity // 2 :]
    return [*out, [held[i] for i in torch.randperm(len(held), generator=generator).tolist()]]


@pytest.mark.parametrize(("sizes", "capacity"), [((7, 3, 9, 1, 30), 8), ((2, 2), 9), ((50,), 7)])
def test_the_mixing_buffer_equals_its_slow_transcription(sizes, capacity):
    rows = torch.arange(float(sum(sizes)))[:, None]
    got = [part.flatten().tolist() for part in mixing_buffer(rows.split(sizes), capacity, seed=3)]
    assert got == slow_mixing(rows.flatten().tolist(), capacity, seed=3)
    assert sorted(x for part in got for x in part) == rows.flatten().tolist()


def test_the_mixing_buffer_mixes_near_and_never_far_ahead():
    rows = torch.arange(1000.0)[:, None]
    first, *_ = mixing_buffer(rows.split(50), 100, seed=0)
    assert first.max() < 100 and first.flatten().tolist() != sorted(first.flatten().tolist())


def test_a_mixing_buffer_that_cannot_work_is_refused():
    with pytest.raises(ValueError, match="give at least 2"):
        next(mixing_buffer([torch.zeros(3, 2)], 1, seed=0))
    with pytest.raises(ValueError, match="no activations"):
        next(mixing_buffer([], 4, seed=0))
