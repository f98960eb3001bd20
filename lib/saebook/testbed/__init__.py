"""The embedded world: texts with a written ground truth, and small models trained on them."""

from typing import TYPE_CHECKING, Any

from saebook.testbed.annotate import AnnotatedText
from saebook.testbed.registers.behaviours import BehaviourPair, behaviour_pairs, free_prompts
from saebook.testbed.world import WORLD_VERSION, Concept, World, load_world

if TYPE_CHECKING:
    from saebook.testbed.house import (
        DEFAULT_LAYER,
        DEFAULT_MODEL,
        HOUSE_MODELS,
        HouseModel,
        HouseSpec,
        load_house_model,
        shipped_models,
    )

_NEEDS_TORCH = {
    "DEFAULT_LAYER",
    "DEFAULT_MODEL",
    "HOUSE_MODELS",
    "HouseModel",
    "HouseSpec",
    "load_house_model",
    "shipped_models",
}

__all__ = [
    "DEFAULT_LAYER",
    "DEFAULT_MODEL",
    "HOUSE_MODELS",
    "WORLD_VERSION",
    "AnnotatedText",
    "BehaviourPair",
    "Concept",
    "HouseModel",
    "HouseSpec",
    "World",
    "behaviour_pairs",
    "free_prompts",
    "load_house_model",
    "load_world",
    "shipped_models",
]


def __getattr__(name: str) -> Any:
    """Import the house models only when asked for: the world itself needs no torch."""
    if name in _NEEDS_TORCH:
        from saebook.testbed import house

        return getattr(house, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
