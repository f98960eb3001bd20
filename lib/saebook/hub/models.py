"""Published models as subjects."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from saebook.hub.entries import subject_entry
from saebook.hub.errors import HubError
from saebook.hub.explain import explained
from saebook.hub.fetch import commit_of, fetch
from saebook.hub.fitting import chosen_place
from saebook.hub.quiet import quiet
from saebook.hub.schema import SubjectEntry
from saebook.hub.stand_in import scale_of
from saebook.subjects import Subject, load_hub_subject

CONFIG = "config.json"
PATTERNS = (CONFIG, "model*.safetensors", "tokenizer*.json")
"""What has to be there."""
KEYS = {
    "n_layers": "num_hidden_layers",
    "d_model": "hidden_size",
    "n_heads": "num_attention_heads",
    "n_kv_heads": "num_key_value_heads",
    "d_mlp": "intermediate_size",
    "vocabulary": "vocab_size",
}
"""Field of the catalogue to key of config.json."""
KEPT = ("n_layers", "n_heads", "n_kv_heads")
"""Sizes that a stand-in has in common with what is published."""


def load_published(
    name: str,
    revision: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    chat: bool = False,
    n_layers: int | None = None,
) -> Subject:
    """Load a model of the catalogue at a pinned commit.

    Args:
        name: Its name in the catalogue or on the hub.
        revision: The commit; the catalogue's by default.
        device: auto, or as torch names it.
        dtype: auto, or float32, bfloat16 or float16.
        chat: Whether it has to have a chat template.
        n_layers: Load the first blocks only, all by default. What they put out is the whole
            model's; its predictions are not.

    Raises:
        HubError: Unknown, unpinned, out of reach, gated, changed, no safetensors, too large for
            the disk or the memory, other sizes than the catalogue's, fewer blocks than asked for,
            or no chat template.
    """
    entry = subject_entry(name)
    commit = commit_of(entry, revision)
    with quiet():
        sizes = stated_sizes(entry, fetch(entry, commit, [CONFIG]) / CONFIG)
    scale = scale_of(entry, sizes, kept=KEPT)
    if n_layers is not None and not 1 <= n_layers <= sizes["n_layers"]:
        raise HubError(f"{entry.repo} has {sizes['n_layers']} blocks, not {n_layers}")
    kept = sizes if n_layers is None else {**sizes, "n_layers": n_layers}
    place = chosen_place(entry.model_copy(update=kept), device, dtype)
    with quiet(), explained(entry, commit):
        fetch(entry, commit, PATTERNS)
        subject = load_hub_subject(
            entry.repo, commit, place.device, getattr(torch, place.dtype), scale, n_layers
        )
    if chat:
        require_chat(subject)
    return subject


def stated_sizes(entry: SubjectEntry, path: Path) -> dict[str, int]:
    """Sizes in a config.json by the catalogue's names, before any weight is fetched.

    Raises:
        HubError: Another architecture, or a size is missing.
    """
    held = json.loads(path.read_text(encoding="utf-8"))
    if held.get("model_type") != entry.family:
        raise HubError(f"{entry.repo} is a {held.get('model_type')} model, not {entry.family}")
    try:
        sizes = {name: int(held[key]) for name, key in KEYS.items()}
    except KeyError as error:
        raise HubError(f"{entry.repo}: config.json states no {error}") from None
    d_head = held.get("head_dim") or sizes["d_model"] // sizes["n_heads"]
    return {**sizes, "d_head": int(d_head)}


def require_chat(subject: Subject) -> None:
    """Refuse a subject whose tokenizer cannot render a chat.

    Raises:
        HubError: It has no chat template.
    """
    if subject.tokenizer.chat_template is None:
        raise HubError(
            f"the tokenizer of {subject.name} has no chat template; take the instruct model of "
            "that family, or the chapter's base format"
        )
