"""Fine-tuning small language models on labelled items, and scoring them on multiple choice."""

from saebook.finetune.adapters import LoRA, adapted
from saebook.finetune.items import Item, Shuffle, answer_item, ordered, text_item
from saebook.finetune.loop import Diverged, FineTuned, Projection, fine_tune
from saebook.finetune.schedule import Schedule
from saebook.finetune.scoring import Question, Scores, letter_question, score, word_question

__all__ = [
    "Diverged",
    "FineTuned",
    "Item",
    "LoRA",
    "Projection",
    "Question",
    "Schedule",
    "Scores",
    "Shuffle",
    "adapted",
    "answer_item",
    "fine_tune",
    "letter_question",
    "ordered",
    "score",
    "text_item",
    "word_question",
]
