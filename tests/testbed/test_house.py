"""House models on disk: weights that are not those of their card are refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from saebook.testbed import house, load_house_model
from saebook.testbed.house import DEFAULT_MODEL, model_folder


@pytest.mark.parametrize("damage", ["truncated", "altered"])
def test_damaged_weights_are_refused_by_name(damage: str, tmp_path: Path, monkeypatch) -> None:
    shutil.copytree(model_folder(DEFAULT_MODEL), tmp_path / DEFAULT_MODEL)
    monkeypatch.setattr(house, "model_folder", lambda name: tmp_path / name)
    path = tmp_path / DEFAULT_MODEL / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content if damage == "altered" else content[:-7])
    with pytest.raises(ValueError, match=f"weights of '{DEFAULT_MODEL}' differ from their card"):
        load_house_model.__wrapped__(DEFAULT_MODEL)
