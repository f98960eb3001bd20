"""One cell of the grid: everything measured on one SAE, in tidy tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from saebook import features
from saebook.interpretability import (
    LatentCodes,
    TokenCorpus,
    detection_frame,
    random_direction_codes,
    scoreable_latents,
    thresholded_codes,
)
from saebook.papers.wang2025.latents import (
    LENS_K,
    SIZES,
    Explained,
    all_deltas,
    choose_latents,
    explain,
    explain_by_world,
    interpretability_frame,
    selection_frame,
    world_frame,
)
from saebook.papers.wang2025.parameters import Parameters
from saebook.papers.wang2025.setting import REGISTERS, Setting, Steered
from saebook.papers.wang2025.utility import Grader, latent_texts, world_grader
from saebook.zoo import HouseSAE
from saebook.zoo.validity import SAE_VALID, validity_report

OWN, PERMUTED, RANDOM = "own decoder", "permuted decoder", "random directions"
ARMS = (OWN, PERMUTED, RANDOM)
"""Which rows an SAE's latents are steered along."""
PERMUTED_ENCODER, SHUFFLED_ENCODER = "permuted encoder", "shuffled encoder"
"""What else stands in the table of floors beside random directions."""
Tables = dict[str, pd.DataFrame]
FLOATS = "float32"
CHECK_SEED, CHECK_TEXTS = 71_000, 60
"""Of the texts on which an SAE without a full report is checked, and how many a register."""


def measure_cell(setting: Setting, entry: HouseSAE, config: Parameters) -> Tables:
    """Measure one house SAE: the tables of `steered_tables`, and "figures" (is it valid?).

    Raises:
        ValueError: fewer live latents than asked for.
    """
    explained = explained_latents(setting, entry.sae, config.n_latents, config.seed)
    found = world_frame(setting, explained)
    return {
        **steered_tables(setting, entry.sae, explained, found, config, world_grader(setting)),
        "figures": pd.DataFrame([sae_figures(setting, entry)]),
    }


def explained_latents(setting: Setting, sae: Any, n: int, seed: int) -> Explained:
    """Draw n latents of a house SAE and explain them."""
    read = LatentCodes.whole(setting.corpus.codes(sae))
    return explain_by_world(setting, read, choose_latents(read, setting.corpus.kept, n, seed), seed)


def steered_tables(
    setting: Steered,
    sae: Any,
    explained: Explained,
    found: pd.DataFrame,
    config: Parameters,
    grader: Grader,
) -> Tables:
    """What selection and steering say of an SAE's chosen latents.

    Args:
        setting: The model.
        sae: The SAE, on the CPU.
        explained: Its chosen latents.
        found: Interpretability, a row a latent.
        config: Sizes and seed.
        grader: Grades the steered texts.

    Returns:
        "latents" (interpretability and selection scores, a row a latent), "texts" (grades, a row
        an arm, latent, factor and prompt) and "deltas" (Delta Token Confidence of every latent
        and of random directions).
    """
    scores = selection_frame(setting, sae, explained, config)
    return {
        "latents": compact(pd.concat([found, scores], axis=1)),
        "texts": cell_texts(setting, sae, explained, config, grader),
        "deltas": compact(all_deltas(setting, sae, explained.read.peaks, config)),
    }


def measure_floors(setting: Setting, entry: HouseSAE, config: Parameters) -> Tables:
    """Detection where it should find nothing, in one table "floors", by kind.

    Random directions that fire as often as the latents; encoders whose columns' entries are
    shuffled, explained anew; and permuted encoders, each latent's explanation held against the
    windows of another one.
    """
    explained = explained_latents(setting, entry.sae, config.n_latents, config.seed)
    corpus, density = setting.corpus, explained.lexicon.density
    random = random_direction_codes(corpus.acts, corpus.kept, density, config.seed)
    shuffled = shuffled_encoder_codes(setting, entry.sae, explained, config.seed)
    parts = [
        _explained_anew(corpus, random, config.seed).assign(kind=RANDOM),
        _explained_anew(corpus, shuffled, config.seed).assign(kind=SHUFFLED_ENCODER),
        permuted_encoder_frame(corpus, explained, config.seed).assign(kind=PERMUTED_ENCODER),
    ]
    return {"floors": compact(pd.concat(parts, ignore_index=True))}


def sae_figures(setting: Setting, entry: HouseSAE) -> dict[str, float]:
    """The figures of `SAE_VALID`, from the SAE's report or measured now."""
    report = entry.report
    if not set(SAE_VALID) <= set(report):
        texts = [
            text
            for register in REGISTERS
            for text in setting.world.sample(register, CHECK_TEXTS, CHECK_SEED)
        ]
        report = validity_report(entry, setting.subject, texts)
    return {name: float(report[name]) for name in SAE_VALID}


