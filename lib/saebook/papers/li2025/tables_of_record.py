"""The chapter's measured tables: from the records at the testbed tier, else measured now."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from saebook.papers.li2025 import arms
from saebook.papers.li2025.bench import Bench
from saebook.papers.li2025.cells import measured_cells
from saebook.papers.li2025.clarity import clarity_table
from saebook.papers.li2025.gates import validity_table
from saebook.papers.li2025.gradients import gradient_table
from saebook.papers.li2025.losses import loss_table
from saebook.papers.li2025.steering import steering_table
from saebook.records import recorded_tables

STEERED = ("qwen2", "llama")
"""Families whose windows of steering the paper compares."""


@dataclass(frozen=True)
class Tables:
    """Everything that was measured, one tidy frame an experiment."""

    cells: pd.DataFrame
    clarity: pd.DataFrame
    steering: pd.DataFrame
    losses: pd.DataFrame
    gradients: pd.DataFrame
    validity: pd.DataFrame


def all_cells(bench: Bench) -> list[arms.Cell]:
    """The cells of every experiment."""
    config = bench.config
    return [
        *arms.grid(config),
        *arms.headline_cells(config),
        *arms.packing_cells(config),
        *arms.more_arms(config),
        *arms.natural_cells(config),
        *arms.sweep_cells(config),
    ]


def measured_tables(bench: Bench) -> Tables:
    """Read or measure every table of the chapter."""
    config = bench.config
    families = list(dict.fromkeys((config.family, *STEERED)))
    plain = arms.default_cell(config, "standard", "FAST")._replace(with_sink=False)
    spliced = plain._replace(architecture="jumprelu")
    makers = {
        "cells": lambda: measured_cells(bench, all_cells(bench)),
        "clarity": lambda: clarity_table(bench),
        "steering": lambda: steering_table(bench, families),
        "losses": lambda: loss_table(bench, spliced),
        "gradients": lambda: gradient_table(bench, plain, config.n_more_seeds, config.n_batches),
        "validity": lambda: validity_table(bench),
    }
    return Tables(**recorded_tables("li2025", config, bench.made_on, makers))
