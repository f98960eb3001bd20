"""The rehearsal hub: stand-ins of chosen entries, published into a store under their real names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from saebook.activations import capture
from saebook.hub.entries import data_set, published_sae, subject_entry
from saebook.hub.rehearsal.data import write_data
from saebook.hub.rehearsal.saes import Plan, write_sae
from saebook.hub.rehearsal.server import TOKEN, served
from saebook.hub.rehearsal.store import Store
from saebook.hub.rehearsal.subjects import tokenizer_of, write_subject
from saebook.hub.rehearsing import VARIABLE
from saebook.subjects import Subject
from saebook.testbed import load_world

N_TEXTS = 8
"""Texts on which a stand-in SAE's L0 is set."""


def publish_all(
    store: Store,
    subjects: Iterable[str] = (),
    saes: Iterable[str] = (),
    data: Iterable[str] = (),
    plans: Mapping[str, Plan] | None = None,
) -> None:
    """Publish stand-ins by their names in the catalogue; an SAE brings its model along.

    Args:
        store: Where to.
        subjects: Models.
        saes: SAEs.
        data: Data sets.
        plans: What the weights of some SAEs are made to say, by name.
    """
    wanted = [published_sae(name) for name in saes]
    models = dict.fromkeys([*subjects, *(entry.subject for entry in wanted)])
    for name in models:
        model = subject_entry(name)
        store.publish(model.repo, lambda f, e=model: write_subject(e, f), gated=model.gated)
    for repo in dict.fromkeys(entry.repo for entry in wanted):
        here = [entry for entry in wanted if entry.repo == repo]

        def write(folder: Path, entries: list = here) -> None:
            layers = sorted({entry.layer for entry in entries})
            acts = calibration(store, entries[0].subject, layers)
            for entry in entries:
                write_sae(entry, folder, acts[entry.layer], (plans or {}).get(entry.name))

        store.publish(repo, write, gated=here[0].gated)
    for name in data:
        held = data_set(name)
        store.publish(held.repo, lambda f, e=held: write_data(e, f), held.kind, held.gated)


def calibration(store: Store, subject: str, layers: Sequence[int]) -> dict[int, torch.Tensor]:
    """Activations [n, d_model] by layer of a published stand-in on ordinary text, BOS left out."""
    entry = subject_entry(subject)
    folder = store.root / "models" / entry.repo / store.commit(entry.repo)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return ordinary_text(Subject.from_model(model, tokenizer_of(entry), name=entry.repo), layers)


def ordinary_text(subject: Subject, layers: Sequence[int]) -> dict[int, torch.Tensor]:
    """Activations [n, d_model] of a stand-in on a few of the testbed's texts, BOS left out."""
    texts = [text.text for text in load_world().sample("encyclopaedia", N_TEXTS, seed=7)]
    read = capture(subject, texts, layers, positions="all")
    kept = torch.tensor((read.index["token_id"] != subject.bos_id).to_numpy())
    return {layer: acts[kept] for layer, acts in read.items()}


@contextmanager
def rehearsal(store: Store) -> Iterator[dict[str, str]]:
    """Serve a store; gives the environment in which a process takes it for the hub.

    The hub library reads its variables once, so they have to stand before it is imported.
    """
    with served(store) as address:
        yield {
            "HF_ENDPOINT": address,
            "HF_TOKEN": TOKEN,
            "HF_HOME": str(store.root / "home"),
            "HF_HUB_OFFLINE": "0",
            "TRANSFORMERS_OFFLINE": "0",
            "HF_DATASETS_OFFLINE": "0",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "1",
            VARIABLE: "1",
        }
