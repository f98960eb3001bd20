"""The paper's own experiments on its own model: R4 to R15 from published pairs and text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from saebook.hub.saes import check_l0
from saebook.papers.mayne2024 import published, published_rows, tables
from saebook.papers.mayne2024.arms import Arm
from saebook.papers.mayne2024.effects import movements
from saebook.papers.mayne2024.gates import behaviours_steer
from saebook.papers.mayne2024.generality import Passes, judged
from saebook.papers.mayne2024.layers import best_layer_row, steer_layers
from saebook.papers.mayne2024.parameters import Parameters, even_grid
from saebook.papers.mayne2024.published_bench import (
    COEFF_MAX,
    N_COEFFS,
    Bench,
    documents,
    kept_table,
    load_bench,
)
from saebook.papers.mayne2024.published_cells import (
    N_CALIBRATION,
    generality_row,
    model_cells,
    pinned,
)
from saebook.papers.mayne2024.rows import Row, kept_row
from saebook.papers.mayne2024.steerability import steer_all
from saebook.subjects import Scale


@dataclass(frozen=True, eq=False)
class Measured:
    """What the published models show."""

    rows: dict[str, Row]
    """R4 to R15, as `Results.record` takes them."""
    scale: Scale
    cells: pd.DataFrame
    """R15: a row a model, SAE and behaviour; columns as `model_cells`, and what holds."""
    l0: float
    """Of the paper's SAE on the text, after it was held against the published one."""


def measure(config: Parameters, passes: Passes) -> Measured:
    """Measure R4 to R15 on what `hub_names` and `caa_folder` name.

    Sweeps and cells are kept as they are done, so that a run that was stopped goes on from there.

    Args:
        config: Names, folder and sizes.
        passes: The ledger's rule for one cell of R4, R5, R8 and R11, R11 in latents out of 100.

    Raises:
        HubError: Something cannot be had, does not fit, or is not what was published.
        ValueError: Pairs that cannot be read, or too little text.
    """
    held = published.named(config)
    texts = documents(held.data[0], config.hub_text_tokens)
    bench = load_bench(held.subjects[0], texts, config)
    found, l0 = _on_the_papers_sae(bench)

    saes = pinned(held.saes)

    def parts() -> Iterator[pd.DataFrame]:
        yield from model_cells(bench, saes)
        for model in held.subjects[1:]:
            yield from model_cells(load_bench(model, texts, config), saes)

    cells = judged(pd.concat(parts(), ignore_index=True), passes)
    found["R15"] = generality_row(cells, bench.config)
    return Measured(found, bench.subject.scale, cells, l0)


def _on_the_papers_sae(bench: Bench) -> tuple[dict[str, Row], float]:
    """R4 to R14, and the L0 of the SAE."""
    loaded = published.load(bench.config, str(bench.subject.device))
    arm = bench.arm(loaded)
    l0 = check_l0(loaded, arm.text[:N_CALIBRATION].to(loaded.sae.W_enc))
    found = published_rows.all_rows(arm, loaded.threshold.cpu(), bench.config)
    return found | _steering_rows(bench, arm), l0


def _steering_rows(bench: Bench, arm: Arm) -> dict[str, Row]:
    """R12 over all layers with the corrigibility vector, R13 over all behaviours."""
    subject, source, config = bench.subject, bench.source, bench.config
    told = [source.digest, bench.commit, config.n_pairs, config.n_prompts, config.seed]
    coeffs = even_grid(COEFF_MAX, N_COEFFS)
    profile = kept_table(
        "layers",
        told,
        lambda: steer_layers(subject, source, [tables.CORRIGIBLE], config, coeffs),
    )
    here = config.model_copy(update={"layer": arm.layer})
    names = [config.hub_names.split()[0], config.n_text_tokens]
    frame = kept_table("steering", [*told, *names], lambda: steer_all(subject, source, arm, here))
    steered = behaviours_steer(movements(frame), config.measure)
    return {"R12": best_layer_row(profile, config), "R13": kept_row(frame, steered, config)}
