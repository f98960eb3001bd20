"""Gates on exams: difficulty must be depth, and every fact must come up often enough."""

from __future__ import annotations

import math
import random
import statistics
from collections import Counter

from saebook.testbed.gates.language import option_choice
from saebook.testbed.gates.result import GateResult
from saebook.testbed.house import HouseModel
from saebook.testbed.registers.exams import MAX_DEPTH, ExamQuestion, exam_questions, write_exam
from saebook.testbed.world import World


def depth_gate(house: HouseModel, world: World, n: int, seed: int) -> GateResult:
    """Accuracy on depth 1 minus depth 3, in standard errors."""
    questions = exam_questions(world, seed)
    right = {
        depth: [
            _is_right(house, world, q, seed + i) for i, q in enumerate(_of(questions, depth)[:n])
        ]
        for depth in (1, MAX_DEPTH)
    }
    first, last = (statistics.fmean(right[d]) for d in (1, MAX_DEPTH))
    error = math.sqrt(sum(p * (1 - p) / n for p in (first, last)))
    says = f"accuracy at depth 1 ({first:.2f}) minus depth 3 ({last:.2f})"
    value = (first - last) / error if error else math.nan
    return GateResult(
        "exam-depth", "yang2024", house.name, value, 2.0, math.inf, "standard errors", says, 2 * n
    )


def _of(questions: list[ExamQuestion], depth: int) -> list[ExamQuestion]:
    return [q for q in questions if q.depth == depth]


def _is_right(house: HouseModel, world: World, question: ExamQuestion, seed: int) -> bool:
    text = write_exam(world, random.Random(f"gate/{seed}"), question)
    chosen, right = option_choice(house, text)
    return chosen == right


def fact_coverage_gate(world: World, seed: int) -> GateResult:
    """Share of the exam's facts that at least five questions ask for or pass through."""
    uses = Counter((q.target, q.attribute) for q in exam_questions(world, seed))
    share = statistics.fmean(count >= 5 for count in uses.values())
    return GateResult(
        "exam-coverage",
        "yang2024",
        "world",
        share,
        0.9,
        1.0,
        "share",
        "facts asked for by at least five of the 874 questions",
        len(uses),
    )
