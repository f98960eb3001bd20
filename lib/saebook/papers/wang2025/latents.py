"""What is measured of latents before any steering: interpretability and selection scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from saebook import features
from saebook.interpretability import (
    InventoryExplainer,
    LatentCodes,
    LatentWindows,
    LexiconExplainer,
    TokenCorpus,
    WindowSizes,
    detection_frame,
    detection_scores,
    latent_windows,
    scoreable_latents,
    true_labels,
)
from saebook.interpretability.lexicon import ACTIVE_SHARE
from saebook.papers.wang2025.parameters import Parameters
from saebook.papers.wang2025.setting import Setting, Steered
from saebook.papers.wang2025.variants import Change, variants

SIZES = WindowSizes()
LENS_K = 20


@dataclass(frozen=True, eq=False)
class Explained:
    """The chosen latents of one SAE with their windows and explanations."""

    read: LatentCodes
    """What the SAE reads in the corpus."""
    windows: LatentWindows
    lexicon: LexiconExplainer
    inventory: InventoryExplainer | None = None
    """The best concept of all, the ceiling of detection, where concepts are known."""
    content: InventoryExplainer | None = None
    """The best concept of content, which the latent is steered towards, where they are known."""

    @property
    def ids(self) -> Tensor:
        """The latents [n]."""
        return self.read.ids[self.windows.latents]


def choose_latents(read: LatentCodes, kept: Tensor, n: int, seed: int) -> list[int]:
    """Draw n latents that have enough windows, in a random order; columns of the codes.

    Raises:
        ValueError: fewer such latents than asked for.
    """
    found = scoreable_latents(read.codes, kept, SIZES, seed, read.ids.tolist()).numpy()
    if len(found) < n:
        raise ValueError(
            f"{len(found)} latents fire in enough windows, {n} are asked for; lower n_latents or "
            "raise n_corpus_tokens"
        )
    return np.random.default_rng((seed, 83)).permutation(found)[:n].tolist()


def explain(corpus: TokenCorpus, read: LatentCodes, columns: list[int], seed: int) -> Explained:
    """Choose each latent's windows and explain it by its lexicon.

    Args:
        corpus: The text.
        read: What the SAE reads in it.
        columns: Columns of the codes whose latents are explained.
        seed: Of the windows.
    """
    windows = latent_windows(read.codes, corpus.kept, columns, seed, SIZES, read.ids.tolist())
    lexicon = LexiconExplainer.learn(
        windows.read(windows.generation, corpus.ids),
        windows.acts(windows.generation, read.codes),
        windows.max_acts,
        (read.codes[..., columns][corpus.kept] > 0).double().mean(0),
        corpus.vocabulary,
    )
    return Explained(read, windows, lexicon)


def explain_by_world(
    setting: Setting, read: LatentCodes, columns: list[int], seed: int
) -> Explained:
    """`explain`, and name the concepts of the world's inventory that fit each latent best."""
    corpus, found = setting.corpus, explain(setting.corpus, read, columns, seed)
    windows = found.windows
    acts = windows.acts(windows.generation, read.codes)
    active = acts > ACTIVE_SHARE * windows.max_acts[:, None, None]
    return replace(
        found,
        inventory=InventoryExplainer.learn(corpus.labels, windows.generation, active),
        content=InventoryExplainer.learn(
            corpus.labels, windows.generation, active, setting.content
        ),
    )


def interpretability_frame(corpus: TokenCorpus, explained: Explained) -> pd.DataFrame:
    """Detection of each latent by its lexicon, its density and its largest activation."""
    windows = explained.windows
    scores = explained.lexicon.window_scores(windows.read(windows.scoring, corpus.ids))
    return detection_frame(scores, windows, explained.read.codes).assign(
        latent=explained.ids.numpy(),
        density=explained.lexicon.density.numpy(),
        max_act=windows.max_acts.numpy(),
    )


