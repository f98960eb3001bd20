"""From tables to rows, with numbers whose answer is known; and the printed ones."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from saebook.claims import load_ledger
from saebook.papers.he2024 import audit, gates, quality_rows, shift, tables, transfer_rows
from saebook.papers.he2024.parameters import Parameters
from saebook.papers.he2024.quality import FARTHEST
from saebook.papers.he2024.scope import N_LAYERS
from saebook.papers.he2024.transfer import OTHER

DELTA = {("base", "documents"): 0.10, ("base", "dialogues"): 0.08,
         ("instruct", "documents"): 0.20, ("instruct", "dialogues"): 0.088}  # fmt: skip
N = 30


@pytest.fixture
def config() -> Parameters:
    return Parameters(n_resamples=200)


@pytest.fixture
def losses() -> pd.DataFrame:
    rng, made = np.random.default_rng(0), []
    for (model, text), sample in itertools.product(DELTA, (0, 1)):
        layers = range(N_LAYERS) if sample == 0 else [3]
        for document in range(N):
            n = int(rng.integers(5, 20))
            plain = n * (1 + 0.1 * rng.random())
            place = {"model": model, "text": text, "sample": sample, "document": document, "n": n}
            made.append({**place, "sae": "none", "nats": plain, "mask": "special masked"})
            for layer in layers:
                worse = 4 if layer == N_LAYERS - 1 and model == "instruct" else 1
                nats = plain + n * DELTA[model, text] * worse
                made.append({**place, "sae": f"layer {layer}", "nats": nats,
                             "mask": "special masked"})  # fmt: skip
            if (model, text, sample) == ("base", "dialogues", 0):
                made.append({**place, "sae": OTHER, "nats": plain + n * 0.9,
                             "mask": "special masked"})  # fmt: skip
    frame = pd.DataFrame(made)
    bos = frame.query("sae in ('none', 'layer 3') and sample == 0").assign(mask="only BOS masked")
    return pd.concat([frame, bos], ignore_index=True)


@pytest.fixture
def codes() -> pd.DataFrame:
    made = itertools.product(range(N_LAYERS), ("base", "instruct"), ("documents", "dialogues"))
    return pd.DataFrame(made, columns=["layer", "model", "text"]).assign(
        l0=lambda f: 13 + (f["model"] == "instruct") * 0.65,
        **{"ratio of means (present code)": lambda f: 0.9 - 0.05 * (f["model"] == "instruct")},
    )


def test_the_transfer_ratio_is_that_of_the_worst_block_but_the_last(losses, codes, config):
    row = transfer_rows.transfer_row(losses, codes, config)
    assert row["estimate"]["Delta loss"] == pytest.approx(1.1, abs=1e-6)
    assert row["estimate"]["L0"] == pytest.approx(0.05)
    control = row["controls"]["Delta_loss_ratio_of_an_SAE_of_another_family"]
    assert control == pytest.approx(0.9 / 0.08)


def test_model_and_text_are_told_apart(losses, config):
    found = transfer_rows.design_row(losses, config)
    assert found["estimate"]["model"] == pytest.approx(0.08 / 0.088)
    assert found["estimate"]["text"] == pytest.approx(0.8)
    assert found["controls"]["ratio_between_two_samples_of_one_text"] == pytest.approx(1.0)


def test_the_last_block_is_set_against_the_median_of_the_others(losses, config):
    row = transfer_rows.last_block_row(losses, config)
    assert row["estimate"] == pytest.approx(4.0)
    assert row["controls"]["largest_ratio_among_other_blocks_over_median"] == pytest.approx(1.0)


def test_a_rise_beyond_the_context_is_read_in_percent(config):
    made = [
        {"sae": name, "sequence": s, "start": start, "n": 64, "spread": 100.0,
         "error": 10.0 * (1.12 if start >= 384 and name == "short context" else 1),
         "active": 64 * 13.0 * (1.1 if start >= 384 and name == "short context" else 1)}
        for name in ("short context", "full context")
        for s in range(8)
        for start in range(0, 512, 64)
    ]  # fmt: skip
    row = quality_rows.position_row(pd.DataFrame(made), config)
    assert row["estimate"]["fvu_pooled"] == pytest.approx(12)
    assert row["estimate"]["L0"] == pytest.approx(10)
    assert row["controls"]["rise_for_an_SAE_trained_at_full_context"] == pytest.approx(0)


def test_conversion_and_sparsity_are_read_from_sums(config):
    active = {"TopK": 13, "JumpReLU": 13.13, FARTHEST: 9, "TopK again": 13,
              "ReLU": 39}  # fmt: skip
    error = {"TopK": 10, "JumpReLU": 10.5, FARTHEST: 20, "TopK again": 10,
             "ReLU": 12}  # fmt: skip
    made = [
        {"sae": s, "chunk": c, "n": 512, "active": 512 * active[s], "error": error[s],
         "spread": 100.0}
        for s in active for c in range(6)
    ]  # fmt: skip
    table = pd.DataFrame(made)
    row = quality_rows.conversion_row(table, config)
    assert row["estimate"]["L0"] == pytest.approx(0.01)
    assert row["estimate"]["explained variance"] == pytest.approx(-0.005)
    assert list(row["controls"].values()) == [pytest.approx(4 / 13)]
    assert quality_rows.vanilla_row(table, config)["estimate"] == pytest.approx(0.02)


def test_the_bridge_compares_by_kind_of_token(config):
    made = [
        {"dialogue": d, "class": c, "sae": s, "n": 10,
         "error": 10.0 * (3 if s == "base" and c != "content" else 1)}
        for d in range(9) for c in ("content", "template and first")
        for s in ("base", "FAST", "FAST again")
    ]  # fmt: skip
    row = quality_rows.bridge_row(pd.DataFrame(made), config)
    assert row["estimate"] == pytest.approx({"template and first": 3.0, "content": 1.0})
    assert row["controls"]["ratio_between_two_seeds_of_FAST"] == pytest.approx(1.0)


def test_the_wide_saes_gain_is_that_of_the_block_where_it_is_least(config):
    made = [
        {"layer": layer, "sae": name, "document": d, "n": 10, "ev": 0.9 + gain,
         "nats": 30.0 - 10 * gain * (1 + layer)}
        for layer in range(N_LAYERS) for d in range(9)
        for name, gain in (("narrow", 0.0), ("wide", 0.01))
    ]  # fmt: skip
    again = [{**row, "sae": "narrow again", "ev": 0.898} for row in made
             if row["layer"] == config.layer and row["sae"] == "narrow"]  # fmt: skip
    row = quality_rows.width_row(pd.DataFrame(made + again), config)
    assert row["estimate"]["Delta loss"] == pytest.approx(0.01)
    assert row["estimate"]["explained variance"] == pytest.approx(0.01)
    assert row["high"]["explained variance"] == pytest.approx(0.012)
    assert row["n"] == 9


def test_a_form_in_which_the_instruct_model_fits_as_well_has_a_ratio_of_one():
    made = [
        {"layer": layer, "model": model, "form": form, "shift": 0.1 * (model == "instruct"),
         "fvu": 0.2 * (3 if (model, form) == ("instruct", "JumpReLU") else 1), "l0": 13.0}
        for layer in range(2) for model in ("base", "instruct") for form in shift.FORMS
    ]  # fmt: skip
    table = shift.ratios_by_block(pd.DataFrame(made))
    assert table["JumpReLU"].tolist() == pytest.approx([3, 3])
    assert table["TopK"].tolist() == pytest.approx([1, 1])
    assert table["shift"].tolist() == pytest.approx([0.1, 0.1])


def test_the_transfer_gate_wants_worse_and_at_most_twice(codes):
    ratio, held = gates.transfer_in_range(codes, 3)
    assert ratio == pytest.approx(1.5) and held
    better = codes.assign(**{"ratio of means (present code)": 0.9})
    assert not gates.transfer_in_range(better, 3)[1]


def test_the_printed_numbers_are_those_of_the_ledger():
    ledger = load_ledger("he2024")
    assert [p.value for p in ledger["L1"].published] == list(tables.DELTA_LOSS.values())
    assert audit.transfer_ratio() == pytest.approx(0.556, abs=1e-3)
    assert audit.long_context_rises() == {"loss": 12.0, "L0": 10.0}
    implied = audit.what_the_printed_rise_leaves_open().set_index("quantity")["value"]
    assert implied["normalised loss, training data"] == pytest.approx(0.0077, abs=5e-5)


def test_the_base_models_read_no_chats():
    assert gates.base_never_saw_templates()
