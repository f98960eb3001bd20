"""What can go wrong with the pages, for a reader to act on."""

from __future__ import annotations


class BookError(Exception):
    """Pages that cannot be staged, built or shown; the message says what, where and what to do."""
