"""What follows from the printed numbers alone: no model, no SAE, exact arithmetic."""

from __future__ import annotations

import math

import pandas as pd

from saebook.papers.mayne2024 import tables

MANTISSA_BITS = {"bfloat16": 7, "float16": 10}
"""Explicit mantissa bits of the two half-precision formats."""


def table_1() -> pd.DataFrame:
    """Return Table 1 as a tidy frame: vector, rank (from 1), latent, activation."""
    rows = [
        (vector, rank, latent, value)
        for vector, entries in tables.TABLE_1.items()
        for rank, (latent, value) in enumerate(entries, start=1)
    ]
    return pd.DataFrame(rows, columns=["vector", "rank", "latent", "activation"])


def overlap_with_zero() -> pd.DataFrame:
    """Return how much each printed top five shares with that of the zero vector.

    Columns behaviour, shared (latents), jaccard (shared / union), same_order (whether the shared
    latents stand in the zero vector's order), largest_change (percent, over shared latents).
    """
    zero = dict(tables.TABLE_1[tables.ZERO])
    rows = [_overlap(name, dict(tables.TABLE_1[name]), zero) for name in tables.BEHAVIOURS]
    return pd.DataFrame(rows)


def _overlap(name: str, acts: dict[int, float], zero: dict[int, float]) -> dict[str, object]:
    shared = [latent for latent in zero if latent in acts]
    return {
        "behaviour": name,
        "shared": len(shared),
        "jaccard": len(shared) / len(zero.keys() | acts.keys()),
        "same_order": shared == [latent for latent in acts if latent in zero],
        "largest_change": max(100 * abs(acts[i] / zero[i] - 1) for i in shared),
    }


def encoder_shifts() -> pd.DataFrame:
    """Return W_enc v of every shared latent, which Table 1 gives without any weight.

    A latent above its threshold in both columns obeys SAE(v) - SAE(0) = W_enc v exactly, because
    the bias cancels and JumpReLU is the identity there. Columns behaviour, latent, at_zero,
    shift (activation units), relative (percent of the value at zero).
    """
    zero = dict(tables.TABLE_1[tables.ZERO])
    rows = [
        (name, latent, zero[latent], value - zero[latent], 100 * (value / zero[latent] - 1))
        for name in tables.BEHAVIOURS
        for latent, value in tables.TABLE_1[name]
        if latent in zero
    ]
    frame = pd.DataFrame(rows, columns=["behaviour", "latent", "at_zero", "shift", "relative"])
    return frame.round({"shift": tables.DECIMALS})  # both operands have two decimals


def bias_gap() -> float:
    """Return printed SAE(0) of latent 4888 minus its printed encoder bias (2.86).

    Without a decoder bias subtracted from the input the two are one number.
    """
    at_zero = dict(tables.TABLE_1[tables.ZERO])[tables.BIAS_LATENT]
    return round(at_zero - tables.BIAS_PRINTED, tables.DECIMALS)


def figure_2_against_table_1() -> float:
    """Return the largest difference between the values printed in both places, ids equal.

    Raises:
        ValueError: The two lists name different latents.
    """
    figure, table = dict(tables.FIGURE_2), dict(tables.TABLE_1["corrigible-neutral-HHH"])
    if figure.keys() != table.keys():
        raise ValueError(f"different latents: {sorted(figure.keys() ^ table.keys())}")
    return max(abs(figure[latent] - table[latent]) for latent in figure)


def spacing(value: float, dtype: str) -> float:
    """Return the distance between neighbouring numbers of a half-precision format at `value`.

    2^(floor(log2 value) - mantissa bits). Raises ValueError for an unknown format or value <= 0.
    """
    if dtype not in MANTISSA_BITS:
        raise ValueError(f"unknown dtype {dtype!r}; known: {', '.join(MANTISSA_BITS)}")
    if value <= 0:
        raise ValueError(f"spacing is asked for positive numbers, got {value}")
    return 2.0 ** (math.floor(math.log2(value)) - MANTISSA_BITS[dtype])


def prints_as(value: float, dtype: str) -> bool:
    """Say whether some number of the format prints as `value` at the paper's two decimals."""
    step = spacing(value, dtype)
    return round(round(value / step) * step, tables.DECIMALS) == round(value, tables.DECIMALS)


def precision_check() -> pd.DataFrame:
    """Return which printed numbers could come from half precision, and the gap in its steps.

    Columns quantity, value, bfloat16, float16 (whether a number of that format prints so).
    """
    named = {"encoder bias of 4888": tables.BIAS_PRINTED}
    for vector, entries in tables.TABLE_1.items():
        named |= {f"{vector}, {latent}": value for latent, value in entries}
    rows = [
        {"quantity": name, "value": value}
        | {kind: prints_as(value, kind) for kind in MANTISSA_BITS}
        for name, value in named.items()
    ]
    return pd.DataFrame(rows)


def bias_hypotheses() -> pd.DataFrame:
    """Return the three explanations of the two printed biases and what each predicts on weights.

    Columns id, explanation, predicts, open (False where the printed numbers already exclude it).
    """
    gap, step = bias_gap(), spacing(tables.BIAS_PRINTED, "bfloat16")
    rows = [
        (
            "a",
            "one of the two places subtracts the decoder bias from the input",
            f"b_dec W_enc is {-gap:+.2f} or {gap:+.2f} at latent {tables.BIAS_LATENT}, "
            "and both printed numbers come from one SAE",
            True,
        ),
        (
            "b",
            "the two places use different SAEs (layer 14 has one of L0 83 and one of L0 84)",
            f"one SAE gives {tables.BIAS_PRINTED:.2f}, another the whole zero column",
            True,
        ),
        (
            "c",
            "rounding to half precision",
            f"a gap of at most half a bfloat16 step, {step / 2:g}",
            gap <= step / 2,
        ),
    ]
    return pd.DataFrame(rows, columns=["id", "explanation", "predicts", "open"])
