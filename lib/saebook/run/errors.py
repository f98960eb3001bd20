"""What can go wrong in a run, for a reader to act on."""

from __future__ import annotations


class RunError(Exception):
    """A run that cannot go on; the message says what, where and what to do."""


class ChapterFailed(RunError):
    """A cell raised, ran out of time, or its kernel died."""
