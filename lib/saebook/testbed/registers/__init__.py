"""The kinds of text: each register is a function from world and randomness to a text."""

from saebook.testbed.registers.behaviours import write_behaviours
from saebook.testbed.registers.chats import write_chat
from saebook.testbed.registers.drills import write_drill
from saebook.testbed.registers.encyclopaedia import write_encyclopaedia
from saebook.testbed.registers.exams import write_exam
from saebook.testbed.registers.problems import write_problems
from saebook.testbed.registers.words import FUNCTION_WORDS

WRITERS = {
    "encyclopaedia": write_encyclopaedia,
    "problems": write_problems,
    "behaviours": write_behaviours,
    "chats": write_chat,
    "exams": write_exam,
    "drills": write_drill,
}

__all__ = ["FUNCTION_WORDS", "WRITERS"]
