"""One cell of the grid: everything measured on one SAE, in tidy tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from saebook import features
from saebook.interpretability import scoreable_latents, thresholded_codes
from saebook.papers.wang2025.latents import (
    LENS_K,
    SIZES,
    Explained,
    all_deltas,
    choose_latents,
    explain,
    floor_scores,
    interpretability_frame,
    selection_frame,
)
from saebook.papers.wang2025.parameters import Parameters
from saebook.papers.wang2025.setting import REGISTERS, Setting
from saebook.papers.wang2025.utility import latent_texts
from saebook.zoo import HouseSAE
from saebook.zoo.validity import SAE_VALID, validity_report

OWN, PERMUTED, RANDOM = "own decoder", "permuted decoder", "random directions"
ARMS = (OWN, PERMUTED, RANDOM)
"""Which rows an SAE's latents are steered along."""
Tables = dict[str, pd.DataFrame]
FLOATS = "float32"
CHECK_SEED, CHECK_TEXTS = 71_000, 60
"""Of the texts on which an SAE without a full report is checked, and how many a register."""


def measure_cell(setting: Setting, entry: HouseSAE, config: Parameters) -> Tables:
    """Measure one SAE.

    Returns:
        "latents" (interpretability and selection scores, a row a latent), "texts" (grades, a row
        an arm, latent, factor and prompt), "deltas" (Delta Token Confidence of every latent and
        of random directions) and "floors" (detection of random directions and of the SAE behind
        a permuted encoder) and "figures" (what says whether the SAE is valid, one row).

    Raises:
        ValueError: fewer live latents than asked for.
    """
    sae = entry.sae
    codes = setting.corpus.codes(sae)
    chosen = choose_latents(codes, setting.corpus.kept, config.n_latents, config.seed)
    explained = explain(setting, codes, chosen, config.seed)
    latents = pd.concat(
        [
            interpretability_frame(setting, explained),
            selection_frame(setting, sae, explained, config),
        ],
        axis=1,
    )
    return {
        "latents": compact(latents),
        "texts": cell_texts(setting, sae, explained, config),
        "deltas": compact(all_deltas(setting, sae, codes, config)),
        "floors": compact(_floors(setting, sae, explained, config)),
        "figures": pd.DataFrame([sae_figures(setting, entry)]),
    }


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
    setting: Setting, sae: Any, explained: Explained, config: Parameters
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
    frame = latent_texts(setting, explained, at, torch.cat(rows), lens, config)
    arms = np.repeat(list(sizes), list(sizes.values()))[frame.pop("row").to_numpy()]
    return frame.assign(arm=pd.Categorical(arms, categories=list(ARMS)))


def permuted_encoder_codes(setting: Setting, sae: Any, explained: Explained, seed: int) -> Tensor:
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


def _floors(setting: Setting, sae: Any, explained: Explained, config: Parameters) -> pd.DataFrame:
    random = floor_scores(setting, explained.lexicon.density, config.seed)
    codes = permuted_encoder_codes(setting, sae, explained, config.seed)
    usable = scoreable_latents(codes, setting.corpus.kept, SIZES, config.seed).tolist()
    parts = [random.assign(kind=RANDOM)]
    if usable:
        shuffled = interpretability_frame(setting, explain(setting, codes, usable, config.seed))
        parts.append(shuffled.assign(kind="permuted encoder"))
    return pd.concat(parts, ignore_index=True)


def compact(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table with its float columns in single precision."""
    wide = frame.select_dtypes("float64").columns
    return frame.astype(dict.fromkeys(wide, FLOATS))
