"""The Scribe's books: what a choice costs, where it is charged, and which concepts hold."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saebook.testbed.annotate import Scribe

WEIGHTS = st.lists(st.floats(0.01, 100), min_size=1, max_size=6)


@given(st.integers(1, 50), st.integers())
def test_a_uniform_choice_costs_the_log_of_the_number_of_items(n: int, seed: int) -> None:
    scribe = Scribe(random.Random(seed))
    assert 0 <= scribe.pick(range(n)) < n
    scribe.say("word")
    assert scribe.finish("x").nats[0] == pytest.approx(math.log(n))


@given(WEIGHTS, st.integers())
def test_a_weighted_choice_costs_minus_log_of_its_share(weights: list[float], seed: int) -> None:
    scribe = Scribe(random.Random(seed))
    index = scribe.pick(range(len(weights)), weights)
    scribe.say("word")
    expected = -math.log(weights[index] / sum(weights))
    assert scribe.finish("x").nats[0] == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=6), st.data(), st.integers())
def test_equal_items_count_as_one_outcome(items: list[str], data, seed: int) -> None:
    weights = data.draw(st.lists(st.floats(0.1, 9), min_size=len(items), max_size=len(items)))
    scribe = Scribe(random.Random(seed))
    chosen = scribe.pick(items, weights)
    scribe.say(chosen)
    share = sum(w for i, w in zip(items, weights, strict=True) if i == chosen) / sum(weights)
    assert scribe.finish("x").nats[0] == pytest.approx(-math.log(share), abs=1e-9)


@given(st.integers(0, 6), st.integers(6, 9), st.integers())
def test_ordered_and_unordered_draws_differ_by_the_number_of_orders(k, n, seed) -> None:
    costs = []
    for name in ("some", "subset"):
        scribe = Scribe(random.Random(seed))
        drawn = getattr(scribe, name)(range(n), k)
        assert len(set(drawn)) == k
        scribe.say("word")
        costs.append(scribe.finish("x").nats[0])
    assert costs[0] - costs[1] == pytest.approx(math.log(math.factorial(k)), abs=1e-9)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=6), st.integers())
def test_a_shuffle_costs_the_log_of_the_distinct_orders(items: list[str], seed: int) -> None:
    scribe = Scribe(random.Random(seed))
    assert sorted(scribe.shuffle(items)) == sorted(items)
    scribe.say("word")
    orders = len(set(itertools.permutations(items)))
    assert scribe.finish("x").nats[0] == pytest.approx(math.log(orders), abs=1e-9)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 3)), min_size=1, max_size=9))
def test_every_nat_is_charged_once_and_to_the_next_word(steps: list[tuple[int, int]]) -> None:
    scribe, owed, charged = Scribe(random.Random(0)), 0.0, []
    for width, words in [*steps, (1, 1)]:
        scribe.pick(range(width))
        owed += math.log(width)
        scribe.say("w " * words)
        if words:
            charged += [owed] + [0.0] * (words - 1)
            owed = 0.0
    assert scribe.finish("x").nats == pytest.approx(charged)


def test_concepts_hold_inside_their_block_and_nowhere_else() -> None:
    scribe = Scribe(random.Random(0))
    scribe.say("one")
    with scribe.under("role/fact"):
        scribe.say("two", "topic/biology")
        with scribe.under("skill/dial"):
            scribe.say("three")
    scribe.say("four")
    held = scribe.finish("x").concepts
    assert held == (
        frozenset(),
        {"role/fact", "topic/biology"},
        {"role/fact", "skill/dial"},
        frozenset(),
    )


def test_a_thing_holds_only_where_it_is_named() -> None:
    scribe = Scribe(random.Random(0))
    scribe.say("the otter swims", "entity/otter", "attribute/habit")
    assert scribe.finish("x").concepts == (
        {"attribute/habit"},
        {"attribute/habit", "entity/otter"},
        {"attribute/habit"},
    )


def test_an_empty_text_is_refused() -> None:
    with pytest.raises(ValueError, match="came out empty"):
        Scribe(random.Random(0)).finish("chats")
