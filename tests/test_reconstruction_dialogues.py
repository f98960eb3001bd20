"""Errors by dialogue and by kind of token, against slow transcriptions of their formulas."""

from __future__ import annotations

import pytest
import torch

from saebook.reconstruction import (
    fvu_by_class,
    fvu_pooled,
    mse_by_dialogue,
    mse_equation_7,
    published_explained_variances,
)

LENGTHS = (2, 7, 4)


@pytest.fixture
def triple():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(sum(LENGTHS), 3, generator=generator) + 1
    recon = x + 0.5 * torch.randn(x.shape, generator=generator)
    return x, recon, torch.repeat_interleave(torch.tensor([4, 0, 9]), torch.tensor(LENGTHS))


def test_equation_7_averages_within_a_dialogue_and_then_over_dialogues(triple):
    x, recon, dialogue = triple
    outer = 0.0
    for name in (4, 0, 9):
        rows = [j for j in range(len(x)) if dialogue[j] == name]
        inner = 0.0
        for j in rows:
            for k in range(3):
                inner += (float(x[j, k]) - float(recon[j, k])) ** 2
        outer += inner / len(rows)
    assert mse_equation_7(*triple) == pytest.approx(outer / (3 * 3))
    pooled = float((x - recon).square().mean())
    assert mse_equation_7(*triple) != pytest.approx(pooled, rel=1e-3)


def test_only_the_chosen_tokens_count_and_dialogues_without_any_are_left_out(triple):
    x, recon, dialogue = triple
    where = dialogue != 9
    found = mse_by_dialogue(x, recon, dialogue, where)
    assert found.index.tolist() == [0, 4]
    assert found[4] == pytest.approx(float((x[:2] - recon[:2]).square().mean()), rel=1e-6)
    with pytest.raises(ValueError, match="no token counts"):
        mse_by_dialogue(x, recon, dialogue, dialogue == 77)
    with pytest.raises(ValueError, match="one row a token"):
        mse_by_dialogue(x, recon, dialogue[:-1])


def test_the_classes_unexplained_shares_average_to_the_pooled_one(triple):
    x, recon, dialogue = triple
    error = (x - recon).double().square().sum(-1)
    spread = (x.double() - x.double().mean(0)).square().sum(-1)
    classes = {str(d): dialogue == d for d in (4, 0, 9)}
    shares = fvu_by_class(error, spread, classes)
    weighed = sum(shares[name] * int(held.sum()) for name, held in classes.items()) / len(x)
    assert weighed == pytest.approx(fvu_pooled(x, recon))
    with pytest.raises(ValueError, match="class 'none'"):
        fvu_by_class(error, spread, {"none": dialogue == 77})
    with pytest.raises(ValueError, match="do not vary"):
        fvu_by_class(error, 0 * spread, classes)


def test_the_three_published_readings_of_explained_variance_differ(triple):
    x, recon, _ = triple
    x, recon = x.double(), recon.double()
    values = list(published_explained_variances(x, recon).values())
    error = (x - recon).square().sum(-1)
    spread = (x - x.mean(0)).square().sum(-1)
    assert values == pytest.approx(
        [
            1 - float(error.sum() / x.square().sum()),
            1 - float((error / spread).mean()),
            1 - float(error.sum() / spread.sum()),
        ]
    )
    assert len({round(v, 4) for v in values}) == 3
