"""What a rehearsal of a chapter cuts of its parameter file, and what has to be published for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from saebook.hub.entries import data_set
from saebook.hub.errors import HubError
from saebook.hub.named import NamedEntries, named_entries
from saebook.hub.rehearsal.clones import write_clone

CUT: Mapping[str, Mapping[str, int | float | str]] = {
    "li2025": {
        "hub_n_tokens": 1_024,
        "hub_block": 128,
        "hub_longest": 256,
        "hub_dialogues": 12,
        "hub_k": 8,
        "hub_seeds": 2,
        "hub_batches": 2,
        "hub_resamples": 100,
    },
    "mayne2024": {"hub_pairs": 8, "hub_text_tokens": 500, "hub_prompts": 4, "hub_resamples": 50},
    "wang2025": {
        "hub_architectures": "gated batchtopk",
        "hub_sparsities": "6 8",
        "hub_d_sae": 256,
        "hub_train_tokens": 640,
        "hub_context": 64,
        "hub_corpus_tokens": 1_900,
        "hub_latents": 5,
        "hub_prompts": 4,
        "hub_factors": "2",
        "hub_new_tokens": 4,
        "hub_unsteered": 8,
        "hub_control_latents": 1,
    },
    "he2024": {
        "hub_layer_step": 16,
        "hub_context": 40,
        "hub_documents": 34,
        "hub_chats": 6,
        "hub_long_context": 60,
        "hub_long_documents": 3,
        "n_resamples": 100,
    },
    "zhang2026": {
        "hub_items": 4,
        "hub_batch": 4,
        "hub_epochs": 1,
        "hub_lr": 0.05,
        "hub_seeds": 2,
        "hub_context": 224,
        "hub_shift_tokens": 60,
        "hub_score_tokens": 16,
        "hub_latents": 8,
        "hub_exam_items": 1,
        "hub_new_tokens": 2,
    },
    "yang2024": {
        "hub_items": 8,
        "hub_large_items": 20,
        "hub_test": 3,
        "hub_tokens": 20,
        "hub_runs": 2,
        "hub_resamples": 50,
    },
}
"""By chapter, the sizes that are cut beside those of the stand-ins; names are never changed."""
CUT_AT_PAPER: Mapping[str, Mapping[str, int | str]] = {
    "li2025": {"hub_grid": "anchors"},
    "wang2025": {"hub_d_sae": 64},
}
"""The same at the tier paper alone: the tier colab has a grid of its own, and a model on whose
stand-in an SAE has to be wider."""
CLONED: Mapping[str, Mapping[str, str]] = {"mayne2024": {"caa_folder": "caa"}}
"""By chapter, parameters that take the folder of a clone, and the data set cloned there."""


def overrides(slug: str, tier: str, folder: Path) -> dict[str, int | float | str]:
    """Parameters that a chapter's rehearsal sets: cut sizes, and stand-ins of clones.

    Args:
        slug: The chapter.
        tier: paper or colab.
        folder: Where the clones are written.
    """
    given = dict(CUT.get(slug, {}))
    given |= CUT_AT_PAPER.get(slug, {}) if tier == "paper" else {}
    for parameter, name in CLONED.get(slug, {}).items():
        write_clone(data_set(name), folder / name)
        given[parameter] = str(folder / name)
    return given


def named_in(path: Path) -> NamedEntries:
    """What the parameter file of a hub tier names.

    Raises:
        HubError: There is no such file, or it names nothing, or something unknown.
    """
    if not path.is_file():
        raise HubError(f"there is no parameter file {path.parent.name}/{path.name}")
    held: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not held.get("hub_names"):
        raise HubError(f"{path.parent.name}/{path.name} names nothing in hub_names")
    return named_entries(held["hub_names"])
