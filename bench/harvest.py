"""How fast activations are read, against sae-lens's own store on the same tokens.

    python bench/harvest.py ours|sae-lens [--tokens 100000]

Prints JSON: tokens a second and peak memory of this process. One process a side, so that neither
pays for the other's memory. The texts are tokenized before the clock starts.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time

import torch
from datasets import Dataset

from saebook.activations import stream_activations
from saebook.corpora import TokenBatch, token_batches
from saebook.subjects import Subject, hook_name, load_subject
from saebook.zoo.source import house_texts

CONTEXT, LAYER, BATCH = 128, 3, 32
"""Tokens a sequence, block read, sequences a forward pass; the same on both sides."""


def drawn_batches(subject: Subject, n_tokens: int) -> list[TokenBatch]:
    """Packed batches of the default corpus, at least `n_tokens` tokens in all."""
    batches: list[TokenBatch] = []
    for texts in house_texts("default", 0, subject.family):
        batches += token_batches(subject, texts, CONTEXT, batch_size=BATCH)
        if sum(int(batch.mask.sum()) for batch in batches) >= n_tokens:
            return batches
    raise AssertionError("a house corpus never ends")


def ours(subject: Subject, batches: list[TokenBatch]) -> int:
    """Read every batch through this project's stream; returns the tokens read."""
    name = hook_name(LAYER)
    return sum(len(acts[name]) for acts in stream_activations(subject, batches, [LAYER]))


def theirs(subject: Subject, batches: list[TokenBatch]) -> int:
    """Read the same sequences through sae-lens's ActivationsStore; returns the tokens read."""
    from sae_lens.load_model import HookedProxyLM
    from sae_lens.training.activations_store import ActivationsStore

    rows = [ids.tolist() for batch in batches for ids in batch.ids if len(ids) == CONTEXT]
    hook = f"model.layers.{LAYER}"
    proxy = HookedProxyLM(subject.model, subject.tokenizer, hook_names=[hook])
    store = ActivationsStore(
        model=proxy, dataset=Dataset.from_dict({"input_ids": rows}), streaming=False,
        hook_name=hook, hook_head_index=None, context_size=CONTEXT, d_in=subject.d_model,
        n_batches_in_buffer=2, total_training_tokens=len(rows) * CONTEXT,
        store_batch_size_prompts=BATCH, train_batch_size_tokens=BATCH * CONTEXT,
        prepend_bos=False, normalize_activations="none", device=torch.device("cpu"),
        dtype="float32",
    )  # fmt: skip
    passes = max(1, len(rows) // BATCH)
    return sum(len(store.get_raw_llm_batch()[0]) for _ in range(passes))


def main() -> None:
    """Read with one side and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=("ours", "sae-lens"))
    parser.add_argument("--tokens", type=int, default=100_000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    subject = load_subject("gemma2-base")
    batches = drawn_batches(subject, options.tokens)
    read = {"ours": ours, "sae-lens": theirs}[options.side]
    read(subject, batches[:2])  # the first pass sets things up
    start = time.perf_counter()
    n = read(subject, batches)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    row = {"reader": options.side, "tokens": n, "tokens_per_second": n / seconds}
    sys.stdout.write(json.dumps({**row, "peak_memory_mib": round(peak)}) + "\n")


if __name__ == "__main__":
    main()
