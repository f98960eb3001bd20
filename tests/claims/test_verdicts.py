"""The decision table, cell by cell, and what has to hold of it everywhere."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from saebook.claims.rules import AnyRule
from saebook.claims.simple_rules import Measured, SimpleRule
from saebook.claims.verdicts import RANK, Verdict, decide, judge, judge_one

R, D, N, Q = (
    Verdict.REPRODUCED,
    Verdict.DIRECTION_ONLY,
    Verdict.NOT_REPRODUCED,
    Verdict.INCONCLUSIVE,
)
ADAPTER = TypeAdapter(AnyRule)


def rule(**fields) -> Any:
    return ADAPTER.validate_python(fields)


AT_LEAST = rule(rule="at_least", value=0.5, no_effect=0)
AT_MOST = rule(rule="at_most", value=-0.5, no_effect=0)
EDGE = rule(rule="at_least", value=0.5)
GREATER = rule(rule="greater_than", value=0)
LESS = rule(rule="less_than", value=0)
WITHIN = rule(rule="within", target=1, tolerance=0.1, no_effect=0)
BAND = rule(rule="between", low=-0.5, high=0.5)
EXACT = rule(rule="equals", value=7)

TABLE = [
    (AT_LEAST, (0.6, 0.2, 0.9), R),
    (AT_LEAST, (0.4, 0.2, 0.6), D),
    (AT_LEAST, (0.3, 0.2, 0.45), D),
    (AT_LEAST, (0.6, -0.1, 0.9), Q),
    (AT_LEAST, (0.4, -0.1, 0.9), Q),
    (AT_LEAST, (0.2, -0.1, 0.4), N),
    (AT_LEAST, (-0.4, -0.6, -0.2), N),
    (AT_LEAST, (0.5, 0.5, 0.5), R),
    (AT_LEAST, (0.5, 0.0, 0.9), Q),
    (AT_MOST, (-0.6, -0.9, -0.2), R),
    (AT_MOST, (-0.4, -0.6, -0.2), D),
    (AT_MOST, (-0.6, -0.9, 0.1), Q),
    (AT_MOST, (-0.2, -0.4, 0.1), N),
    (AT_MOST, (0.4, 0.2, 0.6), N),
    (EDGE, (0.7, 0.5, 0.9), R),
    (EDGE, (0.7, 0.4, 0.9), Q),
    (EDGE, (0.4, 0.3, 0.6), Q),
    (EDGE, (0.3, 0.2, 0.4), N),
    (GREATER, (0.2, 0.1, 0.3), R),
    (GREATER, (0.2, 0.0, 0.3), Q),
    (GREATER, (-0.2, -0.3, 0.0), N),
    (GREATER, (0.0, 0.0, 0.0), N),
    (LESS, (-0.2, -0.3, -0.1), R),
    (LESS, (-0.2, -0.3, 0.1), Q),
    (LESS, (0.2, 0.0, 0.3), N),
    (WITHIN, (1.05, 0.9, 1.2), R),
    (WITHIN, (1.5, 1.3, 1.7), D),
    (WITHIN, (0.5, 0.3, 0.7), D),
    (WITHIN, (0.5, -0.1, 1.1), Q),
    (WITHIN, (0.2, -0.1, 0.5), N),
    (BAND, (0.1, -0.2, 0.4), R),
    (BAND, (0.1, -0.2, 0.7), Q),
    (BAND, (0.9, 0.4, 1.2), Q),
    (BAND, (0.9, 0.6, 1.2), N),
    (EXACT, (7, 7, 7), R),
    (EXACT, (6, 6, 6), N),
    (EXACT, (7, 6, 8), Q),
]


@pytest.mark.parametrize(("held", "numbers", "word"), TABLE)
def test_every_cell_of_the_decision_table_gives_its_word(held, numbers, word):
    assert judge_one(held, Measured(*numbers)) is word


def test_every_simple_rule_meets_every_word_it_can_give():
    seen = {(type(held), word) for held, _, word in TABLE}
    with_null = {type(AT_LEAST), type(AT_MOST), type(WITHIN)}
    for kind in {type(held) for held, _, _ in TABLE}:
        words = {R, Q, N} | ({D} if kind in with_null else set())
        assert {w for k, w in seen if k is kind} == words


numbers = st.floats(-3, 3, allow_nan=False).map(lambda x: round(x, 3))
intervals = st.tuples(numbers, numbers, numbers).map(
    lambda t: Measured(sorted(t)[1], sorted(t)[0], sorted(t)[2])
)
rules = st.sampled_from([AT_LEAST, AT_MOST, EDGE, GREATER, LESS, WITHIN, BAND, EXACT])
upward = st.sampled_from([AT_LEAST, EDGE, GREATER])


@given(rules, intervals)
def test_every_measurement_gets_one_of_the_four_words(held: SimpleRule, m: Measured):
    assert judge_one(held, m) in RANK


@given(rules, intervals)
def test_no_estimate_outside_the_passing_region_is_ever_reproduced(held: SimpleRule, m: Measured):
    if not held.passes(m.estimate):
        assert judge_one(held, m) is not R


@given(rules, intervals)
def test_direction_needs_a_null_value_and_an_interval_clear_of_it(held: SimpleRule, m: Measured):
    if judge_one(held, m) is D:
        assert held.null is not None
        assert not m.low <= held.null <= m.high


@given(upward, intervals, st.tuples(*[st.floats(0, 2, allow_nan=False)] * 3))
def test_moving_a_measurement_the_claimed_way_never_lowers_its_verdict(held, m, steps):
    raised = Measured(*sorted(x + s for x, s in zip((m.low, *m[:1], m.high), steps, strict=True)))
    raised = Measured(raised[1], raised[0], raised[2])
    if all(new >= old for new, old in zip(raised, m, strict=True)):
        assert RANK[judge_one(held, raised)] >= RANK[judge_one(held, m)]


@given(upward, intervals)
def test_a_rule_and_its_mirror_image_agree(held, m):
    mirrors = {"at_least": "at_most", "greater_than": "less_than"}
    fields = held.model_dump(exclude_none=True)
    mirrored = rule(
        rule=mirrors[fields.pop("rule")], **{k: -v if v else v for k, v in fields.items()}
    )
    assert judge_one(mirrored, Measured(-m.estimate, -m.high, -m.low)) is judge_one(held, m)


@given(rules, numbers)
def test_the_scaled_distance_is_at_most_one_exactly_where_an_estimate_passes(held, value):
    scaled = held.scaled(value)
    both = all(abs(b) < 1e9 for b in held.bounds())
    near = abs(scaled) if both else scaled
    if abs(near - 1) > 1e-9:
        assert (near < 1) == held.passes(value)


ONE = {R: (0.6, 0.2, 0.9), D: (0.4, 0.2, 0.6), Q: (0.4, -0.1, 0.9), N: (0.2, -0.1, 0.4)}
PART = {"rule": "at_least", "value": 0.5, "no_effect": 0}


@pytest.mark.parametrize(("a", "b"), list(itertools.product(RANK, RANK)))
def test_of_several_quantities_the_worst_decides(a, b):
    held = rule(rule="all_of", parts={"a": PART, "b": PART})
    got = judge(held, {"a": Measured(*ONE[a]), "b": Measured(*ONE[b])})
    assert got is min(a, b, key=RANK.__getitem__)


@pytest.mark.parametrize("words", list(itertools.product(RANK, repeat=3)))
@pytest.mark.parametrize("k", [1, 2, 3])
def test_of_counted_cells_the_kth_best_decides(words, k):
    held = rule(rule="count_at_least", k=k, of=3, cell=PART)
    got = judge(held, {str(i): Measured(*ONE[w]) for i, w in enumerate(words)})
    assert (got is R) == (words.count(R) >= k)
    assert (RANK[got] >= RANK[D]) == (words.count(R) + words.count(D) >= k)
    assert (got is N) == (len(words) - words.count(N) < k)


def test_a_cell_that_was_not_measured_counts_as_undecided():
    held = rule(rule="count_at_least", k=2, of=3, cell=PART)
    assert judge(held, {"a": Measured(*ONE[R])}) is Q
    assert judge(held, {"a": Measured(*ONE[R]), "b": Measured(*ONE[R])}) is R


def test_a_failed_gate_makes_any_measurement_inconclusive_and_says_n():
    for numbers_of in ONE.values():
        got = decide(AT_LEAST, Measured(*numbers_of), n=40, gates={"sae_valid": False})
        assert got.verdict is Q
        assert "sae_valid" in got.why
        assert "n = 40" in got.why


@pytest.mark.parametrize(("value", "word"), [(0.4, R), (0.6, Q)])
def test_a_control_that_does_not_come_out_takes_the_verdict_away(value, word):
    must = rule(rule="at_most", value=0.5)
    got = decide(AT_LEAST, Measured(*ONE[R]), n=9, controls={"shuffled": (must, value)})
    assert got.verdict is word


def test_an_undecided_row_names_the_smallest_effect_and_the_n_that_settles_it():
    got = decide(AT_LEAST, Measured(0.4, -0.6, 1.4), n=50)
    # half width 1.0 at n = 50 has to fall to the 0.5 between no effect and the bound: 50 * 4
    assert got.verdict is Q
    assert "could be seen 1 with n = 50" in got.why
    assert "n = 200" in got.why


@pytest.mark.parametrize(
    "fields",
    [
        {"rule": "at_least", "value": 0.5, "no_effect": 0.5},
        {"rule": "at_least", "value": 0.5, "no_effect": 1},
        {"rule": "at_most", "value": 0.5, "no_effect": 0},
        {"rule": "between", "low": 1, "high": 0},
        {"rule": "between", "low": 0, "high": 1, "no_effect": 0.5},
        {"rule": "within", "target": 1, "tolerance": 0},
        {"rule": "count_at_least", "k": 4, "of": 3, "cell": PART},
        {"rule": "all_of", "parts": {"only": PART}},
        {"rule": "at_least", "value": "0.5"},
        {"rule": "at_least", "value": float("nan")},
        {"rule": "about", "value": 1},
        {"rule": "at_least", "value": 1, "null": 0},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(fields):
    with pytest.raises(ValidationError):
        rule(**fields)


@pytest.mark.parametrize(
    ("held", "quantity"),
    [
        (AT_LEAST, {"a": Measured(1, 1, 1)}),
        (rule(rule="all_of", parts={"a": PART, "b": PART}), Measured(1, 1, 1)),
        (rule(rule="all_of", parts={"a": PART, "b": PART}), {"a": Measured(1, 1, 1)}),
        (rule(rule="count_at_least", k=1, of=1, cell=PART), {}),
        (AT_LEAST, Measured(0.5, 0.6, 0.7)),
    ],
)
def test_a_quantity_of_the_wrong_shape_is_refused(held, quantity):
    with pytest.raises(ValueError, match=r"estimate|interval"):
        decide(held, quantity, n=1)


def test_the_seven_words_have_seven_symbols():
    assert [v.value for v in Verdict] == [
        "reproduced",
        "direction only",
        "not reproduced",
        "inconclusive",
        "not attempted",
        "not applicable",
        "rehearsed",
    ]
    assert len({v.symbol for v in Verdict}) == len(Verdict)
