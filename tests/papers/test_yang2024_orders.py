"""Invariants of the six orders, on item sets that hypothesis makes up; labels and their traps."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saebook.papers.yang2024 import labels
from saebook.papers.yang2024.orders import (
    ORDERS,
    PAPER,
    REPOSITORY,
    REPOSITORY_BINS,
    USES_DIFFICULTY,
    Reading,
    chunks,
    order,
    repeated,
    runs,
)

ITEMS = st.lists(st.tuples(st.sampled_from("abcde"), st.floats(0, 1)), min_size=1, max_size=80)
SEED = st.integers(0, 50)
READING = st.sampled_from([PAPER, REPOSITORY, REPOSITORY_BINS])
quick = settings(max_examples=60, deadline=None)


def split(items: list[tuple[str, float]]) -> tuple[list[str], list[float]]:
    return [c for c, _ in items], [d for _, d in items]


@quick
@given(ITEMS, SEED, READING, st.sampled_from(ORDERS))
def test_every_order_is_a_permutation_and_repeats_with_its_seed(items, seed, reading, name):
    found = order(name, *split(items), seed, reading)
    assert sorted(found) == list(range(len(items)))
    assert found == order(name, *split(items), seed, reading)


@quick
@given(ITEMS, SEED)
def test_a_curriculum_never_gets_easier(items, seed):
    _, hard = split(items)
    shown = [hard[i] for i in order("Curriculum", *split(items), seed, PAPER)]
    assert shown == sorted(shown)


@quick
@given(ITEMS, SEED)
def test_a_binned_curriculum_keeps_the_thirds_in_order(items, seed):
    _, hard = split(items)
    shown = [hard[i] for i in order("Curriculum", *split(items), seed, REPOSITORY_BINS)]
    parts = [p for p in (shown[s[0] : s[-1] + 1] for s in chunks(range(len(shown)), 3) if s) if p]
    assert all(max(a) <= min(b) for a, b in itertools.pairwise(parts))


@quick
@given(ITEMS, SEED, READING)
def test_blocked_orders_have_as_many_runs_as_categories(items, seed, reading):
    categories, hard = split(items)
    for name in ("Blocked", "Blocked Curriculum"):
        shown = order(name, categories, hard, seed, reading)
        assert len(runs([categories[i] for i in shown])) == len(set(categories))


@quick
@given(ITEMS, SEED)
def test_a_blocked_curriculum_gets_harder_inside_each_block(items, seed):
    categories, hard = split(items)
    shown = order("Blocked Curriculum", categories, hard, seed, PAPER)
    for name in set(categories):
        block = [hard[i] for i in shown if categories[i] == name]
        assert block == sorted(block)


@quick
@given(SEED, st.dictionaries(st.sampled_from("abcde"), st.integers(3, 20), min_size=2))
def test_three_cycles_make_three_runs_a_category_of_nearly_equal_size(seed, counts):
    categories = [c for c, n in counts.items() for _ in range(n)]
    shown = order("Interleaved", categories, [0.0] * len(categories), seed, REPOSITORY)
    found = runs([categories[i] for i in shown])
    assert len(found) == 3 * len(counts)
    for name in counts:
        sizes = [n for c, n in found if c == name]
        assert max(sizes) - min(sizes) <= 1
    assert [c for c, _ in found] == sorted(counts) * 3


@quick
@given(ITEMS, SEED)
def test_item_by_item_interleaving_never_lets_a_category_lead_by_two(items, seed):
    categories, hard = split(items)
    shown = [categories[i] for i in order("Interleaved", categories, hard, seed, PAPER)]
    left, seen = Counter(categories), Counter()
    for name in shown:
        seen[name] += 1
        open_ones = [c for c in left if seen[c] < left[c]]
        assert all(seen[name] - seen[c] <= 1 for c in open_ones)


@quick
@given(ITEMS, SEED, st.sampled_from([PAPER, REPOSITORY]))
def test_an_interleaved_curriculum_gets_harder_from_cycle_to_cycle(items, seed, reading):
    categories, hard = split(items)
    shown = order("Interleaved Curriculum", categories, hard, seed, reading)
    for name in set(categories):
        own = [hard[i] for i in shown if categories[i] == name]
        assert own == sorted(own)


@quick
@given(ITEMS, SEED, READING, st.sampled_from(sorted(set(ORDERS) - USES_DIFFICULTY)))
def test_orders_without_a_curriculum_do_not_read_difficulty(items, seed, reading, name):
    categories, hard = split(items)
    missing = [math.nan] * len(items)
    assert order(name, categories, hard, seed, reading) == order(
        name, categories, missing, seed, reading
    )


def test_ties_in_difficulty_are_drawn_and_not_those_of_the_file():
    found = {tuple(order("Curriculum", ["a"] * 6, [0.5] * 6, seed)) for seed in range(20)}
    assert len(found) > 10


def test_a_category_with_one_item_is_shown_once_in_the_first_cycle():
    categories = ["a"] * 9 + ["b"]
    shown = order("Interleaved", categories, [0.0] * 10, 0, REPOSITORY)
    assert [categories[i] for i in shown].index("b") == 3


def test_a_missing_difficulty_is_refused_with_its_item():
    with pytest.raises(ValueError, match="item 2"):
        order("Curriculum", ["a"] * 3, [0.1, 0.2, math.nan], 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("Spiral", ["a"], [0.0], 0), "'Spiral'"),
        (("Random", [], [], 0), "no items"),
        (("Random", ["a"], [0.0, 1.0], 0), "1 categories for 2"),
    ],
)
def test_what_cannot_be_put_in_order_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        order(*arguments)


def test_a_reading_without_cycles_is_refused():
    with pytest.raises(ValueError, match="cycles is 0"):
        Reading(cycles=0, bins=None)


@quick
@given(ITEMS, SEED)
def test_repetition_shows_every_block_three_times_before_the_next(items, seed):
    categories, hard = split(items)
    shown = repeated("Blocked", categories, hard, seed)
    assert Counter(shown) == dict.fromkeys(range(len(items)), 3)
    assert len(runs([categories[i] for i in shown])) == len(set(categories))
    with pytest.raises(ValueError, match="Random"):
        repeated("Random", categories, hard, seed)


def test_model_difficulty_is_one_minus_the_mean_probability():
    right = [[0.2, 0.9], [0.4, 0.7]]
    assert labels.model_difficulty(right) == pytest.approx([0.7, 0.2])
    with pytest.raises(ValueError, match="outside"):
        labels.model_difficulty([[1.2]])
    with pytest.raises(ValueError, match="shape"):
        labels.model_difficulty([0.2])


def test_students_find_deeper_items_harder_and_repeat_with_their_seed():
    depth = np.repeat([1, 2, 3], 200)
    found = labels.student_difficulty(depth, 0)
    means = [found[depth == d].mean() for d in (1, 2, 3)]
    assert means == sorted(means)
    assert (found == labels.student_difficulty(depth, 0)).all()
    assert (found != labels.student_difficulty(depth, 1)).any()


def test_a_permuted_label_keeps_its_values_and_loses_its_items():
    held = np.arange(500.0)
    found = labels.permuted(held, 3)
    assert sorted(found) == held.tolist()
    assert abs(np.corrcoef(held, found)[0, 1]) < 0.15


def test_joining_by_question_number_makes_a_random_label():
    true = np.random.default_rng(0).random(874)
    moved = list(range(48, 874, 60))[:14]
    joined, r, alike = labels.joined_by_question_number(true, moved)
    assert alike == 48 and abs(r) < 0.15
    assert sorted(joined) == sorted(true)


def test_the_printed_mean_correlation_counts_the_diagonal():
    import pandas as pd

    matrix = pd.DataFrame(np.full((6, 6), 0.46))
    np.fill_diagonal(matrix.values, 1.0)
    assert labels.mean_pairwise(matrix) == pytest.approx(0.46)
    assert labels.mean_pairwise(matrix, with_diagonal=True) == pytest.approx(0.55)


def test_a_label_that_is_the_group_s_own_lies_between_groups_and_noise_does_not():
    groups = ["a"] * 50 + ["b"] * 50
    own = [1.0] * 50 + [2.0] * 50
    assert labels.share_between(own, groups) == pytest.approx(1.0)
    assert labels.share_between(np.tile([0.0, 1.0], 50), groups) == pytest.approx(0.0)
    with pytest.raises(ValueError, match="2 labels for 100 items"):
        labels.share_between([1.0, 2.0], groups)
    with pytest.raises(ValueError, match="does not vary"):
        labels.share_between([1.0] * 100, groups)
