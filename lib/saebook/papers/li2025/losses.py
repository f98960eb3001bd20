"""What splicing an SAE into the model costs it, dialogue by dialogue (F10)."""

from __future__ import annotations

from typing import Any

import pandas as pd

from saebook.papers.li2025.arms import default_cell, spec_of
from saebook.papers.li2025.bench import Bench
from saebook.reconstruction import nll_by_text, reconstruct
from saebook.zoo.train import build_training_sae, to_inference

MODEL, TRAINED, UNTRAINED = "model", "FAST SAE", "untrained SAE"


def untrained_sae(bench: Bench) -> Any:
    """The default cell's JumpReLU SAE as it is before its first step, in raw units."""
    cell = default_cell(bench.config, "jumprelu", "FAST")._replace(planted=False)
    spec = spec_of(cell, bench.config)
    sae = build_training_sae(spec, bench.source.d_in(spec.subject))
    factor = bench.source.input_scale(spec.subject, spec.hook_name)
    assert factor is not None
    sae.fold_activation_norm_scaling_factor(factor)
    return to_inference(sae.eval())


def loss_table(bench: Bench) -> pd.DataFrame:
    """Loss of each held-out dialogue without an SAE, with FAST's and with an untrained one.

    Returns:
        A row a dialogue: n (tokens predicted), and nats (summed) under `MODEL`, `TRAINED` and
        `UNTRAINED`. The model carries no planted sink.
    """
    config = bench.config
    cell = default_cell(config, "jumprelu", "FAST")._replace(planted=False)
    subject, batches = bench.instruct(config.family, False), bench.batches(config.family)
    whole = nll_by_text(subject, batches)
    table = pd.DataFrame({"n": whole["n"], MODEL: whole["nats"]})
    spliced = {TRAINED: bench.saes([cell])[cell].sae, UNTRAINED: untrained_sae(bench)}
    for name, sae in spliced.items():
        table[name] = nll_by_text(subject, batches, config.layer, reconstruct(sae))["nats"]
    return table.reset_index()
