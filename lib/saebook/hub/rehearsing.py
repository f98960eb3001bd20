"""Whether this run is a rehearsal on stand-ins, and the words for what it then cannot say."""

from __future__ import annotations

import os

VARIABLE = "SAEBOOK_REHEARSAL"
NOT_PUBLISHED = (
    "run from download to number on stand-ins in the published formats; not run on the published "
    "weights"
)


def rehearsing() -> bool:
    """Whether the variable SAEBOOK_REHEARSAL is 1."""
    return os.environ.get(VARIABLE, "") == "1"
