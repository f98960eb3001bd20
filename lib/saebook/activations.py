"""Reading the residual stream through nnsight: whole streams for training, chosen tokens else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, cast

import pandas as pd
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase as Tokenizer

from saebook.corpora import TokenBatch, model_inputs, padded
from saebook.subjects import Subject, block_tensor, hook_name

Positions = Literal["last", "all"] | Sequence[int]
LETTERS = ("A", "B")


class Captured(dict[int, Tensor]):
    """Activations by layer, each [n, d_model], with the table that says what each row is."""

    index: pd.DataFrame
    """Columns text (index in the input), position (in the encoded text, BOS counted) and
    token_id; row i belongs to row i of every tensor."""

    def __init__(self, acts: dict[int, Tensor], index: pd.DataFrame) -> None:
        super().__init__(acts)
        self.index = index


@torch.no_grad()
def read_blocks(
    subject: Subject,
    ids: Tensor,
    mask: Tensor,
    layers: Sequence[int],
    segment: Tensor | None = None,
) -> dict[int, Tensor]:
    """Run one batch and return the outputs of several blocks, float32 [batch, position, d_model].

    The forward pass stops after the deepest block asked for.

    Args:
        subject: The model.
        ids: Token ids [batch, position], right-padded.
        mask: True at real tokens.
        layers: Blocks to read, in any order.
        segment: Which text each token belongs to, where texts must not see each other; see
            `TokenBatch.segment`.

    Raises:
        ValueError: no layers, or one out of range.
    """
    blocks = {layer: subject.traced_block(layer) for layer in _ordered(subject, layers)}
    inputs = model_inputs(subject, ids, mask, segment)
    read: dict[int, Tensor] = {}
    with subject.traced.trace(**inputs) as tracer:
        for layer, block in blocks.items():
            read[layer] = cast(Any, block_tensor(block.output)).save()
        tracer.stop()
    return {layer: acts.float() for layer, acts in read.items()}


def stream_activations(
    subject: Subject,
    batches: Iterable[TokenBatch],
    layers: Sequence[int],
    drop_bos: bool = False,
    drop_special: bool = False,
) -> Iterator[dict[str, Tensor]]:
    """Yield, batch by batch, ``{hook_name: float32 [n_tokens, d_model]}`` at the kept tokens.

    Padding is always dropped; `drop_bos` and `drop_special` drop more. Rows follow the batch in
    reading order, as ``batch.document[batch.keep(...)]`` does. All layers come from one pass.

    Raises:
        ValueError: no layers, or one out of range.
    """
    ordered = _ordered(subject, layers)
    for batch in batches:
        kept = batch.keep(drop_bos, drop_special).to(subject.device)
        read = read_blocks(subject, batch.ids, batch.mask, ordered, batch.segment)
        yield {hook_name(layer): acts[kept] for layer, acts in read.items()}


def capture(
    subject: Subject,
    texts: Sequence[str],
    layers: Sequence[int],
    positions: Positions = "last",
    batch_size: int = 32,
) -> Captured:
    """Read the residual stream of short texts at chosen tokens, in the order of the texts.

    Results differ between batch sizes by float32 rounding only (about 1e-6 of their norm).

    Args:
        subject: The model.
        texts: Encoded with one BOS in front where the family has one.
        layers: Blocks to read.
        positions: "last" token, "all" tokens (BOS included), or one index a text into the
            encoded text, BOS counted, as `letter_positions` returns them.
        batch_size: Texts a forward pass.

    Returns:
        `{layer: float32 [n, d_model]}` on the CPU; `.index` says what each row is.

    Raises:
        ValueError: no texts, a layer or position out of range, or texts longer than the context.
    """
    rows = _encoded(subject, texts)
    wanted = _wanted(rows, positions)
    ordered = _ordered(subject, layers)
    parts: dict[int, list[Tensor]] = {layer: [] for layer in ordered}
    for start in range(0, len(rows), batch_size):
        batch = slice(start, start + batch_size)
        ids, mask = padded(subject, rows[batch])
        where = _flat_index(wanted[batch])
        for layer, acts in read_blocks(subject, ids, mask, ordered).items():
            parts[layer].append(acts.cpu()[where])
    acts = {layer: torch.cat(part) for layer, part in parts.items()}
    return Captured(acts, _index(rows, wanted))


def letter_positions(
    tokenizer: Tokenizer, texts: Sequence[str], letters: Sequence[str] = LETTERS
) -> list[int]:
    """Find the last option letter of each text by its character offset, BOS counted.

    A fixed index such as -2 reads the wrong token under many chat templates, so the letter is
    searched for and the token found there must decode to one of `letters`.

    Raises:
        ValueError: no texts, a text without such a letter in brackets, or a token that holds
            more than the letter.
    """
    if isinstance(texts, str) or not texts:
        raise ValueError("letter_positions takes a non-empty sequence of texts")
    return [_letter_position(tokenizer, i, text, tuple(letters)) for i, text in enumerate(texts)]


def _letter_position(tokenizer: Tokenizer, i: int, text: str, letters: tuple[str, ...]) -> int:
    at = _letter_offset(i, text, letters)
    coded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = coded["input_ids"], coded["offset_mapping"]
    found = [k for k, (start, end) in enumerate(offsets) if start <= at < end]
    token = cast(str, tokenizer.decode([ids[found[0]]])).strip() if found else None
    if token not in letters:
        raise ValueError(
            f"text {i}: the token at character {at} is {token!r}, not one of {', '.join(letters)}"
        )
    bos = tokenizer.bos_token_id
    return found[0] + int(bos is not None and ids[0] != bos)  # as Subject.encode adds it


def _letter_offset(i: int, text: str, letters: tuple[str, ...]) -> int:
    """Character offset of the letter after the last opening bracket."""
    bracket = text.rfind("(")
    rest = text[bracket + 1 :].lstrip() if bracket >= 0 else ""
    letter = rest[:1]
    alone = not rest[1:2].isalnum()
    if letter not in letters or not letter or not alone:
        raise ValueError(
            f"text {i} has no answer letter ({' or '.join(letters)}) after its last '(': "
            f"...{text[-40:]!r}"
        )
    return len(text) - len(rest)


def _ordered(subject: Subject, layers: Sequence[int]) -> list[int]:
    if not layers:
        raise ValueError("no layers to read")
    return sorted({subject.check_layer(layer) for layer in layers})


def _encoded(subject: Subject, texts: Sequence[str]) -> list[list[int]]:
    if not texts:
        raise ValueError("there are no texts to read activations from")
    rows = subject.encode(texts)
    longest = subject.model.config.max_position_embeddings
    for i, row in enumerate(rows):
        if len(row) > longest:
            raise ValueError(f"text {i} has {len(row)} tokens; {subject.name} takes {longest}")
    return rows


def _wanted(rows: list[list[int]], positions: Positions) -> list[list[int]]:
    if isinstance(positions, str):
        if positions == "last":
            return [[len(row) - 1] for row in rows]
        if positions == "all":
            return [list(range(len(row))) for row in rows]
        raise ValueError(f"unknown positions {positions!r}; known: last, all, or one index a text")
    if len(positions) != len(rows):
        raise ValueError(f"{len(positions)} positions for {len(rows)} texts")
    for i, (row, at) in enumerate(zip(rows, positions, strict=True)):
        if not 0 <= at < len(row):
            raise ValueError(f"position {at} is outside text {i}, which has {len(row)} tokens")
    return [[int(at)] for at in positions]


def _flat_index(wanted: list[list[int]]) -> tuple[Tensor, Tensor]:
    pairs = [(i, at) for i, row in enumerate(wanted) for at in row]
    rows, columns = torch.tensor(pairs).unbind(-1)
    return rows, columns


def _index(rows: list[list[int]], wanted: list[list[int]]) -> pd.DataFrame:
    pairs = [(i, at) for i, row in enumerate(wanted) for at in row]
    return pd.DataFrame(
        {
            "text": [i for i, _ in pairs],
            "position": [at for _, at in pairs],
            "token_id": [rows[i][at] for i, at in pairs],
        }
    )
