"""Adding the latent of a special token to the residual stream, and what answers are worth (F9)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from saebook.papers.li2025.arms import GRID, default_cell
from saebook.papers.li2025.bench import Bench
from saebook.papers.li2025.tokens import special_ids
from saebook.sinks import ordinary_tokens
from saebook.steering import SteeringVector, continuation_logprobs, unit
from saebook.subjects import Subject

ALPHAS = (15, 25, 50, 100, 150, 200)
"""The paper's coefficients but 0; here they are percent of an ordinary activation's norm."""
MODERATE = ALPHAS[:3]
DIRECTIONS = ("special token", "random", "ordinary token", "decoder bias")
PROMPT_SEED = 84_000
STARTS = {"qwen2": "<|im_start|>", "llama": "<|start_header_id|>", "gemma2": "<start_of_turn>"}
"""The special token whose latent is steered with, by family (Tables 12 to 18)."""


class Asked(NamedTuple):
    """A prompt that ends where the assistant is to speak, and the world's own answer."""

    prompt: str
    answer: str


def asked(dialogue: Any) -> Asked:
    """Cut a house chat before its last answer; the answer keeps the token that ends its turn."""
    words = dialogue.words
    held = [i for i, c in enumerate(dialogue.concepts) if "role/assistant-turn" in c]
    first = max(i for i in held if i - 1 not in held)
    return Asked(" ".join(words[:first]), " ".join(words[first:]))


def token_latent(codes: Tensor, dialogue: Tensor, at: Tensor) -> int:
    """The latent with the largest average over dialogues of its maximum at the tokens `at`."""
    peaks = pd.DataFrame(codes[at].numpy()).groupby(dialogue[at].numpy()).max()
    return int(peaks.mean().to_numpy().argmax())


def directions(bench: Bench, family: str, sae: Any) -> dict[str, Tensor]:
    """Unit vectors [d_model] to steer with: the claim's, and three controls."""
    subject, config = bench.instruct(family, with_sink=False), bench.config
    x = bench.acts(family, config.layer, with_sink=False)
    codes, tokens = sae.encode(x), bench.tokens(family)
    ids = torch.cat([b.ids[b.mask] for b in bench.batches(family)])
    start = int(subject.tokenizer.convert_tokens_to_ids(STARTS[family]))  # type: ignore[arg-type]
    plain = ids[tokens.classes["content"] & ~torch.isin(ids, torch.tensor(special_ids(subject)))]
    common = int(plain.mode().values)
    generator = torch.Generator().manual_seed(config.seed)
    return {
        "special token": unit(sae.W_dec[token_latent(codes, tokens.dialogue, ids == start)]),
        "random": unit(torch.randn(subject.d_model, generator=generator)),
        "ordinary token": unit(sae.W_dec[token_latent(codes, tokens.dialogue, ids == common)]),
        "decoder bias": unit(sae.b_dec),
    }


def steering_table(bench: Bench, families: Sequence[str]) -> pd.DataFrame:
    """Quality of answers under every direction and coefficient, prompt by prompt.

    The judge is the world: quality is the mean log p a token that the steered model gives to the
    answer that the generator wrote, which is fluent and correct by construction.

    Returns:
        A row a family, direction, alpha (percent of the ordinary norm; 0 once, direction "none")
        and prompt: quality (nats a token).
    """
    return pd.concat([_family_table(bench, family) for family in families], ignore_index=True)


def _family_table(bench: Bench, family: str) -> pd.DataFrame:
    config, subject = bench.config, bench.instruct(family, with_sink=False)
    cell = default_cell(config, "jumprelu", "FAST")
    if family != config.family:
        cell = cell._replace(family=family, recipe=GRID, d_sae=config.grid_d_sae)
    cell = cell._replace(with_sink=False)
    sae = bench.saes([cell])[cell].sae
    texts = bench.world.sample("chats", config.n_prompts, PROMPT_SEED + config.seed, family=family)
    prompts = [asked(text) for text in texts]
    norm = ordinary_tokens(subject, texts[:16]).norms[config.layer]
    parts = [_scored(subject, prompts, None).assign(direction="none", alpha=0)]
    for name, direction in directions(bench, family, sae).items():
        for alpha in ALPHAS if family == config.family or name == DIRECTIONS[0] else ():
            vector = SteeringVector(direction, config.layer, alpha / 100 * norm)
            part = _scored(subject, prompts, vector)
            parts.append(part.assign(direction=name, alpha=alpha))
    return pd.concat(parts, ignore_index=True).assign(family=family)


def _scored(
    subject: Subject, prompts: Sequence[Asked], steering: SteeringVector | None
) -> pd.DataFrame:
    heads, answers = [p.prompt for p in prompts], [p.answer for p in prompts]
    lengths = torch.tensor([len(row) for row in subject.encode(answers, bos=False)])
    quality = continuation_logprobs(subject, heads, answers, steering) / lengths
    return pd.DataFrame({"prompt": range(len(prompts)), "quality": quality.numpy()})


def changes(table: pd.DataFrame) -> pd.DataFrame:
    """Each steered row with its change against the same prompt unsteered.

    Adds change (nats a token) and win (1 better, 0 worse, 0.5 equal), the verdict of a pairwise
    judge that sees two likelihoods and nothing of how they were made.
    """
    keys = ["family", "prompt"]
    plain = table[table["direction"] == "none"].set_index(keys)["quality"].rename("plain")
    steered = table[table["direction"] != "none"].join(plain, on=keys)
    change = steered["quality"] - steered["plain"]
    return steered.assign(change=change, win=0.5 + 0.5 * np.sign(change))


class Window(NamedTuple):
    """What steering does at the best moderate amount and at the largest, on other prompts."""

    alpha: int
    moderate: NDArray[np.float64]
    largest: NDArray[np.float64]


def scored_window(table: pd.DataFrame, family: str, direction: str) -> Window:
    """Choose the best moderate amount on even prompts; return the changes on odd ones."""
    own = changes(table).query("family == @family and direction == @direction")
    even, odd = own[own["prompt"] % 2 == 0], own[own["prompt"] % 2 == 1]
    means = even[even["alpha"].isin(MODERATE)].groupby("alpha")["change"].mean()
    best = int(means.index[int(means.to_numpy().argmax())])
    at = [odd.loc[odd["alpha"] == a, "change"].to_numpy(float) for a in (best, ALPHAS[-1])]
    return Window(best, *at)
