"""The chapter on the paper's own models and data: tables model by model, then rows (F1 to F12)."""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
import pandas as pd

from saebook.hub.errors import HubError
from saebook.hub.models import load_published
from saebook.hub.named import Named, NamedEntries, named_entries
from saebook.papers.li2025 import effects, rows, tables
from saebook.papers.li2025.arms import PAPER_ARMS, Cell
from saebook.papers.li2025.cells import measured_cells
from saebook.papers.li2025.effects import Place, Row
from saebook.papers.li2025.gradients import COMPARED, gradient_table
from saebook.papers.li2025.losses import loss_table
from saebook.papers.li2025.parameters import Parameters
from saebook.papers.li2025.pool import Pool
from saebook.papers.li2025.published_bench import PRETRAINING, RECIPE, PublishedBench
from saebook.stats import Interval, t_interval

HEADLINE, SECOND = tables.HEADLINE, ("Llama-3.2-3B", 20, 8)
"""Cells of F1 and F2, and of F3: model, layer and expansion."""
Printed = tuple[str, int, int]
"""A cell of the paper's tables: model, layer and expansion."""


class PublishedTables(NamedTuple):
    """What was measured on published models, one frame an experiment; empty where not asked."""

    scale: str
    """`Subject.scale` of the models: paper or rehearsal."""
    cells: pd.DataFrame
    losses: pd.DataFrame
    gradients: pd.DataFrame
    notes: pd.DataFrame
    """A row a model: dialogues held out, cut, and passed over."""


def catalogue_name(model: str) -> str:
    """Name in the catalogue of a model as the paper's tables call it."""
    return f"{model.lower()}-instruct"


def printed_cells(config: Parameters) -> list[Printed]:
    """The paper's cells that are measured: model, layer and expansion, the chosen one first."""
    every = tables.tables_3_to_9()[["model", "layer", "expansion"]].drop_duplicates()
    whole = [(str(m), int(n), int(e)) for m, n, e in every.itertuples(index=False)]
    model, layer, expansion = config.hub_cell.split()
    chosen = (model, int(layer), int(expansion))
    if chosen not in whole:
        raise HubError(f"hub_cell is {config.hub_cell!r}, which Tables 3 to 9 do not hold")
    held = {"whole": whole, "anchors": [HEADLINE, SECOND, *tables.ANCHORS], "cell": []}
    return list(dict.fromkeys([chosen, *held[config.hub_grid]]))


def cells_of(model: str, width: int, config: Parameters) -> list[Cell]:
    """Cells of one model, as the paper's tables call it, on a residual stream of a width."""
    replicated = [HEADLINE, SECOND, *tables.ANCHORS]
    found: list[Cell] = []
    for i, place in enumerate(printed_cells(config)):
        if place[0] != model:
            continue
        base = base_cell(place, width)
        if i == 0:
            found += _packing_cells(base, config)
            found += _gradient_cells(base, config)
        if i > 0 or config.hub_grid != "cell":
            found += _grid_cells(base, config.hub_seeds if place in replicated else 1)
    return list(dict.fromkeys(found))


def base_cell(place: Printed, width: int) -> Cell:
    """The ReLU SAE of FAST in one printed cell."""
    model, layer, expansion = place
    name, d_sae = catalogue_name(model), width * expansion
    return Cell(name, layer, d_sae, "standard", RECIPE, "FAST", 0)


def _packing_cells(base: Cell, config: Parameters) -> list[Cell]:
    """TopK SAEs that take the packing apart (F11)."""
    return [
        base._replace(architecture="topk", arm=arm, seed=seed)
        for arm in ("BT(F)", "FAST", "masked")
        for seed in range(config.hub_seeds)
    ]


def _gradient_cells(base: Cell, config: Parameters) -> list[Cell]:
    """SAEs of F12, and the one of F10: trained in the same passes as the others."""
    seeds = range(config.hub_seeds)
    compared = [base._replace(arm=arm, seed=seed) for arm in COMPARED for seed in seeds]
    return [*compared, base._replace(architecture="jumprelu")]


def _grid_cells(base: Cell, n_seeds: int) -> list[Cell]:
    """The paper's arms and architectures in one place."""
    return [
        base._replace(architecture=architecture, arm=arm, seed=seed)
        for architecture in ("standard", "jumprelu")
        for arm in PAPER_ARMS
        for seed in range(n_seeds)
    ]


def published_tables(config: Parameters) -> PublishedTables:
    """Train and measure on every model that `hub_names` holds, one after another.

    Raises:
        HubError: No instruct model of the paper, no dialogues or no pretraining text is named, or
            something cannot be had.
    """
    named = named_entries(config.hub_names)
    text, dialogues = _texts(named)
    models = {catalogue_name(model): model for model in tables.WIDTHS}
    unknown = [name for name, _ in named.subjects if name not in models]
    if unknown or not named.subjects:
        raise HubError(
            f"hub_names holds the models {', '.join(unknown) or 'none'}; the paper's are "
            f"{', '.join(models)}"
        )
    chosen = printed_cells(config)[0]
    if catalogue_name(chosen[0]) not in {name for name, _ in named.subjects}:
        raise HubError(f"hub_cell is {config.hub_cell!r}, and hub_names lacks its model")
    asked = {model for model, _, _ in printed_cells(config)}
    scales, cells, losses, gradients, notes = set(), [], [], [], []
    for name, commit in named.subjects:
        if models[name] not in asked:
            continue
        subject = load_published(name, commit, chat=True)
        pool = Pool(dialogues, subject, config.hub_dialogues)
        bench = PublishedBench(name, subject, pool, text, config)
        cells.append(measured_cells(bench, cells_of(models[name], subject.d_model, config)))
        if models[name] == chosen[0]:
            base = base_cell(chosen, subject.d_model)
            losses.append(loss_table(bench, base._replace(architecture="jumprelu")))
            gradients.append(gradient_table(bench, base, config.hub_seeds, config.hub_batches))
        notes.append(_noted(name, bench, pool))
        scales.add(subject.scale)
        del bench, subject
    return PublishedTables(scales.pop(), *map(_joined, (cells, losses, gradients, notes)))


