"""Published questions: read from the hub or a folder, written as prompts, cut into tokens.

The questions of the paper's own exam are its examining body's and are not given out with the
paper's code: whoever has them names their folder. Without one, an exam of as many questions is
drawn from MedMCQA's training questions, whose subjects stand for its categories.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase

from saebook.finetune import Question
from saebook.hub import HubError
from saebook.hub.data import rows
from saebook.testbed.registers.exams import EXAM_COUNTS

LETTERS = "ABCDE"
ANSWER = "### Answer:"
INSTRUCTION = "Give the letter of the option that answers this medical exam question."
N_CATEGORIES = len(EXAM_COUNTS)
KEYS = ("question", "options", "answer", "category")
"""What a line of a folder's files has to hold."""


class Written(NamedTuple):
    """A question as people read it."""

    stem: str
    options: tuple[str, ...]
    right: int
    """Index of the right option."""
    category: str

    @property
    def prompt(self) -> str:
        """Instruction, question and lettered options, up to where the letter comes."""
        listed = "\n".join(f"{a}. {text}" for a, text in zip(LETTERS, self.options, strict=False))
        return f"{INSTRUCTION}\n\n### Question: {self.stem}\n\n{listed}\n\n{ANSWER}"


def from_folder(folder: Path) -> list[Written]:
    """Read an exam from a folder's `*.jsonl` files, a question a line.

    A line holds `question`, `options` (a list of two to five texts), `answer` (the letter of the
    right one) and `category`.

    Raises:
        ValueError: No such file or no line, or a line that is not so; names file and line.
    """
    paths = sorted(folder.glob("*.jsonl"))
    lines = [
        (f"{path.name}, line {i}", line)
        for path in paths
        for i, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if line.strip()
    ]
    if not lines:
        raise ValueError(f"{folder} holds no question in a *.jsonl file; see `from_folder`")
    return [_checked(json.loads(line), place) for place, line in lines]


def _checked(row: Any, place: str) -> Written:
    missing = [key for key in KEYS if not isinstance(row, dict) or key not in row]
    if missing:
        raise ValueError(f"{place} lacks {', '.join(missing)}")
    options = row["options"]
    if not isinstance(options, list) or not 2 <= len(options) <= len(LETTERS):
        raise ValueError(f"{place}: options are {options!r}; give a list of two to five")
    letters = list(LETTERS[: len(options)])
    if row["answer"] not in letters:
        raise ValueError(f"{place}: answer {row['answer']!r} is none of {', '.join(letters)}")
    right = letters.index(row["answer"])
    return Written(row["question"], tuple(map(str, options)), right, str(row["category"]))


def medmcqa(split: str, commit: str | None = None, n: int | None = None) -> list[Written]:
    """Read MedMCQA's training or validation questions, the first n of them or all."""
    names = ("opa", "opb", "opc", "opd")
    return [
        Written(row["question"], tuple(str(row[k]) for k in names), int(row["cop"]),
                str(row["subject_name"]))
        for row in rows("medmcqa", split, commit, n)
    ]  # fmt: skip


def medqa(split: str, commit: str | None = None, n: int | None = None) -> list[Written]:
    """Read MedQA's training or test questions in their four-option form; no category is given."""
    found = []
    for row in rows("medqa", split, commit, n):
        letters = sorted(row["options"])
        options = tuple(str(row["options"][a]) for a in letters)
        found.append(Written(row["question"], options, letters.index(row["answer_idx"]), "none"))
    return found


def drawn_exam(questions: Sequence[Written], n: int, seed: int) -> list[Written]:
    """Draw an exam of n questions from the categories that are asked most, ten at most.

    Raises:
        ValueError: n below 1, or fewer questions than that.
    """
    most = {c for c, _ in Counter(q.category for q in questions).most_common(N_CATEGORIES)}
    asked = [q for q in questions if q.category in most]
    if not 1 <= n <= len(asked):
        raise ValueError(f"an exam of {n} questions cannot be drawn from {len(asked)}")
    return random.Random(f"published exam/{seed}").sample(asked, n)


def digest_of(questions: Iterable[Written]) -> str:
    """Digest of the questions and their answers, 16 hexadecimal digits."""
    text = json.dumps([list(q) for q in questions])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def letter_ids(tokenizer: PreTrainedTokenizerBase, repo: str, n: int) -> tuple[int, ...]:
    """Return the token that each of the first n letters is after the prompt's last words.

    Raises:
        HubError: A letter is not one token of its own there, so that its probability could not
            be read at one place.
    """
    bare = tokenizer(ANSWER)["input_ids"]
    found = [tokenizer(f"{ANSWER} {letter}")["input_ids"] for letter in LETTERS[:n]]
    whole = all(ids[:-1] == bare for ids in found)
    if not whole or len({ids[-1] for ids in found}) < n:
        raise HubError(
            f"the tokenizer of {repo} does not give each of {', '.join(LETTERS[:n])} one token "
            f"after {ANSWER!r}; an answer cannot be read at one place"
        )
    return tuple(ids[-1] for ids in found)


def as_questions(
    tokenizer: PreTrainedTokenizerBase, repo: str, written: Sequence[Written], longest: int
) -> list[Question]:
    """Cut questions into tokens, answered by a letter.

    Args:
        tokenizer: The model's.
        repo: The model's name, for errors.
        written: The questions.
        longest: Tokens of a question with its answer; the beginning of a longer one is cut.

    Raises:
        HubError: As `letter_ids`.
    """
    letters = letter_ids(tokenizer, repo, max(len(q.options) for q in written))
    encoded = tokenizer([q.prompt for q in written])["input_ids"]
    return [
        Question(_shortened(ids, longest - 1), letters[: len(q.options)], q.right)
        for ids, q in zip(encoded, written, strict=True)
    ]


def _shortened(ids: Sequence[int], room: int) -> tuple[int, ...]:
    """The first token, which may mark a beginning, and as many of the last as there is room for."""
    return tuple(ids) if len(ids) <= room else (ids[0], *ids[-(room - 1) :])


def option_counts(tests: Mapping[str, Sequence[Written]]) -> dict[str, tuple[float, int]]:
    """Return the mean chance of guessing rightly, and the number of questions, by test set."""
    return {
        name: (sum(1 / len(q.options) for q in asked) / len(asked), len(asked))
        for name, asked in tests.items()
    }
