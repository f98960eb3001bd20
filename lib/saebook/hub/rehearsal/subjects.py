"""Stand-ins of models: real classes, keys, layers and file names; random weights, few numbers."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Tokenizer,
)

from saebook.hub.rehearsal.cut import cut_subject
from saebook.hub.schema import SubjectEntry
from saebook.testbed import load_world
from saebook.testbed.tokenizers import CHAT_TEMPLATES, SPECIALS, build_tokenizer

REGISTERS = ("encyclopaedia", "problems")
N_MERGE_TEXTS = 200
"""Texts a register on which a byte-level tokenizer learns its merges."""
N_TOKENS = 1_500
"""Tokens of a byte-level tokenizer."""
SHARDS = 2
"""Files that the weights are split over, as large models are."""


def tokenizer_of(entry: SubjectEntry) -> PreTrainedTokenizerFast:
    """A tokenizer with the family's special tokens, and a chat template of our own.

    Word-level where the library loads it as it was written. Qwen's is rebuilt as a byte-level BPE
    whatever its file says, so its stand-in is one.
    """
    if entry.family == "qwen2":
        made = _byte_level()
        made.chat_template = CHAT_TEMPLATES["qwen2"] if entry.chat else None
        return made
    family = "llama" if entry.family == "mistral" else entry.family
    return build_tokenizer(load_world(), family, chat=entry.chat)


def _byte_level() -> PreTrainedTokenizerFast:
    """Qwen's own tokenizer class, its merges learnt on the testbed's texts."""
    special, world = SPECIALS["qwen2"], load_world()
    letters = [*sorted(ByteLevel.alphabet()), special.eos]
    untrained = Qwen2Tokenizer(
        vocab={letter: i for i, letter in enumerate(letters)},
        merges=[],
        pad_token=special.pad,
        additional_special_tokens=list(special.template),
    )
    samples = [world.sample(register, N_MERGE_TEXTS, seed=3) for register in REGISTERS]
    texts = [text.text for sample in samples for text in sample]
    texts += ["user", "assistant"] * N_MERGE_TEXTS  # one token each, as in the published vocabulary
    return untrained.train_new_from_iterator(texts, N_TOKENS, show_progress=False)


def stand_in_entry(entry: SubjectEntry) -> SubjectEntry:
    """The sizes of a model's stand-in."""
    return cut_subject(entry, _n_tokens(entry.family))


@cache
def _n_tokens(family: str) -> int:
    if family == "qwen2":
        return N_TOKENS
    held = "llama" if family == "mistral" else family
    return len(build_tokenizer(load_world(), held, chat=False))


def write_subject(entry: SubjectEntry, folder: Path, seed: int = 0) -> None:
    """Write config, weights in shards, index, and tokenizer, as the repository holds them."""
    sizes = stand_in_entry(entry)
    config = AutoConfig.for_model(entry.family, **_config_keys(sizes, tokenizer_of(entry)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, entry.dtype))
    total = sum(p.numel() * p.element_size() for p in model.parameters())
    model.save_pretrained(folder, max_shard_size=total // SHARDS + total // 8)
    tokenizer_of(entry).save_pretrained(folder)


def _config_keys(entry: SubjectEntry, tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    special = {
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    gemma = {"query_pre_attn_scalar": entry.d_head} if entry.family == "gemma2" else {}
    return {
        "hidden_size": entry.d_model,
        "intermediate_size": entry.d_mlp,
        "num_hidden_layers": entry.n_layers,
        "num_attention_heads": entry.n_heads,
        "num_key_value_heads": entry.n_kv_heads,
        "head_dim": entry.d_head,
        "vocab_size": entry.vocabulary,
        "max_position_embeddings": entry.context,
        "tie_word_embeddings": entry.tied,
        **special,
        **gemma,
    }
