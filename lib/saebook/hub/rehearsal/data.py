"""Stand-ins of data sets: the published columns, files and compression; rows of our own."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import zstandard

from saebook.hub.rehearsal.cut import N_ROWS
from saebook.hub.schema import DataEntry
from saebook.testbed import AnnotatedText, World, load_world

Row = dict[str, Any]
N_EXAM_ROWS = 70
"""Rows of MMLU-Pro: five of each domain, as its validation split has."""
N_EXAM_WORDS, N_WORKED_WORDS = 12, 40
"""Words of its questions, of which a prompt holds six, and of LIMO's question and solution."""


def write_data(entry: DataEntry, folder: Path, seed: int = 0) -> None:
    """Write one file a split, under a name that the split's pattern matches.

    Raises:
        KeyError: There is no stand-in of this data set.
    """
    for at, pattern in enumerate(entry.splits.values()):
        rows = list(_ROWS[entry.name](load_world(), seed + at))
        path = folder / file_name(pattern)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(rows, path)


def file_name(pattern: str) -> str:
    """A file's name that a pattern matches."""
    numbered = pattern.replace("**/", "part/").replace("*/", "part/")
    return numbered.replace("-*", "-00000-of-00001").replace("/*", "/00000").replace("*", "0")


def _write(rows: list[Row], path: Path) -> None:
    if path.suffix == ".parquet":
        pd.DataFrame(rows).to_parquet(path)
        return
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    if path.suffix == ".json":
        path.write_text(json.dumps(rows))
    elif path.suffix == ".zst":
        path.write_bytes(zstandard.ZstdCompressor().compress(lines))
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(lines, mtime=0))
    else:
        path.write_bytes(lines)


def _texts(world: World, register: str, seed: int, n: int = N_ROWS) -> list[AnnotatedText]:
    return world.sample(register, n, seed)


def _documents(world: World, seed: int) -> Iterator[Row]:
    for text in _texts(world, "encyclopaedia", seed):
        yield {"text": text.text, "meta": {"pile_set_name": "stand-in"}}


def _turns(text: AnnotatedText) -> list[tuple[str, str]]:
    words = text.text.split()
    half = len(words) // 2
    return [("user", " ".join(words[:half])), ("assistant", " ".join(words[half:]))]


def _messages(world: World, seed: int) -> Iterator[Row]:
    for i, text in enumerate(_texts(world, "problems", seed)):
        turns = [{"role": role, "content": said} for role, said in _turns(text)]
        yield {"id": str(i), "messages": turns, "conversation": turns, "source": "stand-in"}


def _conversations(world: World, seed: int) -> Iterator[Row]:
    names = {"user": "human", "assistant": "gpt"}
    for i, text in enumerate(_texts(world, "problems", seed)):
        turns = [{"from": names[role], "value": said} for role, said in _turns(text)]
        yield {"id": i, "conversations": turns, "source": "stand-in"}


def _worked(world: World, seed: int) -> Iterator[Row]:
    for text in _texts(world, "problems", seed):
        words = text.text.split()[-N_WORKED_WORDS:]
        half = len(words) // 2
        question, solution = " ".join(words[:half]), " ".join(words[half:])
        yield {"question": question, "solution": solution, "answer": words[-1]}


def _choices(
    world: World, seed: int, n: int, n_rows: int = N_ROWS
) -> Iterator[tuple[int, str, list[str], int, str]]:
    """Number, question, options, index of the right one, and domain."""
    domains = list(world.domains)
    for i, text in enumerate(_texts(world, "problems", seed, n_rows)):
        words = list(dict.fromkeys(text.text.split()))
        yield i, text.text, [f"{word} {i}" for word in words[:n]], i % n, domains[i % len(domains)]


def _mmlu_pro(world: World, seed: int) -> Iterator[Row]:
    for i, question, options, right, domain in _choices(world, seed, 10, N_EXAM_ROWS):
        yield {
            "question_id": i,
            "question": " ".join(question.split()[-N_EXAM_WORDS:]),
            "options": options,
            "answer": "ABCDEFGHIJ"[right],
            "answer_index": right,
            "cot_content": "A: Let's think step by step. stand-in",
            "category": domain,
            "src": "stand-in",
        }


def _instructions(world: World, seed: int) -> Iterator[Row]:
    for text in _texts(world, "problems", seed):
        (_, asked), (_, said) = _turns(text)
        yield {"instruction": asked, "output": said, "generator": "none", "dataset": "stand-in"}


def _medmcqa(world: World, seed: int) -> Iterator[Row]:
    for i, question, options, right, domain in _choices(world, seed, 4):
        named = dict(zip(("opa", "opb", "opc", "opd"), options, strict=True))
        yield {"id": str(i), "question": question, **named, "cop": right, "subject_name": domain}


def _medqa(world: World, seed: int) -> Iterator[Row]:
    for _, question, options, right, _domain in _choices(world, seed, 4):
        lettered = dict(zip("ABCD", options, strict=True))
        yield {
            "question": question,
            "answer": options[right],
            "options": lettered,
            "answer_idx": "ABCD"[right],
        }


_ROWS: dict[str, Callable[[World, int], Iterator[Row]]] = {
    "pile": _documents,
    "common-pile": _documents,
    "slimpajama": _documents,
    "tulu-3": _messages,
    "orca-agentinstruct": _messages,
    "wildchat": _messages,
    "lmsys-chat": _messages,
    "infinity-instruct": _conversations,
    "limo": _worked,
    "mmlu-pro": _mmlu_pro,
    "alpaca-eval": _instructions,
    "medmcqa": _medmcqa,
    "medqa": _medqa,
}
