"""Gates: what the world and its models must show before any claim may rest on them."""

from __future__ import annotations

from collections.abc import Sequence

from saebook.testbed.gates.exams import depth_gate, fact_coverage_gate
from saebook.testbed.gates.language import accuracy_gates, chat_gates, loss_gate, shots_gate
from saebook.testbed.gates.result import GateResult
from saebook.testbed.gates.steering import mean_gate, sink_gate, steering_gates
from saebook.testbed.house import HouseModel, load_house_model, shipped_models
from saebook.testbed.training import BASE_MIX
from saebook.testbed.world import World, load_world

__all__ = ["GateResult", "evaluate_gates", "model_gates"]


def model_gates(house: HouseModel, world: World, n: int, seed: int) -> list[GateResult]:
    """Return every gate that applies to one house model.

    Args:
        house: The model.
        world: The world it was trained in.
        n: Items a gate; domains and behaviours take n each.
        seed: Seed of the gate's own texts, away from the training streams.
    """
    if house.kind == "instruct":
        return chat_gates(house, world, n, seed)
    return [
        *(loss_gate(house, world, register, n, seed) for register in BASE_MIX),
        *accuracy_gates(house, world, n, seed),
        shots_gate(house, world, 2 * n, seed),
        *steering_gates(house, world, max(n // 2, 2), seed),
        mean_gate(house, world, n, seed),
        sink_gate(house, world, n, seed),
        depth_gate(house, world, 2 * n, seed),
    ]


def evaluate_gates(
    names: Sequence[str] | None = None, n: int = 40, seed: int = 9000
) -> list[GateResult]:
    """Return the gates of the world and of the named house models (all shipped ones by default)."""
    world = load_world()
    results = [fact_coverage_gate(world, seed)]
    for name in names or shipped_models():
        results += model_gates(load_house_model(name), world, n, seed)
    return results
