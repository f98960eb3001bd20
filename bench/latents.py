"""How fast latents are scored in batches, against one at a time.

    python bench/latents.py [--latents 200] [--tokens 20000]

Prints JSON. Two comparisons on the default model's TopK SAE:

* `token_confidence`: Delta Token Confidence of every latent, against one steered forward pass of
  the whole prefix a latent. Only `--latents` of the latter are run; the rest is extrapolated.
* `detection`: windows, explanations and scores of many latents at once, against a plain loop.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from saebook import features
from saebook.interpretability import (
    LabelledCorpus,
    LexiconExplainer,
    WindowSizes,
    detection_frame,
    latent_windows,
    read_corpus,
    scoreable_latents,
)
from saebook.steering import SteeringVector, next_token_logprobs
from saebook.subjects import Subject, load_subject
from saebook.testbed import load_world
from saebook.zoo import SAESpec, get_saes

PREFIX, LAYER, ALPHA = "leo finds the", 3, 10.0


def seconds(work: Callable[[], Any]) -> float:
    """Wall time of a call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def token_confidence(subject: Subject, sae: Any, singles: int) -> dict[str, Any]:
    """All latents through a shared prefix, against one pass a latent."""
    n = sae.W_dec.shape[0]

    def together() -> torch.Tensor:
        prefix = features.read_prefix(subject, PREFIX, LAYER)
        latents = features.Latents.on(sae, prefix.resid, torch.ones(n))
        changed = prefix.changed_logprobs(features.resid_changes(latents, "V1", ALPHA))
        return features.delta_token_confidence(changed, prefix.logprobs)

    def alone() -> None:
        base = next_token_logprobs(subject, [PREFIX])[0]
        for row in sae.W_dec[:singles]:
            vector = SteeringVector(row, LAYER, ALPHA, positions="last")
            changed = next_token_logprobs(subject, [PREFIX], vector)
            features.delta_token_confidence(changed, base)

    together()  # the first trace of a module compiles
    batched, looped = seconds(together), seconds(alone) * n / singles
    return {
        "latents": n,
        "batched_seconds": batched,
        "one_pass_a_latent_seconds_extrapolated": looped,
        "speed_up_extrapolated": looped / batched,
    }


def detect(corpus: LabelledCorpus, codes: torch.Tensor, latents: list[int]) -> None:
    """Choose windows, explain and score some latents."""
    windows = latent_windows(codes, corpus.kept, latents, seed=0)
    explainer = LexiconExplainer.learn(
        windows.read(windows.generation, corpus.ids),
        windows.acts(windows.generation, codes),
        windows.max_acts,
        (codes[corpus.kept][:, windows.latents] > 0).double().mean(0),
        corpus.vocabulary,
    )
    scores = explainer.window_scores(windows.read(windows.scoring, corpus.ids))
    detection_frame(scores, windows, codes)


def detection(corpus: LabelledCorpus, sae: Any, most: int) -> dict[str, Any]:
    """Many latents at once, against a loop over them."""
    codes = corpus.codes(sae)
    latents = scoreable_latents(codes, corpus.kept, WindowSizes(), seed=0).tolist()[:most]
    batched = seconds(lambda: detect(corpus, codes, latents))
    looped = seconds(lambda: [detect(corpus, codes, [latent]) for latent in latents])
    return {
        "latents": len(latents),
        "batched_seconds": batched,
        "loop_seconds": looped,
        "speed_up": looped / batched,
    }


def main() -> None:
    """Run both comparisons and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latents", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=20_000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    subject, world = load_subject("gemma2-base"), load_world()
    spec = SAESpec(architecture="topk", sparsity=7)
    sae = get_saes([spec], progress=False)[spec].sae
    texts = world.sample("encyclopaedia", options.tokens // 60 + 20, seed=5)
    corpus = read_corpus(subject, texts, LAYER, options.tokens)
    result = {
        "token_confidence": token_confidence(subject, sae, options.latents),
        "detection": detection(corpus, sae, options.latents),
        "threads": torch.get_num_threads(),
    }
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
