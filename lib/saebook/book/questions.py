"""What each paper asks, in the words of the book, and what each verdict means."""

from __future__ import annotations

from saebook.claims import Verdict

QUESTIONS = {
    "mayne2024": "Can an SAE explain a steering vector?",
    "wang2025": "Does interpretability buy control?",
    "li2025": "What text should an SAE see?",
    "he2024": "Do base-model SAEs carry over?",
    "zhang2026": "Can an SAE foresee fine-tuning?",
    "yang2024": "Does the order of training data matter?",
}
"""In the order of the book."""

WORDS = {
    Verdict.REPRODUCED: "The number passes the rule written down beforehand, and its whole 95 % "
    "interval lies on the claimed side of no effect.",
    Verdict.DIRECTION_ONLY: "The whole interval lies on the claimed side, but the number misses "
    "the size the rule asks for.",
    Verdict.NOT_REPRODUCED: "The interval does not exclude “no effect” and does not reach the rule "
    "either. A finding, like any other.",
    Verdict.INCONCLUSIVE: "The interval reaches both, or a control or gate did not hold. The row "
    "says the smallest effect that could have been seen, and how many units would settle it.",
    Verdict.NOT_ATTEMPTED: "A test is possible and was not run. The row says why.",
    Verdict.NOT_APPLICABLE: "This kind of evidence cannot speak to this claim. The row says why.",
    Verdict.REHEARSED: "Paper scale only: the code ran from end to end on a stand-in in the "
    "published format. No number of the paper is checked by that.",
}
"""How the rule of each verdict is told to a reader."""
