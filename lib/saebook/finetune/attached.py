"""An adapter on a model itself: trained and read in place, for weights too large to copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from transformers import PreTrainedModel

from saebook.finetune.adapters import LoRA, on_model
from saebook.finetune.items import Item, check_items, ordered
from saebook.finetune.loop import Diverged, FineTuned, loss_bound, train_named
from saebook.finetune.schedule import Schedule


class AttachedAdapter:
    """One adapter on one model, drawn anew for every run.

    The model's own weights are never copied, changed or merged with: in a half type merging would
    round small updates away. While the adapter is on, the model answers with it.
    """

    def __init__(self, model: PreTrainedModel, lora: LoRA) -> None:
        """Put an adapter on a model.

        Raises:
            ValueError: The adapter matches no layer of the model.
        """
        self._bound = loss_bound(model)
        self._longest = model.config.max_position_embeddings
        self.model: Any = on_model(model, lora)

    def fine_tune(
        self, items: Sequence[Item], schedule: Schedule, order: Any = None, *, seed: int = 0
    ) -> tuple[float, ...]:
        """Draw the adapter from the seed and train it; the model then answers with it.

        Args:
            items: What to learn.
            schedule: Epochs, batch, learning rate.
            order: Order of the items, see `saebook.finetune.ordered`; kept as given by default.
            seed: Draws the adapter's start and its dropout.

        Returns:
            Mean loss of each step in nats a learnt token.

        Raises:
            ValueError: Items or order that cannot be used.
            Diverged: The loss is not finite or above twice that of a uniform guess.
        """
        check_items(items, self._longest)
        orders = ordered(len(items), schedule.epochs, order)
        named = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            for module in self.model.modules():
                if isinstance(module, LoraLayer):
                    module.reset_lora_parameters("default", init_lora_weights=True)
            self.model.train()
            losses, failed = train_named(self.model, named, items, orders, schedule)
        self.model.eval()
        if failed is not None:
            last = FineTuned(self.model, tuple(losses), sum(p.numel() for p in named.values()))
            raise Diverged(len(losses), failed, self._bound, schedule.lr, last)
        return tuple(losses)

    def remove(self) -> PreTrainedModel:
        """Take the adapter off and return the model as it was."""
        return self.model.unload()
