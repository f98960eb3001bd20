"""Texts into batches of token ids, with a note of where every token came from."""

from saebook.corpora.batches import (
    HasText,
    Packing,
    TokenBatch,
    model_inputs,
    n_cut,
    padded,
    padding_id,
    restarted,
    token_batches,
)
from saebook.corpora.dialogues import (
    check_dialogue,
    render_dialogue,
    with_random_header,
    without_header,
)
from saebook.corpora.mixing import mixing_buffer
from saebook.corpora.packing import INSERTED

__all__ = [
    "INSERTED",
    "HasText",
    "Packing",
    "TokenBatch",
    "check_dialogue",
    "mixing_buffer",
    "model_inputs",
    "n_cut",
    "padded",
    "padding_id",
    "render_dialogue",
    "restarted",
    "token_batches",
    "with_random_header",
    "without_header",
]
