"""What the tokens of a dialogue are: first, constant prefix, template, content; special or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from saebook.corpora import HasText, TokenBatch
from saebook.corpora.dialogues import TEMPLATE
from saebook.subjects import Subject

SPECIAL = {
    "qwen2": ("<|im_start|>", "<|im_end|>", "user", "assistant"),
    "llama": ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "user", "assistant"),
    "gemma2": ("<start_of_turn>", "<end_of_turn>", "user", "model"),
}
"""The list of special tokens (Table 11; Gemma 2 by analogy): turn markers and the words for the
roles, but neither `system` nor BOS."""
CLASSES = ("position 0", "constant prefix", "template", "content")


@dataclass(frozen=True, eq=False)
class TokenTable:
    """Flags of every token of some dialogues, in reading order; each [n_tokens]."""

    dialogue: Tensor
    """Index of the token's dialogue."""
    classes: dict[str, Tensor]
    """Each of `CLASSES`; every token is of exactly one."""
    special: Tensor
    """On the paper's list of special tokens by its id, wherever it stands."""
    special_in_template: Tensor
    """On that list, and written by the template: a header's own words do not count."""
    special_with_bos: Tensor
    """On that list, or BOS."""

    @property
    def special_after_prefix(self) -> Tensor:
        """Special tokens that differ from dialogue to dialogue by what stands before them."""
        return self.special & self.classes["template"]

    @property
    def not_constant(self) -> Tensor:
        """All tokens but the first one and the constant prefix."""
        return self.classes["template"] | self.classes["content"]


def special_ids(subject: Subject) -> list[int]:
    """Ids of the paper's special tokens.

    Raises:
        ValueError: a family without a list, or a token that the vocabulary lacks.
    """
    if subject.family not in SPECIAL:
        raise ValueError(f"no list of special tokens for {subject.family!r}")
    known: Any = subject.tokenizer
    ids = {word: known.convert_tokens_to_ids(word) for word in SPECIAL[subject.family]}
    lacking = [word for word, i in ids.items() if i is None or i == known.unk_token_id]
    if lacking:
        raise ValueError(f"the vocabulary of {subject.name} lacks {', '.join(lacking)}")
    return sorted(ids.values())


def constant_prefix(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all dialogues begin with alike.

    Under causal attention their activations are alike too, in every dialogue.

    Raises:
        ValueError: fewer than two dialogues, for then everything would be constant.
    """
    if len(rows) < 2:
        raise ValueError(f"{len(rows)} dialogue(s) have no constant prefix; give at least two")
    n = 0
    while n < min(map(len, rows)) and len({row[n] for row in rows}) == 1:
        n += 1
    return n


def written_by_template(dialogues: Sequence[Any]) -> list[list[bool]]:
    """Which tokens of annotated dialogues (`.concepts` a word) the template wrote."""
    return [[TEMPLATE in held for held in dialogue.concepts] for dialogue in dialogues]


def token_table(
    subject: Subject,
    texts: Sequence[str | HasText],
    written: Sequence[Sequence[bool]],
    batches: Sequence[TokenBatch],
) -> TokenTable:
    """Say what every token of some dialogues is.

    Args:
        subject: Whose tokenizer made the batches.
        texts: The dialogues.
        written: Of each dialogue, which of its tokens the template wrote.
        batches: Made from them with packing "single", in order.
    """
    strings = [t if isinstance(t, str) else t.text for t in texts]
    prefix = constant_prefix(subject.encode(strings))
    ids = torch.cat([b.ids[b.mask] for b in batches])
    place = torch.cat([b.place[b.mask] for b in batches])
    document = torch.cat([b.document[b.mask] for b in batches])
    position = torch.cat([b.position[b.mask] for b in batches])
    bos = torch.cat([b.bos[b.mask] for b in batches])
    pairs = zip(document.tolist(), position.tolist(), strict=True)
    marks = torch.tensor([p >= 0 and written[d][p] for d, p in pairs])
    first, constant = place == 0, (place > 0) & (place < prefix)
    template = marks & ~first & ~constant
    special = torch.isin(ids, torch.tensor(special_ids(subject)))
    held = (first, constant, template, ~(first | constant | template))
    return TokenTable(
        document, dict(zip(CLASSES, held, strict=True)), special, special & marks, special | bos
    )
