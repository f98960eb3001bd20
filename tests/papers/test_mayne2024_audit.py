"""What follows from the paper's printed numbers, and the weights-only fingerprint."""

from __future__ import annotations

import pytest
import torch

from saebook.claims import load_ledger
from saebook.papers.mayne2024 import audit, fingerprint, tables


def test_the_printed_top_five_share_five_four_and_four_latents_with_the_zero_vector():
    frame = audit.overlap_with_zero().set_index("behaviour")
    assert frame["shared"].to_dict() == {
        "sycophancy": 5,
        "coordinate-other-ais": 4,
        "corrigible-neutral-HHH": 4,
    }
    assert frame["jaccard"].round(2).tolist() == [1.0, 0.67, 0.67]
    assert frame["largest_change"].round(1).tolist() == [4.6, 5.6, 6.7]
    assert frame.loc["sycophancy", "same_order"]


def test_the_strongest_latent_moves_up_under_all_three_vectors():
    shifts = audit.encoder_shifts().set_index(["behaviour", "latent"])["shift"]
    assert shifts.xs(4888, level="latent").tolist() == [1.84, 1.53, 5.98]
    assert shifts["corrigible-neutral-HHH", 7589] == -0.91


def test_the_two_printed_biases_differ_by_more_than_rounding_can():
    assert audit.bias_gap() == 2.86
    open_ones = audit.bias_hypotheses().set_index("id")["open"]
    assert open_ones.to_dict() == {"a": True, "b": True, "c": False}


def test_figure_2_and_table_1_print_the_same_five_values():
    assert audit.figure_2_against_table_1() == 0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_spacing_equals_torch_s_own(dtype):
    kind = getattr(torch, dtype)
    for value in (0.7, 11.84, 35.94, 86.20):
        here = torch.tensor(value, dtype=kind)
        above = torch.nextafter(here, torch.tensor(float("inf"), dtype=kind))
        assert audit.spacing(float(here), dtype) == float(above - here)


def test_a_value_that_float16_cannot_print_is_told_from_one_it_can():
    assert audit.prints_as(89.06, "float16")  # 89.0625 is a float16 number
    assert not audit.prints_as(86.20, "float16")
    assert not audit.prints_as(89.06, "bfloat16")
    with pytest.raises(ValueError, match="int8"):
        audit.spacing(1.0, "int8")


def test_some_printed_value_rules_half_precision_out_for_the_whole_table():
    frame = audit.precision_check()
    assert len(frame) == 21
    assert not frame["float16"].all() and not frame["bfloat16"].all()


def test_the_tables_are_those_of_the_ledger():
    ledger = load_ledger("mayne2024")
    zero = [p.value for p in ledger["R1"].published]
    assert zero == [value for _, value in tables.TABLE_1[tables.ZERO]]
    printed = {p.quantity: p.value for p in ledger["R6"].published}
    for behaviour in tables.BEHAVIOURS:
        for latent, value in tables.TABLE_1[behaviour]:
            assert printed[f"{behaviour} latent {latent}"] == value
    assert ledger["R2"].published[0].value == tables.BIAS_PRINTED
    assert ledger["R3"].published[0].value == tables.PAIR_COSINE


def _weights(d_in: int = 8, d_sae: int = 16384) -> dict[str, torch.Tensor]:
    """A made-up SAE in Gemma Scope's shapes whose zero column is the printed one."""
    rng = torch.Generator().manual_seed(0)
    b_enc = torch.full((d_sae,), -1.0)
    for latent, value in tables.TABLE_1[tables.ZERO]:
        b_enc[latent] = value
    W_dec = torch.nn.functional.normalize(torch.randn(d_sae, d_in, generator=rng), dim=1)
    b_dec = torch.randn(d_in, generator=rng)
    return {"W_enc": W_dec.T.clone(), "b_enc": b_enc, "W_dec": W_dec, "b_dec": b_dec}


def test_the_zero_column_is_recognised_and_a_wrong_one_is_not():
    b_enc, threshold = _weights()["b_enc"], torch.zeros(16384)
    column = fingerprint.zero_column(b_enc, threshold)
    assert column.same_ids and column.largest_difference < 1e-4
    assert not fingerprint.zero_column(b_enc.roll(1), threshold).same_ids
    beyond = fingerprint.zero_column(b_enc, torch.full((16384,), 11.0))
    assert not beyond.same_ids  # 2350 lies below the threshold now


def test_the_reading_of_the_bias_is_found_when_the_decoder_bias_makes_the_gap():
    weights = _weights()
    column = weights["W_enc"][:, 4888]
    weights["b_dec"] = audit.bias_gap() * column / column.square().sum()
    found = fingerprint.bias_reading(weights["W_enc"], weights["b_enc"], weights["b_dec"])
    assert found.at_zero == "plain"
    assert found.centred == pytest.approx(tables.BIAS_PRINTED, abs=1e-3)
    assert found.difference < 0.01
    swapped = fingerprint.bias_reading(
        weights["W_enc"], weights["b_enc"] - audit.bias_gap(), -weights["b_dec"]
    )
    assert swapped.at_zero == "centred" and swapped.difference < 0.01


def test_a_pair_s_cosines_are_read_from_encoder_and_decoder_apart():
    weights = _weights()
    first, second = tables.SILENCED_LATENT, tables.SPURIOUS_LATENT
    weights["W_dec"][second] = -weights["W_dec"][first]
    cosines = fingerprint.pair_cosines(weights["W_enc"], weights["W_dec"])
    assert cosines["decoder"] == pytest.approx(-1)
    assert cosines["encoder"] != pytest.approx(-1, abs=0.1)


def test_too_narrow_an_sae_is_refused():
    with pytest.raises(ValueError, match="384 latents"):
        fingerprint.zero_column(torch.zeros(384), torch.zeros(384))


def test_every_row_stands_once_in_each_line_at_a_glance():
    from saebook.claims.glance import rows_at_a_glance

    ledger = load_ledger("mayne2024")
    table = rows_at_a_glance(ledger)
    assert table.index.tolist() == ["audit", "testbed", "paper"]
    for _, line in table.iterrows():
        named = [i for cell in line for i in cell.split(", ") if i != "–"]
        assert sorted(named) == sorted(ledger.ids)
    assert table.loc["testbed", "not attempted"] == "–"
    assert table.loc["paper", "tested"] == "–"
