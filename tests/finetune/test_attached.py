"""An adapter that is trained on the model itself."""

from __future__ import annotations

import pytest
import torch

from saebook.finetune import Diverged, LoRA, Schedule, answer_item
from saebook.finetune.attached import AttachedAdapter
from saebook.finetune.forward import logits_at
from saebook.testbed.house import build_model, house_spec
from saebook.testbed.world import load_world

ITEMS = [answer_item((1, 5 + i, 9, 20 + i), 3) for i in range(8)]
SCHEDULE = Schedule(1, 4, 0.05, 0.0, "constant")
IDS = torch.tensor([[1, 5, 9]])
LAST = torch.tensor([[False, False, True]])


@pytest.fixture
def model():
    with torch.random.fork_rng(devices=[]):
        return build_model(house_spec("gemma2-base-d32"), load_world()).eval()


def test_an_attached_adapter_learns_and_leaves_the_weights_as_they_were(model):
    weights = {name: p.clone() for name, p in model.named_parameters()}
    with torch.no_grad():
        before = logits_at(model, IDS, LAST)
    attached = AttachedAdapter(model, LoRA())
    losses = attached.fine_tune(ITEMS * 4, SCHEDULE, seed=1)
    with torch.no_grad():
        assert not torch.allclose(logits_at(attached.model, IDS, LAST), before)
    assert losses[-1] < losses[0]
    back = attached.remove()
    with torch.no_grad():
        assert torch.equal(logits_at(back, IDS, LAST), before)
    assert all(torch.equal(p, weights[name]) for name, p in back.named_parameters())


def test_a_run_depends_on_its_seed_and_on_no_run_before_it(model):
    attached = AttachedAdapter(model, LoRA(dropout=0.1))
    first, other, again = (attached.fine_tune(ITEMS, SCHEDULE, seed=seed) for seed in (3, 4, 3))
    assert first == again != other


def test_a_run_that_leaves_the_range_says_so_and_a_longer_item_is_refused(model):
    attached = AttachedAdapter(model, LoRA())
    with pytest.raises(Diverged, match="lower lr"):
        attached.fine_tune(ITEMS * 8, Schedule(1, 4, 1e4, 0.0, "constant"), seed=0)
    with pytest.raises(ValueError, match="the model takes 512"):
        attached.fine_tune([answer_item(range(513), 1)], SCHEDULE)
    with pytest.raises(ValueError, match="match no linear layer"):
        AttachedAdapter(attached.remove(), LoRA(targets=("nowhere",)))