def _joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _noted(name: str, bench: PublishedBench, pool: Pool) -> pd.DataFrame:
    passed = pool.left_out.total()
    held = {"held out": bench.config.hub_dialogues, "cut": bench.n_cut, "passed over": passed}
    return pd.DataFrame([{"model": name, **held}])


def _texts(named: NamedEntries) -> tuple[Named, list[Named]]:
    """The pretraining text, and the sets of dialogues."""
    text = [one for one in named.data if one[0] == PRETRAINING]
    dialogues = [one for one in named.data if one[0] != PRETRAINING]
    if not text or not dialogues:
        raise HubError(
            f"hub_names has to hold {PRETRAINING} and at least one set of dialogues, such as "
            "tulu-3, orca-agentinstruct or infinity-instruct"
        )
    return text[0], dialogues


def place_in(cells: pd.DataFrame, printed: Printed) -> Place | None:
    """Where a printed cell stands in a table of cells; None if it was not measured."""
    model, layer, expansion = printed
    own = cells[(cells["family"] == catalogue_name(model)) & (cells["layer"] == layer)]
    own = own[own["architecture"] == "standard"]
    if own.empty:
        return None
    narrow = int(own["d_sae"].min())
    return Place(catalogue_name(model), layer, narrow * expansion // 8, RECIPE)


def paper_rows(found: PublishedTables, config: Parameters) -> dict[str, Row]:
    """Rows of the ledger's paper block, as `Results.record` takes them, of what was measured."""
    cells, answered = found.cells, {}
    head, second = place_in(cells, HEADLINE), place_in(cells, SECOND)
    if head is not None:
        answered |= {"F1": rows.special_row(cells, head), "F2": rows.overall_row(cells, head)}
    if second is not None:
        answered["F3"] = rows.overall_row(cells, second)
    if config.hub_grid != "cell":
        answered |= _grid_rows(cells[cells["seed"] == 0], config)
        anchors = anchors_row(cells)
        answered |= {} if anchors is None else {"F7": anchors}
    sizes = {"seed": config.seed, "n_resamples": config.hub_resamples}
    if len(found.losses):
        answered["F10"] = rows.relative_change(found.losses, **sizes)
        answered["F11"] = effects.packing(cells)
        answered["F12"] = rows.gradient_row(found.gradients)
    return {claim: {k: v for k, v in row.items() if k != "controls"}
            for claim, row in answered.items()}  # fmt: skip


def _grid_rows(cells: pd.DataFrame, config: Parameters) -> dict[str, Row]:
    """F4 and F5 over the cells there are; F6 where both families are among them."""
    sizes = {"seed": config.seed, "n_resamples": config.hub_resamples}
    shares = effects.win_shares(cells, RECIPE)
    named = {
        end: {name.replace("ReLU", "Standard") if name.startswith("ReLU") else name: value
              for name, value in shares[end].items()}
        for end in ("estimate", "low", "high")
    }  # fmt: skip
    found = {"F4": shares | named, "F5": effects.decomposition(cells, recipe=RECIPE, **sizes)}
    gains = effects.special_gains(cells, RECIPE)
    family = gains.index.get_level_values("family").str.split("-").str[0]
    qwen, llama = gains[family == "qwen2.5"], gains[family.str.startswith("llama")]
    if len(qwen) and len(llama):
        found["F6"] = effects.family_difference(qwen, llama, **sizes)
    return found


def anchors_row(cells: pd.DataFrame) -> Row | None:
    """F7: the larger distance of the two smallest models' log2 MSE from the printed ones.

    Returns:
        None unless both models were measured.
    """
    found: dict[str, Interval] = {}
    for anchor in tables.ANCHORS:
        place = place_in(cells, anchor)
        if place is None:
            return None
        printed = tables.tables_3_to_9().query("architecture == 'Standard' and metric == 'MSE'")
        same = (printed[["model", "layer", "expansion"]] == list(anchor)).all(axis=1)
        value = float(cast(float, printed.loc[same, "FAST"].item()))
        found[anchor[0]] = t_interval(effects.at_place(cells, place, "mse")["FAST"] - value)
    worst = max(found.values(), key=lambda i: abs(i.estimate))
    ends = np.sort(np.abs([worst.low, worst.high]))
    low = 0.0 if worst.low <= 0 <= worst.high else float(ends[0])
    return {
        "estimate": abs(worst.estimate),
        "low": low,
        "high": float(ends[1]),
        "n": len(effects.at_place(cells, place, "mse")),
        "detail": {"differences": {model: i.estimate for model, i in found.items()}},
    }