def world_frame(setting: Setting, explained: Explained) -> pd.DataFrame:
    """`interpretability_frame` with detection by the inventory (inventory_*) and the concepts.

    Raises:
        ValueError: the latents were explained without the world.
    """
    corpus, windows, inventory = setting.corpus, explained.windows, explained.inventory
    if inventory is None or explained.content is None:
        raise ValueError("these latents have no concepts; explain them by the world")
    named = inventory.window_scores(corpus.labels, windows.scoring, windows.sizes.width)
    best = detection_scores(named, true_labels(windows, explained.read.codes))
    frame = interpretability_frame(corpus, explained)
    return pd.concat([frame, best.add_prefix("inventory_")], axis=1).assign(
        concept=[corpus.concepts[i] for i in explained.content.concept.tolist()],
        concept_f1=explained.content.f1.numpy(),
    )


def selection_frame(
    setting: Steered, sae: Any, explained: Explained, config: Parameters
) -> pd.DataFrame:
    """Every score by which latents could be selected, one row a chosen latent.

    Columns: the variants of Delta Token Confidence (see `variants`), output_difference,
    output_intervened, input_score, kl, entropy_change, kurtosis.
    """
    ids, decoder = explained.ids, sae.W_dec.detach()
    changed = _changed(setting, sae, explained.read.peaks, ids, config)
    deltas = {
        name: features.delta_token_confidence(
            changed[v.change], setting.prefixes[v.prefix].logprobs, v.k
        ).numpy()
        for name, v in variants(config).items()
    }
    base = setting.prefixes["own"].logprobs
    default = changed[variants(config)["V1"].change]
    tokens = features.top_tokens(setting.subject, decoder[ids], LENS_K)
    lens = features.logit_lens(setting.subject, decoder[ids])
    frame = pd.DataFrame(deltas).assign(
        input_score=features.input_score(_peak_tokens(setting, explained), tokens).numpy(),
        kurtosis=features.lens_kurtosis(lens).numpy(),
    )
    output = features.output_score(default, base, tokens).add_prefix("output_")
    return pd.concat([frame, output, features.effect_sizes(default, base)], axis=1)


def _changed(
    setting: Steered, sae: Any, peaks: Tensor, ids: Tensor, config: Parameters
) -> dict[Change, Tensor]:
    """log p of the next token under every change that the variants need, [n, vocabulary] each.

    All changes of one prefix go through the model together.
    """
    found: dict[Change, Tensor] = {}
    for name, prefix in setting.prefixes.items():
        latents = features.Latents.on(sae, prefix.resid, peaks)
        wanted = dict.fromkeys(v.change for v in variants(config).values() if v.prefix == name)
        rows = [features.resid_changes(latents, c.reading, c.alpha, ids) for c in wanted]
        parts = prefix.changed_logprobs(torch.cat(rows), setting.batch_size).split(len(ids))
        found |= dict(zip(wanted, parts, strict=True))
    return found


def _peak_tokens(setting: Steered, explained: Explained) -> Tensor:
    """The strongest token of each generation window [n, windows]."""
    windows = explained.windows
    ids = windows.read(windows.generation, setting.corpus.ids)
    at = windows.acts(windows.generation, explained.read.codes).argmax(-1, keepdim=True)
    return ids.gather(-1, at)[..., 0]


def all_deltas(setting: Steered, sae: Any, peaks: Tensor, config: Parameters) -> pd.DataFrame:
    """Delta Token Confidence (V1) of every latent, and of as many random unit rows, in nats.

    Args:
        setting: The model.
        sae: The SAE.
        peaks: Largest activation of every latent [d_sae].
        config: Amplification, k and seed.

    Returns:
        Columns delta and random, row i for latent i.
    """
    decoder, prefix = sae.W_dec.detach(), setting.prefixes["own"]
    generator = torch.Generator().manual_seed(config.seed + 7)
    random = torch.nn.functional.normalize(torch.randn(decoder.shape, generator=generator), dim=1)
    latents = features.Latents.on(sae, prefix.resid, peaks)
    changes = config.alpha * latents.codes.max() * torch.cat([decoder, random])
    # Batch by batch: all distributions at once would fill gigabytes with a large vocabulary.
    parts = [
        features.delta_token_confidence(
            prefix.changed_logprobs(part, setting.batch_size), prefix.logprobs, config.k
        )
        for part in changes.split(setting.batch_size)
    ]
    own, other = torch.cat(parts).split(len(decoder))
    return pd.DataFrame({"delta": own.numpy(), "random": other.numpy()})
