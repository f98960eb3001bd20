"""What splicing an SAE into the model costs it, dialogue by dialogue (F10)."""

from __future__ import annotations

from typing import Any

import pandas as pd

from saebook.papers.li2025.arms import Cell
from saebook.papers.li2025.bench import Reader
from saebook.reconstruction import nll_by_text, reconstruct
from saebook.zoo.train import build_training_sae, to_inference

MODEL, TRAINED, UNTRAINED = "model", "FAST SAE", "untrained SAE"


def untrained_sae(bench: Reader, cell: Cell) -> Any:
    """A cell's SAE as it is before its first step, in raw units."""
    spec = bench.spec(cell)
    sae = build_training_sae(spec, bench.source.d_in(spec.subject))
    factor = bench.source.input_scale(spec.subject, spec.hook_name)
    assert factor is not None
    sae.fold_activation_norm_scaling_factor(factor)
    return to_inference(sae.eval())


def loss_table(bench: Reader, cell: Cell) -> pd.DataFrame:
    """Loss of each held-out dialogue without an SAE, with a cell's and with an untrained one.

    Returns:
        A row a dialogue: document, n (tokens predicted), and nats (summed) under `MODEL`,
        `TRAINED` and `UNTRAINED`.
    """
    subject, batches = bench.instruct(cell.family, cell.with_sink), bench.batches(cell.family)
    whole = nll_by_text(subject, batches)
    table = pd.DataFrame({"n": whole["n"], MODEL: whole["nats"]})
    spliced = {TRAINED: bench.saes([cell])[cell].sae, UNTRAINED: untrained_sae(bench, cell)}
    for name, sae in spliced.items():
        replace = reconstruct(bench.placed(sae))
        table[name] = nll_by_text(subject, batches, cell.layer, replace)["nats"]
    return table.reset_index()
