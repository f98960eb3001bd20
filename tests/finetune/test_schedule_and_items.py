"""Schedules, item orders and padding."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import DataLoader, RandomSampler

from saebook.finetune import Item, Schedule, Shuffle, answer_item, ordered, text_item
from saebook.finetune.items import IGNORE, by_length, check_items, padded_items, steps


def test_817_items_in_batches_of_256_make_forty_steps() -> None:
    assert Schedule(epochs=10, batch_size=256).n_steps(817) == 40


@pytest.mark.parametrize("decay", ["cosine", "linear", "constant"])
def test_the_rate_rises_to_its_peak_and_falls_as_named(decay: str) -> None:
    schedule = Schedule(lr=2.0, warmup_share=0.1, decay=decay)  # type: ignore[arg-type]
    rates = [schedule.lr_at(step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([0.2 * (i + 1) for i in range(10)])
    assert rates[10] == pytest.approx(2.0)
    assert rates[-1] == pytest.approx(2.0) if decay == "constant" else rates[-1] < 0.05
    assert sum(rates[10:]) / 90 == pytest.approx(2.0 if decay == "constant" else 1.0, abs=0.02)


@pytest.mark.parametrize(
    ("name", "value"), [("epochs", 0), ("lr", -1.0), ("decay", "step"), ("warmup_share", 1.5)]
)
def test_a_schedule_out_of_range_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        Schedule(**{name: value})  # type: ignore[arg-type]


def test_a_given_order_is_kept_in_every_epoch() -> None:
    assert ordered(3, 2, [2, 0, 1]) == [[2, 0, 1], [2, 0, 1]]
    assert ordered(3, 2) == [[0, 1, 2], [0, 1, 2]]


def test_a_drawn_order_comes_from_its_seed_and_changes_with_the_epoch() -> None:
    drawn = ordered(50, 2, Shuffle(4))
    assert drawn == ordered(50, 2, Shuffle(4))
    assert drawn[0] != drawn[1] != ordered(50, 2, Shuffle(5))[1]
    assert sorted(drawn[0]) == list(range(50))


def test_a_sampler_that_shuffles_is_refused() -> None:
    with pytest.raises(ValueError, match="RandomSampler"):
        ordered(3, 1, RandomSampler([0, 1, 2]))
    with pytest.raises(ValueError, match="loader"):
        check_items(DataLoader([text_item([1, 2])]), 10)  # type: ignore[arg-type]


def test_an_order_that_leaves_an_item_out_is_refused() -> None:
    with pytest.raises(ValueError, match="each of 3 once"):
        ordered(3, 1, [0, 1, 1])


def test_steps_cut_the_order_without_changing_it() -> None:
    assert list(steps([[3, 1, 2], [3, 1, 2]], 2)) == [[3, 1], [2], [3, 1], [2]]


def test_groups_of_like_length_hold_every_item_once_within_the_limit() -> None:
    lengths = [5, 90, 7, 40, 41, 6]
    groups = list(by_length(lengths, 90))
    assert sorted(i for group in groups for i in group) == list(range(6))
    assert all(len(g) * max(lengths[i] for i in g) <= 90 for g in groups)


def test_padding_carries_no_loss() -> None:
    ids, labels = padded_items([text_item([5, 6, 7]), answer_item([8, 9], 1)])
    assert labels.tolist() == [[5, 6, 7], [IGNORE, 9, IGNORE]]
    assert torch.equal(ids[1, :2], torch.tensor([8, 9]))


def test_items_that_cannot_be_learnt_are_refused_by_number() -> None:
    good = text_item([1, 2])
    with pytest.raises(ValueError, match="item 1 has no token to predict"):
        check_items([good, Item((1, 2), (1, IGNORE))], 10)
    with pytest.raises(ValueError, match="item 1 has 3 tokens; the model takes 2"):
        check_items([good, text_item([1, 2, 3])], 2)
    with pytest.raises(ValueError, match="no items"):
        check_items([], 10)
    with pytest.raises(ValueError, match="nothing to learn"):
        answer_item([1, 2], 2)
