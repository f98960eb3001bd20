"""R15 on published models: the same four statements on every SAE and model that is named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd
import torch

from saebook.hub import published_sae
from saebook.hub.fetch import commit_of
from saebook.hub.named import Named
from saebook.hub.saes import load_sae
from saebook.papers.mayne2024.arms import Arm
from saebook.papers.mayne2024.generality import cell_values, share_of_cells
from saebook.papers.mayne2024.parameters import Parameters
from saebook.papers.mayne2024.published_bench import Bench, OnHost, kept_table
from saebook.papers.mayne2024.published_rows import RELEVANT
from saebook.papers.mayne2024.rows import Row
from saebook.papers.mayne2024.vectors import Contrast
from saebook.reconstruction import l0

PLACE = ("subject", "sae")
"""Columns that name an SAE on a model."""
N_CALIBRATION = 4_096
"""Tokens on which an SAE's L0 is read."""


def model_cells(bench: Bench, saes: Sequence[tuple[str, str]]) -> Iterator[pd.DataFrame]:
    """Values of the cells of every SAE on one model, each table kept when it is done.

    Columns as `cell_values`, R11 as a number of latents out of 100; subject, sae, layer, and
    l0, the mean number of active latents on text, to be held against the published one; and
    `ordinary`, which marks the control's cells, where an ordinary activation takes the place of
    the vector.

    Raises:
        HubError: An SAE cannot be had or does not fit the model.
    """
    sizes = [bench.config.n_pairs, bench.config.n_text_tokens, bench.config.seed]
    known: dict[int, Arm] = {}

    def make(name: str, commit: str) -> pd.DataFrame:
        loaded = load_sae(name, commit, str(bench.subject.device))
        if loaded.entry.layer not in known:
            known.clear()  # the text of one layer is held at a time
            known[loaded.entry.layer] = bench.arm(loaded)
        return sae_cells(replace(known[loaded.entry.layer], sae=OnHost(loaded.sae)), name, bench)

    for name, commit in sorted(saes, key=lambda sae: published_sae(sae[0]).layer):
        told = [bench.source.digest, bench.name, bench.commit, name, commit, *sizes]
        yield kept_table("cells", told, lambda name=name, commit=commit: make(name, commit))


def pinned(saes: Sequence[Named]) -> list[tuple[str, str]]:
    """SAEs with the commits that are loaded. Raises HubError where one is not pinned."""
    return [(name, commit_of(published_sae(name), commit)) for name, commit in saes]


def sae_cells(arm: Arm, sae: str, bench: Bench) -> pd.DataFrame:
    """Cells of one SAE's vectors, and of ordinary activations in their place."""
    seed = bench.config.seed
    ordinary = ordinary_contrasts(arm, seed)
    both = replace(arm, contrasts=arm.contrasts | ordinary)
    cells = cell_values(both, seed, k=RELEVANT, within=None)
    cells["R11"] *= RELEVANT
    active = l0(arm.sae.encode(arm.text[:N_CALIBRATION]))
    told = {"subject": bench.name, "sae": sae, "layer": arm.layer, "l0": active}
    return cells.assign(ordinary=cells["behaviour"].isin(ordinary), **told)


def ordinary_contrasts(arm: Arm, seed: int) -> dict[str, Contrast]:
    """One ordinary activation, drawn from the text, in place of each behaviour's vector."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(arm.text), (len(arm.contrasts),), generator=generator).tolist()
    nothing = torch.zeros_like(arm.text[:1])
    return {
        f"ordinary, {name}": Contrast(f"ordinary, {name}", arm.text[i : i + 1], nothing)
        for name, i in zip(arm.contrasts, drawn, strict=True)
    }


def generality_row(cells: pd.DataFrame, config: Parameters) -> Row:
    """R15: share of judged cells in which all four hold; ordinary activations are the control."""
    vectors, ordinary = cells[~cells["ordinary"]], cells[cells["ordinary"]]
    told = vectors["sae"] + " on " + vectors["subject"]
    return {
        **share_of_cells(vectors, PLACE, config)._asdict(),
        "n": len(vectors),
        "controls": {
            "share_of_cells_with_an_ordinary_activation": float(ordinary["all hold"].mean())
        },
        "detail": {"share_by_sae": vectors.groupby(told, sort=False)["all hold"].mean().to_dict()},
    }
