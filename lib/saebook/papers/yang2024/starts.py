"""Models that fine-tuning starts from: house models, and one that has never learnt anything."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import NamedTuple

import torch
from transformers import PreTrainedModel

from saebook.testbed import load_world
from saebook.testbed.house import build_model, house_spec, load_house_model, shipped_models

UNTRAINED = "untrained-"
"""In front of a house model's name: the same shape, weights as drawn before any training."""


class Start(NamedTuple):
    """A model before fine-tuning."""

    model: PreTrainedModel
    family: str
    """Whose tokenizer it reads."""
    digest: str
    """Of its weights, 64 hexadecimal digits."""


def load_start(name: str) -> Start:
    """Load a house model, or draw an untrained one from the seed of the model it is named after.

    Raises:
        ValueError: No such model, or its weights are not there.
    """
    if name.startswith(UNTRAINED):
        return _untrained(name.removeprefix(UNTRAINED))
    house = load_house_model(name)
    return Start(house.model, house.family, house.digest)


@lru_cache(maxsize=2)
def _untrained(shape: str) -> Start:
    spec = house_spec(shape)
    with torch.random.fork_rng(devices=[]):
        model = build_model(spec, load_world()).eval().requires_grad_(False)
    digest = hashlib.sha256()
    for name, weights in sorted(model.state_dict().items()):
        digest.update(name.encode() + weights.numpy().tobytes())
    return Start(model, spec.family, digest.hexdigest())


def at_hand(name: str) -> bool:
    """Whether a model is shipped, or can be drawn."""
    return name.removeprefix(UNTRAINED) in shipped_models()
