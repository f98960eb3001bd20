"""What is measured of latents before any steering: interpretability and selection scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from saebook import features
from saebook.interpretability import (
    InventoryExplainer,
    LatentWindows,
    LexiconExplainer,
    WindowSizes,
    detection_frame,
    detection_scores,
    latent_windows,
    random_direction_codes,
    scoreable_latents,
    true_labels,
)
from saebook.interpretability.lexicon import ACTIVE_SHARE
from saebook.papers.wang2025.parameters import Parameters
from saebook.papers.wang2025.setting import Setting
from saebook.papers.wang2025.variants import Change, variants

SIZES = WindowSizes()
LENS_K = 20


@dataclass(frozen=True, eq=False)
class Explained:
    """The chosen latents of one SAE with their windows and explanations."""

    codes: Tensor
    """Latent activations on the corpus [n_seq, context, d_sae]."""
    windows: LatentWindows
    lexicon: LexiconExplainer
    inventory: InventoryExplainer
    """The best concept of all: the ceiling of detection."""
    content: InventoryExplainer
    """The best concept of content: what the latent is steered towards."""

    @property
    def ids(self) -> Tensor:
        """The latents [n]."""
        return self.windows.latents


def choose_latents(codes: Tensor, kept: Tensor, n: int, seed: int) -> list[int]:
    """Draw n latents that have enough windows, in a random order.

    Raises:
        ValueError: fewer such latents than asked for.
    """
    found = scoreable_latents(codes, kept, SIZES, seed).numpy()
    if len(found) < n:
        raise ValueError(
            f"{len(found)} latents fire in enough windows, {n} are asked for; lower n_latents or "
            "raise n_corpus_tokens"
        )
    return np.random.default_rng((seed, 83)).permutation(found)[:n].tolist()


def explain(setting: Setting, codes: Tensor, latents: list[int], seed: int) -> Explained:
    """Choose each latent's windows and explain it in both ways."""
    corpus = setting.corpus
    windows = latent_windows(codes, corpus.kept, latents, seed, SIZES)
    acts = windows.acts(windows.generation, codes)
    density = (codes[corpus.kept][:, windows.latents] > 0).double().mean(0)
    lexicon = LexiconExplainer.learn(
        windows.read(windows.generation, corpus.ids),
        acts,
        windows.max_acts,
        density,
        corpus.vocabulary,
    )
    active = acts > ACTIVE_SHARE * windows.max_acts[:, None, None]
    inventory = InventoryExplainer.learn(corpus.labels, windows.generation, active)
    content = InventoryExplainer.learn(corpus.labels, windows.generation, active, setting.content)
    return Explained(codes, windows, lexicon, inventory, content)


def interpretability_frame(setting: Setting, explained: Explained) -> pd.DataFrame:
    """Detection of each latent by its lexicon, and by the inventory (columns inventory_*)."""
    corpus, windows = setting.corpus, explained.windows
    scores = explained.lexicon.window_scores(windows.read(windows.scoring, corpus.ids))
    frame = detection_frame(scores, windows, explained.codes)
    named = explained.inventory.window_scores(corpus.labels, windows.scoring, windows.sizes.width)
    best = detection_scores(named, true_labels(windows, explained.codes))
    return pd.concat([frame, best.add_prefix("inventory_")], axis=1).assign(
        concept=[corpus.concepts[i] for i in explained.content.concept.tolist()],
        concept_f1=explained.content.f1.numpy(),
        density=explained.lexicon.density.numpy(),
        max_act=windows.max_acts.numpy(),
    )


def floor_scores(setting: Setting, density: Tensor, seed: int) -> pd.DataFrame:
    """Detection of random directions that fire as often as the given latents.

    Directions without enough separate windows are left out; the frame says how many remain.
    """
    corpus = setting.corpus
    codes = random_direction_codes(corpus.acts, corpus.kept, density, seed)
    usable = scoreable_latents(codes, corpus.kept, SIZES, seed).tolist()
    if not usable:
        return pd.DataFrame()
    return interpretability_frame(setting, explain(setting, codes, usable, seed))


def selection_frame(
    setting: Setting, sae: Any, explained: Explained, config: Parameters
) -> pd.DataFrame:
    """Every score by which latents could be selected, one row a chosen latent.

    Columns: the variants of Delta Token Confidence (see `variants`), output_difference,
    output_intervened, input_score, kl, entropy_change, kurtosis.
    """
    peaks = explained.codes.flatten(0, 1).amax(0)
    ids, decoder = explained.ids, sae.W_dec.detach()
    changed = _changed(setting, sae, peaks, ids, config)
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
    setting: Setting, sae: Any, peaks: Tensor, ids: Tensor, config: Parameters
) -> dict[Change, Tensor]:
    """log p of the next token under every change that the variants need, [n, vocabulary] each.

    All changes of one prefix go through the model together.
    """
    found: dict[Change, Tensor] = {}
    for name, prefix in setting.prefixes.items():
        latents = features.Latents.on(sae, prefix.resid, peaks)
        wanted = dict.fromkeys(v.change for v in variants(config).values() if v.prefix == name)
        rows = [features.resid_changes(latents, c.reading, c.alpha, ids) for c in wanted]
        parts = prefix.changed_logprobs(torch.cat(rows)).split(len(ids))
        found |= dict(zip(wanted, parts, strict=True))
    return found


def _peak_tokens(setting: Setting, explained: Explained) -> Tensor:
    """The strongest token of each generation window [n, windows]."""
    windows = explained.windows
    ids = windows.read(windows.generation, setting.corpus.ids)
    at = windows.acts(windows.generation, explained.codes).argmax(-1, keepdim=True)
    return ids.gather(-1, at)[..., 0]


def all_deltas(setting: Setting, sae: Any, codes: Tensor, config: Parameters) -> pd.DataFrame:
    """Delta Token Confidence (V1) of every latent, and of as many random unit rows, in nats.

    Returns:
        Columns delta and random, row i for latent i.
    """
    decoder, prefix = sae.W_dec.detach(), setting.prefixes["own"]
    generator = torch.Generator().manual_seed(config.seed + 7)
    random = torch.nn.functional.normalize(torch.randn(decoder.shape, generator=generator), dim=1)
    latents = features.Latents.on(sae, prefix.resid, codes.flatten(0, 1).amax(0))
    size = config.alpha * latents.codes.max()
    changed = prefix.changed_logprobs(size * torch.cat([decoder, random]))
    delta = features.delta_token_confidence(changed, prefix.logprobs, config.k)
    own, other = delta.split(len(decoder))
    return pd.DataFrame({"delta": own.numpy(), "random": other.numpy()})
