"""SAEs trained on synthetic activations in a second or two, shared by the zoo's tests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))  # so that tests can import `synthetic`

from synthetic import HOOK, SyntheticSource, small_spec

from saebook.zoo.harvest import Harvest, harvest
from saebook.zoo.train import fit, to_inference


@pytest.fixture
def source() -> SyntheticSource:
    return SyntheticSource()


@pytest.fixture(scope="session")
def data() -> Harvest:
    spec = small_spec(n_tokens=20_000)
    stream = SyntheticSource().stream(spec.stream, [HOOK])
    return harvest(stream, [HOOK], spec.n_tokens)[HOOK]


@pytest.fixture(scope="session")
def trained(data: Harvest) -> Any:
    """Function (architecture, subtract) -> (training form, inference form), each trained once."""
    made: dict[tuple[str, bool], Any] = {}

    def get(architecture: str, subtract: bool = False) -> Any:
        if (architecture, subtract) not in made:
            spec = small_spec(
                architecture=architecture,
                apply_b_dec_to_input=subtract,
                n_tokens=20_000,
                epochs=6,
            )
            live = fit(spec, data)
            made[architecture, subtract] = (live, to_inference(live))
        return made[architecture, subtract]

    return get
