"""Adapters side by side: each ends where it would have ended alone."""

from __future__ import annotations

import pytest
import torch
from tiny import tiny_model

from saebook.finetune import LoRA, Schedule, answer_item, fine_tune, stacked
from saebook.finetune.stacked import Run, fine_tune_stack

ITEMS = [answer_item([1, 5 + i % 3, 9, *[11] * (i % 4), 7 + i % 5], 3) for i in range(10)]
ONCE = Schedule(epochs=2, batch_size=4, lr=2e-2, warmup_share=0.0, decay="linear", clip=0.1)
LORA = LoRA(r=4, alpha=16)


def shown(order: list[int]) -> list:
    return [ITEMS[i] for i in order]


ORDERS = [list(range(10)), list(reversed(range(10))), [3, 1, 4, 5, 9, 2, 6, 8, 7, 0]]


@pytest.mark.parametrize("family", ["gemma2", "llama", "qwen2"])
def test_each_run_of_a_stack_equals_its_own_fine_tuning(family: str) -> None:
    model = tiny_model(family)
    runs = [Run(shown(order), seed) for seed, order in enumerate(ORDERS)]
    stack = fine_tune_stack(model, runs, ONCE, LORA)
    for slot, together in enumerate(stack.models()):
        alone = fine_tune(model, runs[slot].items, ONCE, seed=slot, lora=LORA)
        assert stack.losses[:, slot].tolist() == pytest.approx(alone.losses, rel=1e-3)
        moved = 0.0
        start = model.state_dict()
        for name, value in alone.model.state_dict().items():
            assert torch.allclose(together.state_dict()[name], value, atol=2e-3), name
            moved = max(moved, float((value - start[name]).abs().max()))
        assert moved > 0.02


def test_a_stack_leaves_its_model_and_shows_items_in_their_order() -> None:
    model = tiny_model("llama")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    runs = [Run(shown(order), 0) for order in ORDERS[:2]]
    losses = fine_tune_stack(model, runs, ONCE, LORA).losses
    assert (losses[1:, 0] != losses[1:, 1]).any()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("runs", "lora", "words"),
    [
        ([], LORA, "no runs"),
        ([Run(ITEMS, 0), Run(ITEMS[:3], 1)], LORA, "equally many"),
        ([Run(ITEMS, 0)], LoRA(dropout=0.1), "dropout 0.1"),
        ([Run(ITEMS, 0)], LoRA(targets=("nowhere",)), "nowhere"),
    ],
)
def test_what_cannot_be_stacked_is_refused(runs: list, lora: LoRA, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fine_tune_stack(tiny_model("llama"), runs, ONCE, lora)


def test_a_run_whose_loss_runs_away_stops_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacked, "loss_bound", lambda model: 0.1)
    with pytest.raises(RuntimeError, match="at step 0; lower the rate"):
        fine_tune_stack(tiny_model("llama"), [Run(ITEMS, 0)], ONCE, LORA)