def partners(d_sae: int, seed: int) -> Tensor:
    """Whose decoder row each latent gets in the permuted arm, [d_sae]: one cycle, none its own."""
    order = torch.randperm(d_sae, generator=torch.Generator().manual_seed(seed + 17))
    other = torch.empty_like(order)
    other[order] = order.roll(1)
    return other


def decoder_rows(sae: Any, latents: Tensor, arm: str, seed: int) -> Tensor:
    """Rows along which the latents are steered in an arm, [n, d_model].

    Their own; those of their `partners`; or isotropic random directions.

    Raises:
        ValueError: an unknown arm.
    """
    decoder = sae.W_dec.detach()
    if arm == OWN:
        return decoder[latents]
    if arm == PERMUTED:
        return decoder[partners(len(decoder), seed)[latents]]
    if arm == RANDOM:
        generator = torch.Generator().manual_seed(seed + 19)
        rows = torch.randn(decoder.shape, generator=generator)[latents]
        return torch.nn.functional.normalize(rows, dim=1)
    raise ValueError(f"unknown arm {arm!r}; known: {', '.join(ARMS)}")


def cell_texts(
    setting: Steered, sae: Any, explained: Explained, config: Parameters, grader: Grader
) -> pd.DataFrame:
    """Steered and graded texts of all arms: the columns of `latent_texts` without row, and arm.

    The first `n_latents` latents are steered along their own rows, the first `n_control_latents`
    along the others; success always counts the logit lens of the latents' own rows.
    """
    sizes = {arm: config.n_latents if arm == OWN else config.n_control_latents for arm in ARMS}
    at = torch.cat([torch.arange(n) for n in sizes.values()])
    ids = explained.ids
    rows = [decoder_rows(sae, ids[:n], arm, config.seed) for arm, n in sizes.items()]
    own = decoder_rows(sae, ids[at], OWN, config.seed)
    lens = features.top_tokens(setting.subject, own, LENS_K)
    frame = latent_texts(setting, explained, at, torch.cat(rows), lens, config, grader)
    arms = np.repeat(list(sizes), list(sizes.values()))[frame.pop("row").to_numpy()]
    return frame.assign(arm=pd.Categorical(arms, categories=list(ARMS)))


def shuffled_encoder_codes(setting: Setting, sae: Any, explained: Explained, seed: int) -> Tensor:
    """Codes of the chosen latents when each encoder column's entries are shuffled.

    The SAE's own bias and threshold no longer fit, so each shuffled column is thresholded to fire
    as often as its latent did: max(0, x.w - t), [n_seq, context, n].
    """
    corpus, generator = setting.corpus, torch.Generator().manual_seed(seed + 29)
    weights = sae.W_enc.detach()[:, explained.ids]
    order = torch.rand(weights.shape, generator=generator).argsort(0)
    return thresholded_codes(
        corpus.acts, corpus.kept, weights.gather(0, order), explained.lexicon.density
    )


def permuted_encoder_frame(corpus: TokenCorpus, explained: Explained, seed: int) -> pd.DataFrame:
    """Detection when the chosen latents' encoder columns are permuted and explanations stay.

    Each explanation is held against the windows of its partner: the mirror of the permuted
    decoder, where each latent's concept is held against its partner's row.
    """
    other, windows = partners(len(explained.ids), seed), explained.windows
    theirs = replace(
        windows,
        latents=windows.latents[other],
        scoring=windows.scoring[other],
        generation=windows.generation[other],
        max_acts=windows.max_acts[other],
    )
    scores = explained.lexicon.window_scores(theirs.read(theirs.scoring, corpus.ids))
    return detection_frame(scores, theirs, explained.read.codes).assign(
        latent=explained.ids.numpy()
    )


def _explained_anew(corpus: TokenCorpus, codes: Tensor, seed: int) -> pd.DataFrame:
    """Detection of given codes, each explained by its own windows; empty if none has enough."""
    read = LatentCodes.whole(codes)
    usable = scoreable_latents(codes, corpus.kept, SIZES, seed).tolist()
    if not usable:
        return pd.DataFrame()
    return interpretability_frame(corpus, explain(corpus, read, usable, seed))


def compact(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table with its float columns in single precision."""
    wide = frame.select_dtypes("float64").columns
    return frame.astype(dict.fromkeys(wide, FLOATS))
