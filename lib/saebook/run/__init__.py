"""Running chapters: checked parameters, content keys, papermill, and pages laid in place whole."""

from saebook.run.chapter import Outcome, run_chapter
from saebook.run.errors import ChapterFailed, RunError
from saebook.run.project import TIERS, Chapter, Project, Request

__all__ = [
    "TIERS",
    "Chapter",
    "ChapterFailed",
    "Outcome",
    "Project",
    "Request",
    "RunError",
    "run_chapter",
]
