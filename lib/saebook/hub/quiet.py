"""No progress bars where nobody watches them: in a notebook each would stay as an empty box."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import datasets
from huggingface_hub import utils as hub_utils
from transformers.utils import logging as transformers_logging


@contextmanager
def quiet() -> Iterator[None]:
    """Switch the bars of three libraries off for the block, unless a terminal shows them."""
    bars: list[tuple[bool, Callable[[], object], Callable[[], object]]] = [
        (
            not hub_utils.are_progress_bars_disabled(),
            hub_utils.disable_progress_bars,
            hub_utils.enable_progress_bars,
        ),
        (
            transformers_logging.is_progress_bar_enabled(),
            transformers_logging.disable_progress_bar,
            transformers_logging.enable_progress_bar,
        ),
        (
            not datasets.are_progress_bars_disabled(),
            datasets.disable_progress_bars,
            datasets.enable_progress_bars,
        ),
    ]
    with ExitStack() as after:
        for shown, off, on in bars:
            if shown and not sys.stderr.isatty():
                off()
                after.callback(on)
        yield
