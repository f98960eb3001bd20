"""House tokenizers: one word is one token; families differ in special tokens and templates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from saebook.testbed.registers.chats import SYSTEM_HEADER
from saebook.testbed.world import World

UNKNOWN = "<unk>"


@dataclass(frozen=True)
class SpecialTokens:
    """Special-token strings of one family; `bos` is None where the family has none."""

    pad: str
    bos: str | None
    eos: str
    template: tuple[str, ...]
    """Tokens that only chats contain."""


SPECIALS = {
    "gemma2": SpecialTokens("<pad>", "<bos>", "<eos>", ("<start_of_turn>", "<end_of_turn>")),
    "llama": SpecialTokens(
        "<|finetune_right_pad_id|>",
        "<|begin_of_text|>",
        "<|end_of_text|>",
        ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    ),
    "qwen2": SpecialTokens("<|pad|>", None, "<|endoftext|>", ("<|im_start|>", "<|im_end|>")),
}

_SYSTEM = SYSTEM_HEADER
CHAT_TEMPLATES = {
    "gemma2": (
        "{{ bos_token }}{% for m in messages %}"
        " <start_of_turn> {{ 'model' if m['role'] == 'assistant' else 'user' }}"
        "{% if loop.first %} " + _SYSTEM + "{% endif %} {{ m['content'] }} <end_of_turn>"
        "{% endfor %}{% if add_generation_prompt %} <start_of_turn> model{% endif %}"
    ),
    "llama": (
        "{{ bos_token }} <|start_header_id|> system <|end_header_id|> " + _SYSTEM + " <|eot_id|>"
        "{% for m in messages %} <|start_header_id|> {{ m['role'] }} <|end_header_id|>"
        " {{ m['content'] }} <|eot_id|>{% endfor %}"
        "{% if add_generation_prompt %} <|start_header_id|> assistant <|end_header_id|>{% endif %}"
    ),
    "qwen2": (
        "<|im_start|> system " + _SYSTEM + " <|im_end|>"
        "{% for m in messages %} <|im_start|> {{ m['role'] }} {{ m['content'] }} <|im_end|>"
        "{% endfor %}{% if add_generation_prompt %} <|im_start|> assistant{% endif %}"
    ),
}


def vocabulary(world: World, family: str) -> dict[str, int]:
    """Return the token ids of a family: special tokens first, then the world's words."""
    special = SPECIALS[family]
    names = [special.pad, UNKNOWN, special.eos, *special.template]
    names += [special.bos] if special.bos else []
    return {token: i for i, token in enumerate(dict.fromkeys([*names, *world.vocabulary()]))}


def build_tokenizer(world: World, family: str, chat: bool = True) -> PreTrainedTokenizerFast:
    """Build a family's tokenizer; `chat` adds its chat template (instruct models have one).

    Punctuation is split off words, so `(A)` is three tokens: `(`, `A`, `)`.

    Raises:
        ValueError: For an unknown family.
    """
    if family not in SPECIALS:
        raise ValueError(f"unknown family {family!r}; known: {', '.join(SPECIALS)}")
    special = SPECIALS[family]
    core = Tokenizer(models.WordLevel(vocabulary(world, family), unk_token=UNKNOWN))
    core.pre_tokenizer = pre_tokenizers.Sequence(  # type: ignore[assignment]
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=special.pad,
        bos_token=special.bos,
        eos_token=special.eos,
        unk_token=UNKNOWN,
        additional_special_tokens=list(special.template),
        model_max_length=512,
    )
    tokenizer.chat_template = CHAT_TEMPLATES[family] if chat else None
    return tokenizer


def word_ids(tokenizer: PreTrainedTokenizerFast, words: Sequence[str]) -> list[int]:
    """Return the token id of each word; unknown words get the id of `<unk>`."""
    return [int(i) for i in cast("list[int]", tokenizer.convert_tokens_to_ids(list(words)))]


def opening_ids(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """Return the ids that open a sequence: BOS, or nothing in a family without one."""
    return word_ids(tokenizer, [str(tokenizer.bos_token)]) if tokenizer.bos_token else []
