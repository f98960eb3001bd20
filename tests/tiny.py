"""Random-weight three-layer models and word-level tokenizers, one per family of the book.

Nothing here is trained: the models exist so that hooks, batching and file formats can be tested
against plain torch in milliseconds.
"""

from __future__ import annotations

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from saebook.subjects import Subject

FAMILIES = ("gemma2", "llama", "qwen2")
D_MODEL = 32
N_LAYERS = 3
CONTEXT = 256

SPECIALS = {
    "gemma2": {
        "bos_token": "<bos>",
        "eos_token": "<eos>",
        "pad_token": "<pad>",
        "additional_special_tokens": ["<start_of_turn>", "<end_of_turn>"],
    },
    "llama": {
        "bos_token": "<|begin_of_text|>",
        "eos_token": "<|end_of_text|>",
        "pad_token": "<|finetune_right_pad_id|>",
        "additional_special_tokens": ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
    },
    "qwen2": {
        "eos_token": "<|endoftext|>",
        "pad_token": "<|fim_pad|>",
        "additional_special_tokens": ["<|im_start|>", "<|im_end|>"],
    },
}

_TEXT = (
    "the a otter river lives in near is was eats fish blue green question answer : ? . ( ) "
    "A B C D E what would you do i accept refuse change about and or not user model"
)
WORDS = _TEXT.split()

_MODELS = {
    "gemma2": (Gemma2Config, Gemma2ForCausalLM, {"head_dim": 8, "sliding_window": 32}),
    "llama": (LlamaConfig, LlamaForCausalLM, {}),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM, {}),
}


def tiny_tokenizer(family: str) -> PreTrainedTokenizerFast:
    """A word-level tokenizer with the special strings of `family` (Qwen 2 has no BOS)."""
    specials = SPECIALS[family]
    extra = specials["additional_special_tokens"]
    named = [value for key, value in specials.items() if key != "additional_special_tokens"]
    vocab = {word: i for i, word in enumerate([*named, *extra, "<unk>", *WORDS])}
    core = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>", **specials)


def tiny_model(family: str, seed: int = 0) -> PreTrainedModel:
    """A float32 causal language model of `family` with random weights, in eval mode."""
    config_class, model_class, extra = _MODELS[family]
    tokenizer = tiny_tokenizer(family)
    config = config_class(
        vocab_size=len(tokenizer),
        hidden_size=D_MODEL,
        intermediate_size=2 * D_MODEL,
        num_hidden_layers=N_LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        initializer_range=0.2,  # large enough that logits differ clearly between words
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **extra,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return model_class(config).eval()


def tiny_subject(family: str, seed: int = 0) -> Subject:
    """The tiny model and tokenizer of `family` as a Subject called ``tiny-<family>``."""
    return Subject.from_model(
        tiny_model(family, seed), tiny_tokenizer(family), name=f"tiny-{family}"
    )
