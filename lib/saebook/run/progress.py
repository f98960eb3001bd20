"""One line at a time about where a chapter stands and how long it may still take."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TextIO

QUIET_SECONDS = 2.0


class Progress:
    """Prints `chapter: cell i/n, seconds gone, about seconds left`, at most every two seconds.

    The estimate rests on what each cell took last time; without a last time, on the mean so far.
    """

    def __init__(self, name: str, last: Sequence[float] = (), stream: TextIO | None = None) -> None:
        self._name, self._last = name, list(last)
        self._stream = stream or sys.stderr
        self._starts: list[float] = []
        self._n_cells, self._shown = 0, 0.0

    def begin(self, n_cells: int) -> None:
        """Say how many code cells there are."""
        self._n_cells, self._starts = n_cells, []
        known = sum(self._last) if len(self._last) == n_cells else None
        self.say(f"{n_cells} cells" + (f", about {duration(known)}" if known else ""))

    def cell(self) -> None:
        """A code cell starts."""
        now = time.monotonic()
        self._starts.append(now)
        if now - self._shown < QUIET_SECONDS:
            return
        self._shown = now
        at, gone = len(self._starts), now - self._starts[0]
        left = seconds_left(at, self._n_cells, gone, self._last)
        about = "" if left is None else f", about {duration(left)} left"
        self.say(f"cell {at}/{self._n_cells}, {duration(gone)} gone{about}")

    def seconds(self) -> list[float]:
        """Seconds each started cell took."""
        ends = [*self._starts[1:], time.monotonic()]
        return [round(end - start, 2) for start, end in zip(self._starts, ends, strict=False)]

    def say(self, text: str) -> None:
        """One line that begins with the chapter's name."""
        print(f"{self._name}: {text}", file=self._stream, flush=True)


def seconds_left(at: int, n_cells: int, gone: float, last: Sequence[float]) -> float | None:
    """Seconds until the end when cell `at` (from 1) of `n_cells` starts; None when unknown."""
    if len(last) == n_cells:
        before = sum(last[: at - 1])
        pace = gone / before if before > 1 else 1.0
        return sum(last[at - 1 :]) * pace
    return gone / (at - 1) * (n_cells - at + 1) if at > 1 else None


def duration(seconds: float) -> str:
    """Seconds as a reader says them: `40 s`, `3 min 5 s`."""
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"
