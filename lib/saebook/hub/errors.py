"""What can go wrong with a published model, SAE or data set, in words to act on."""

from __future__ import annotations


class HubError(Exception):
    """Something published cannot be used; the message names it, says why, and what to do."""
