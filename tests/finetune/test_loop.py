"""Fine-tuning tiny models: what must be learnt, kept, refused and stopped."""

from __future__ import annotations

import pytest
import torch
from tiny import tiny_model
from torch.nn import functional as F

from saebook.finetune import Diverged, LoRA, Schedule, Shuffle, answer_item, fine_tune, text_item
from saebook.finetune import loop as loop_module
from saebook.finetune.items import padded_items
from saebook.finetune.loop import summed_loss
from saebook.subjects import Subject

ITEMS = [text_item([1, 5, 9, 11 + i % 3]) for i in range(6)]
ITEMS += [answer_item([1, 7, 12, 13, 14, 15], 4)]
SHORT = Schedule(epochs=6, batch_size=4, lr=1e-2, warmup_share=0.0)


def _state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def _same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


def test_the_loss_is_that_of_the_whole_models_logits(subject: Subject) -> None:
    ids, labels = padded_items(ITEMS)
    logits = subject.model(input_ids=ids).logits[:, :-1]
    expected = F.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), reduction="sum")
    assert torch.allclose(summed_loss(subject.model, ids, labels), expected, atol=1e-4)


def test_fine_tuning_lowers_the_loss_of_a_copy_and_leaves_the_model(subject: Subject) -> None:
    before = _state(subject.model)
    tuned = fine_tune(subject.model, ITEMS, SHORT, Shuffle(0))
    assert tuned.losses[-1] < tuned.losses[0] - 0.5
    assert _same(before, subject.model.state_dict())
    assert not tuned.model.training
    assert len(tuned.losses) == SHORT.n_steps(len(ITEMS))


def test_the_same_seed_gives_the_same_weights() -> None:
    model = tiny_model("llama")
    first, again = (fine_tune(model, ITEMS, SHORT, Shuffle(3)).model for _ in range(2))
    assert _same(first.state_dict(), again.state_dict())


def test_grouping_by_length_changes_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("qwen2")
    whole = fine_tune(model, ITEMS, SHORT).losses
    monkeypatch.setattr(loop_module, "CHUNK_TOKENS", 6)
    assert fine_tune(model, ITEMS, SHORT).losses == pytest.approx(whole, rel=1e-4)


def test_the_order_of_items_matters_so_keeping_it_does() -> None:
    model = tiny_model("llama")
    kept = fine_tune(model, ITEMS, SHORT).losses
    turned = fine_tune(model, ITEMS, SHORT, [6, 5, 4, 3, 2, 1, 0]).losses
    assert kept[0] != pytest.approx(turned[0])
    assert kept == fine_tune(model, ITEMS, SHORT, range(7)).losses


def test_an_adapter_trains_few_parameters_and_is_merged(subject: Subject) -> None:
    lora = LoRA(r=2, alpha=8, dropout=0.1)
    tuned = fine_tune(subject.model, ITEMS, SHORT, lora=lora, seed=1)
    assert tuned.losses[-1] < tuned.losses[0]
    assert tuned.n_trained < sum(p.numel() for p in subject.model.parameters()) / 4
    assert set(tuned.model.state_dict()) == set(subject.model.state_dict())


def test_an_adapter_that_matches_no_layer_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"c_attn match no linear layer; the model has .*q_proj"):
        fine_tune(tiny_model("llama"), ITEMS, SHORT, lora=LoRA(targets=("c_attn",)))


def test_a_projection_freezes_what_it_zeroes() -> None:
    model = tiny_model("llama")
    schedule = Schedule(epochs=1, batch_size=4, lr=1e-2, weight_decay=0.0)

    def only_attention(name: str, gradient: torch.Tensor) -> torch.Tensor:
        return gradient if "self_attn" in name else torch.zeros_like(gradient)

    tuned = fine_tune(model, ITEMS, schedule, projection=only_attention).model
    changed = {
        name
        for name, value in tuned.state_dict().items()
        if not torch.equal(value, model.state_dict()[name])
    }
    assert changed and all("self_attn" in name for name in changed)


def test_a_rate_that_diverges_stops_with_step_and_loss_and_keeps_what_was_there() -> None:
    model = tiny_model("llama")
    before = _state(model)
    wild = Schedule(epochs=40, batch_size=4, lr=1e3, warmup_share=0.0, decay="constant")
    with pytest.raises(Diverged, match=r"nats at step \d+ .* lower lr 1000") as stopped:
        fine_tune(model, ITEMS, wild)
    assert stopped.value.step == len(stopped.value.last.losses) >= 1
    assert _same(before, model.state_dict())


def test_checkpointing_saves_memory_and_changes_no_number(subject: Subject) -> None:
    plain = fine_tune(subject.model, ITEMS, SHORT, Shuffle(0))
    spared = fine_tune(subject.model, ITEMS, SHORT, Shuffle(0), checkpointing=True)
    assert spared.losses == pytest.approx(plain.losses, rel=1e-5)
    assert not spared.model.is_activation_checkpointing
