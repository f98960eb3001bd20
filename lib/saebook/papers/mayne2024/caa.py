"""The published pairs of Contrastive Activation Addition (Rimsky et al., 2312.06681), from disk.

A folder holds `generate/<behaviour>/generate_dataset.json` (pairs that make the vector) and
`test/<behaviour>/test_dataset_ab.json` (pairs that test it). Each is a JSON list of records with
`question`, `answer_matching_behavior` and `answer_not_matching_behavior`, answers as "(A)".
Nothing is downloaded, and what is left out is reported with its reason.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import pandas as pd
from transformers import PreTrainedTokenizerBase as Tokenizer

from saebook.activations import LETTERS

Split = Literal["generate", "test"]
FILES: dict[Split, str] = {"generate": "generate_dataset.json", "test": "test_dataset_ab.json"}
KEYS = ("question", "answer_matching_behavior", "answer_not_matching_behavior")
_ANSWER = re.compile(r"\s*\(?([A-Z])\)?\s*")


@dataclass(frozen=True)
class LetterPair:
    """A question with the letter that shows the behaviour and the one that does not."""

    question: str
    matching: str
    other: str


@dataclass(frozen=True)
class PublishedPairs:
    """What a file holds that can be read at an A or a B, and what it holds besides."""

    behaviour: str
    split: Split
    pairs: tuple[LetterPair, ...]
    left_out: pd.DataFrame
    """Columns record (index in the file), reason, found."""

    @property
    def matching_a(self) -> float:
        """Share of kept pairs whose matching letter is A; far from one half a letter leaks in."""
        return sum(pair.matching == "A" for pair in self.pairs) / len(self.pairs)


def load_pairs(
    folder: Path, behaviour: str, split: Split = "generate", strict: bool = False
) -> PublishedPairs:
    """Read one behaviour's pairs and say which were left out, and why.

    Args:
        folder: Holds `generate` and `test`.
        behaviour: Name of the behaviour's folder.
        split: Pairs that make the vector, or that test it.
        strict: Refuse the first pair that would be left out.

    Raises:
        FileNotFoundError: No such file; the message lists the behaviours that are there.
        ValueError: No JSON list of records; a record without its question or both answers; with
            `strict` a pair that cannot be read at an A or a B; nothing left after filtering; or
            every kept pair matches by the same letter, which leaves the behaviour without its
            other answer.
    """
    records = _records(folder, behaviour, split)
    kept: list[LetterPair] = []
    left: list[tuple[int, str, str]] = []
    for i, record in enumerate(records):
        pair = _pair(record, f"{behaviour}/{split}, record {i}")
        reason = _reason(pair)
        if reason is None:
            kept.append(pair)
            continue
        found = f"{pair.matching} against {pair.other}"
        if strict:
            raise ValueError(f"{behaviour}/{split}, record {i}: {reason} ({found})")
        left.append((i, reason, found))
    frame = pd.DataFrame(left, columns=["record", "reason", "found"])
    _check(kept, frame, f"{behaviour}/{split}")
    return PublishedPairs(behaviour, split, tuple(kept), frame)


def _records(folder: Path, behaviour: str, split: Split) -> list[Any]:
    if split not in FILES:
        raise ValueError(f"unknown split {split!r}; known: {', '.join(FILES)}")
    path = folder / split / behaviour / FILES[split]
    if not path.is_file():
        there = sorted(p.parent.name for p in folder.glob(f"{split}/*/{FILES[split]}"))
        raise FileNotFoundError(
            f"no {split} pairs of {behaviour!r} under {folder}; there: {', '.join(there) or 'none'}"
        )
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{behaviour}/{split} is not JSON: {error}") from error
    if not isinstance(records, list):
        raise ValueError(f"{behaviour}/{split} holds a {type(records).__name__}, not a list")
    return records


def _pair(record: Any, where: str) -> LetterPair:
    missing = [key for key in KEYS if not isinstance(record, dict) or not record.get(key)]
    if missing:
        raise ValueError(f"{where} lacks {', '.join(missing)}; both answers are needed")
    question, *answers = (str(record[key]) for key in KEYS)
    letters = [m.group(1) if (m := _ANSWER.fullmatch(a)) else a.strip() for a in answers]
    return LetterPair(question, *letters)


def _reason(pair: LetterPair) -> str | None:
    """Why a pair cannot be read at an A or a B, or None."""
    if pair.matching not in LETTERS:
        return "the matching answer is not A or B"
    if pair.other not in LETTERS:
        return "the opposite answer is not A or B"
    if pair.matching == pair.other:
        return "both answers are one letter"
    absent = [letter for letter in LETTERS if f"({letter})" not in pair.question]
    return f"the question offers no ({absent[0]})" if absent else None


def _check(kept: list[LetterPair], left_out: pd.DataFrame, where: str) -> None:
    if not kept:
        reasons = ", ".join(f"{n} x {r}" for r, n in left_out["reason"].value_counts().items())
        raise ValueError(
            f"{where}: no pair is left after filtering ({reasons or 'the file is []'})"
        )
    letters = {pair.matching for pair in kept}
    if len(letters) == 1:
        raise ValueError(
            f"{where}: every one of {len(kept)} pairs matches by ({letters.pop()}); without the "
            "other answer the vector would be the letter's, not the behaviour's"
        )


def survey(folder: Path) -> pd.DataFrame:
    """Every behaviour and split of a folder: pairs kept, share matching by A, left out, why.

    Raises:
        FileNotFoundError: The folder holds no such files.
        ValueError: As `load_pairs`.
    """
    rows = []
    for split, name in FILES.items():
        for path in sorted(folder.glob(f"{split}/*/{name}")):
            loaded = load_pairs(folder, path.parent.name, split)
            counts = loaded.left_out["reason"].value_counts()
            why = "; ".join(f"{n} because {reason}" for reason, n in counts.items())
            row = (loaded.behaviour, split, len(loaded.pairs), loaded.matching_a)
            rows.append((*row, len(loaded.left_out), why or "–"))
    if not rows:
        raise FileNotFoundError(f"{folder} holds none of the files {', '.join(FILES.values())}")
    columns = ["behaviour", "split", "kept", "matching by A", "left out", "why"]
    return pd.DataFrame(rows, columns=columns)


def render_pair(pair: LetterPair, tokenizer: Tokenizer | None = None) -> tuple[str, str]:
    """The two texts of a pair, each ending in its letter: matching first.

    Without a tokenizer in the base format of the published code, "Input: …" and "Response: (A".
    With one as the start of the model's turn in its chat template, "(A" written after the
    generation prompt, so that reading and scoring use one format.

    Raises:
        ValueError: The tokenizer has no chat template, or one without a generation prompt.
    """
    opening = f"Input: {pair.question}\nResponse: "
    if tokenizer is not None:
        opening = _chat_opening(pair.question, tokenizer)
    return f"{opening}({pair.matching}", f"{opening}({pair.other}"


def _chat_opening(question: str, tokenizer: Tokenizer) -> str:
    if tokenizer.chat_template is None:
        raise ValueError("the tokenizer has no chat template; leave it away for the base format")
    turn = [{"role": "user", "content": question}]
    closed, opened = (
        cast(str, tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=add))
        for add in (False, True)
    )
    if opened == closed:
        raise ValueError(
            "the chat template has no generation prompt, so the letter would stand in the user's "
            "turn; use a template that opens the model's turn"
        )
    return opened
