"""An LLM judge behind any OpenAI-compatible endpoint: off by default, cached, counted.

No answer is ever dropped: one that came late, not at all or without a readable grade is kept as
such, and whoever averages has to say what it counts for.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from saebook.judges.prompts import PROMPTS, rendered

Status = Literal["answered", "unreadable", "late", "refused"]
_GRADE = re.compile(r"grade\s*[:=]\s*\**\s*([0-9]+(?:\.[0-9]+)?)", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """What the judge said about one text."""

    grade: float
    """Between 0 and 2; nan unless the status is "answered"."""
    status: Status
    text: str
    """The reply as it came, or what went wrong."""


@dataclass
class LLMJudge:
    """Asks for one grade a text, one text a request, at temperature 0."""

    endpoint: str
    """Base address, such as `http://localhost:8000/v1`."""
    model: str
    cache: Path
    """Folder in which replies are kept, one JSON file each."""
    key: str = field(default="", repr=False)
    """Sent as a bearer token if given."""
    timeout: float = 30.0
    """Seconds before a reply counts as late."""
    retries: int = 1
    """Further tries after a reply that came late or not at all."""
    counts: Counter[str] = field(default_factory=Counter)
    """How many answers had each status, and how many came from the cache."""

    def __post_init__(self) -> None:
        if not self.endpoint.startswith(("http://", "https://")):
            raise ValueError(f"endpoint {self.endpoint!r} is not an http address")
        if self.timeout <= 0 or self.retries < 0:
            raise ValueError(f"timeout {self.timeout} and retries {self.retries} are out of range")

    def ask(self, quality: str, texts: Sequence[str], about: Sequence[str]) -> list[Answer]:
        """Grade texts.

        Args:
            quality: A key of `PROMPTS`: concept, instruction or fluency.
            texts: What is graded.
            about: The concept or instruction of each text; ignored for fluency.

        Raises:
            ValueError: an unknown quality, or unequal numbers.
        """
        if quality not in PROMPTS:
            raise ValueError(f"unknown quality {quality!r}; known: {', '.join(PROMPTS)}")
        if len(texts) != len(about):
            raise ValueError(f"{len(texts)} texts with {len(about)} subjects")
        pairs = zip(texts, about, strict=True)
        return [self._one(rendered(quality, text, subject)) for text, subject in pairs]

    def _one(self, prompt: str) -> Answer:
        path = self.cache / f"{self._digest(prompt)}.json"
        reply = _cached(path)
        if reply is None:
            reply, failure = self._request(prompt)
            if reply is None:  # failures are not kept: the next run asks again
                self.counts[failure[0]] += 1
                return Answer(math.nan, *failure)
            _keep(path, {"model": self.model, "prompt": prompt, "reply": reply})
        else:
            self.counts["cached"] += 1
        answer = read_grade(reply)
        self.counts[answer.status] += 1
        return answer

    def _digest(self, prompt: str) -> str:
        return hashlib.sha256(f"{self.model}\0{prompt}".encode()).hexdigest()[:32]

    def _request(self, prompt: str) -> tuple[str | None, tuple[Status, str]]:
        failure: tuple[Status, str] = ("refused", "never asked")
        for _ in range(self.retries + 1):
            try:
                return self._reply(prompt), failure
            except TimeoutError:
                failure = ("late", f"no reply within {self.timeout:g} s")
            except urllib.error.URLError as error:
                slow = isinstance(error.reason, TimeoutError)
                failure = ("late" if slow else "refused", str(error))
            except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
                failure = ("refused", f"{type(error).__name__}: {error}")
        return None, failure

    def _reply(self, prompt: str) -> str:
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": 0,
        }
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(
            f"{self.endpoint.rstrip('/')}/chat/completions",
            data=json.dumps(body).encode(),
            headers=headers,
        )
        with urllib.request.urlopen(request, timeout=self.timeout) as response:
            content = json.loads(response.read())["choices"][0]["message"]["content"]
        if not isinstance(content, str):
            raise ValueError(f"the reply's content is {type(content).__name__}, not text")
        return content


def read_grade(reply: str) -> Answer:
    """Read the last `Grade: x` of a reply; without one from 0 to 2 the reply is unreadable."""
    found = _GRADE.findall(reply)
    value = float(found[-1]) if found else math.nan
    if not 0 <= value <= 2:
        return Answer(math.nan, "unreadable", reply)
    return Answer(value, "answered", reply)


def grades_of(
    answers: Sequence[Answer], unanswered: Literal["zero", "error"] = "error"
) -> list[float]:
    """Grades as numbers, with what is missing counted as told.

    Raises:
        ValueError: an answer is missing and `unanswered` is "error"; says how many of each kind.
    """
    missing = Counter(a.status for a in answers if a.status != "answered")
    if missing and unanswered == "error":
        raise ValueError(
            f"{missing.total()} of {len(answers)} answers are missing: "
            f"{', '.join(f'{missing[s]} {s}' for s in get_args(Status) if missing[s])}"
        )
    return [a.grade if a.status == "answered" else 0.0 for a in answers]


def _cached(path: Path) -> str | None:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["reply"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(path: Path, content: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
