"""Gates on language: loss above the entropy floor, accuracy, worked examples, chat format."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import torch
from torch.nn import functional as F

from saebook.testbed.annotate import AnnotatedText
from saebook.testbed.gates.result import GateResult
from saebook.testbed.house import HouseModel
from saebook.testbed.lexicon import DOMAINS, LETTERS
from saebook.testbed.registers.chats import TEMPLATES
from saebook.testbed.tokenizers import opening_ids, word_ids
from saebook.testbed.world import World

INF = math.inf


def encode(house: HouseModel, words: Sequence[str]) -> list[int]:
    """Return the ids of words with the family's opening, cut to the model's context."""
    ids = opening_ids(house.tokenizer) + word_ids(house.tokenizer, words)
    return ids[: house.model.config.max_position_embeddings]


@torch.no_grad()
def word_losses(house: HouseModel, text: AnnotatedText) -> list[float]:
    """Return the model's surprise in nats at each word that has a token before it."""
    ids = torch.tensor([encode(house, text.words)])
    logits = house.model(input_ids=ids, use_cache=False).logits[0, :-1]
    return F.cross_entropy(logits, ids[0, 1:], reduction="none").tolist()


@torch.no_grad()
def option_choice(house: HouseModel, text: AnnotatedText) -> tuple[str, str]:
    """Return (chosen, right) option of a text's last question, given everything before the answer.

    The chosen option is the one whose word the model finds likeliest after `answer :`.
    """
    at = max(i for i, held in enumerate(text.concepts) if "role/option" in held)
    start = max(i for i in range(at) if text.words[i] == "question")
    options = [text.words[i + 1] for i in range(start, at) if text.words[i] in LETTERS]
    logits = house.model(input_ids=torch.tensor([encode(house, text.words[:at])])).logits[0, -1]
    ids = word_ids(house.tokenizer, options)
    return options[int(logits[ids].argmax())], text.words[at]


def loss_gate(house: HouseModel, world: World, register: str, n: int, seed: int) -> GateResult:
    """Excess of the model's loss over the generator's entropy floor, nats a token."""
    texts = world.sample(register, n, seed)
    losses = [loss for text in texts for loss in word_losses(house, text)]
    floor = [
        nat for text in texts for nat in text.nats[: house.model.config.max_position_embeddings]
    ]
    value = statistics.fmean(losses) - sum(floor) / len(losses)
    says = f"loss above the entropy floor on {register} (floor {sum(floor) / len(losses):.2f})"
    return GateResult(
        f"loss-{register}", "general", house.name, value, -INF, 0.35, "nats/token", says, n
    )


def domain_accuracy(house: HouseModel, world: World, n: int, seed: int) -> dict[str, float]:
    """Return the share of right options by domain: two solved examples, no reasoning line."""
    return {
        domain: statistics.fmean(
            chosen == right
            for chosen, right in (
                option_choice(house, text)
                for text in world.sample("problems", n, seed, domain=domain, shots=2, reason=False)
            )
        )
        for domain in DOMAINS
    }


def accuracy_gates(house: HouseModel, world: World, n: int, seed: int) -> list[GateResult]:
    """Median domain accuracy, domains in the usable band, and their spread in standard errors."""
    accuracy = list(domain_accuracy(house, world, n, seed).values())
    median, usable = statistics.median(accuracy), sum(0.25 <= a <= 0.85 for a in accuracy)
    error = math.sqrt(median * (1 - median) / n)
    spread = (max(accuracy) - min(accuracy)) / error if error else math.nan
    total = n * len(accuracy)
    return [
        GateResult(
            "domain-median",
            "general",
            house.name,
            median,
            0.35,
            0.75,
            "share right",
            "median accuracy over the 14 domains",
            total,
        ),
        GateResult(
            "domain-band",
            "general",
            house.name,
            usable,
            12,
            14,
            "domains",
            "domains with 25-85 % right",
            total,
        ),
        GateResult(
            "domain-spread",
            "zhang2026",
            house.name,
            spread,
            3.0,
            INF,
            "standard errors",
            "best minus worst domain, in standard errors of one domain",
            total,
        ),
    ]


def _last_problem_loss(house: HouseModel, text: AnnotatedText) -> float:
    losses = word_losses(house, text)
    start = max(i for i, word in enumerate(text.words) if word == "question")
    return statistics.fmean(losses[start - len(text.words) :])


def shots_gate(house: HouseModel, world: World, n: int, seed: int) -> GateResult:
    """Drop of the loss on a problem when two solved examples precede it, in standard errors."""
    means = []
    for shots in (0, 2):
        texts = world.sample("problems", n, seed, shots=shots, reason=True)
        means.append([_last_problem_loss(house, text) for text in texts])
    gap = statistics.fmean(means[0]) - statistics.fmean(means[1])
    error = math.sqrt(sum(statistics.variance(m) / n for m in means))
    return GateResult(
        "two-shots",
        "zhang2026",
        house.name,
        gap / error,
        2.0,
        INF,
        "standard errors",
        f"loss saved by two solved examples ({gap:.3f} nats/token)",
        2 * n,
    )


@torch.no_grad()
def reply(house: HouseModel, words: Sequence[str], limit: int = 40) -> list[str]:
    """Return the greedy continuation of a prompt, up to and with the turn's end."""
    end = TEMPLATES[house.family].turn_end
    ids, answer = encode(house, words), list[str]()
    while len(answer) < limit and answer[-1:] != [end]:
        ids.append(int(house.model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
        answer.append(str(house.tokenizer.convert_ids_to_tokens(ids[-1])))
    return answer


def chat_gates(house: HouseModel, world: World, n: int, seed: int) -> list[GateResult]:
    """Share of replies that keep the chat format, and of format instructions that are obeyed."""
    kept, obeyed, asked = 0, 0, 0
    for text in world.sample("chats", n, seed, family=house.family):
        at = next(i for i, held in enumerate(text.concepts) if "role/assistant-turn" in held)
        answer = reply(house, text.words[:at])
        specials = [w for w in answer if w.startswith("<")]
        kept += len(answer) > 1 and specials == [TEMPLATES[house.family].turn_end]
        form = next((c for c in text.concepts[at] if c.startswith("format/")), None)
        if form:
            asked += 1
            obeyed += _obeys(world, form.split("/")[1], answer[:-1])
    return [
        GateResult(
            "chat-format",
            "general",
            house.name,
            kept / n,
            0.95,
            1.0,
            "share",
            "replies that close their turn once, with words before it",
            n,
        ),
        GateResult(
            "instructions",
            "wang2025",
            house.name,
            obeyed / max(asked, 1),
            0.6,
            1.0,
            "share",
            "format instructions obeyed, checked by rule",
            asked,
        ),
    ]


def _obeys(world: World, form: str, words: list[str]) -> bool:
    if form == "one-word":
        return len(words) == 1
    if form == "list":
        return words.count(",") == 2
    if form == "sentence":
        return words[-1:] == ["."] and words.count(".") == 1
    pole = "positive" if form == "praise" else "negative"
    return any(word in world.lexicon.sentiment[pole] for word in words)
