"""Published SAEs through sae-lens's own loaders, at a pinned commit, and checked once loaded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub.errors import EntryNotFoundError
from sae_lens.loading import pretrained_sae_loaders
from sae_lens.loading.pretrained_saes_directory import get_norm_scaling_factor
from torch import Tensor

from saebook.hub.entries import published_sae
from saebook.hub.errors import HubError
from saebook.hub.explain import explained
from saebook.hub.fetch import commit_of, fetch
from saebook.hub.quiet import quiet
from saebook.hub.rehearsing import rehearsing
from saebook.hub.schema import SAEEntry
from saebook.hub.stand_in import scale_of
from saebook.reconstruction import l0
from saebook.subjects import Scale, Subject
from saebook.zoo import backend

UNIT = 0.01
"""How far a decoder row's norm may be from 1; half of the formats store bfloat16."""
L0_FACTOR = 1.5
"""A calibration batch is not the published one: an L0 within this factor of it is accepted."""


@dataclass(frozen=True, eq=False)
class PublishedSAE:
    """A loaded SAE with what was checked."""

    entry: SAEEntry
    sae: Any
    """sae-lens's SAE; takes raw activations [n, d_in] and has decoder rows of unit norm."""
    scale: Scale
    """paper, or rehearsal on a stand-in."""
    commit: str
    decoder_norms: tuple[float, float]
    """Least and largest norm of a decoder row as published, times the folded input scale."""

    @property
    def threshold(self) -> Tensor:
        """Threshold of each latent [d_sae], zero where the architecture has none."""
        zeros = torch.zeros(self.sae.cfg.d_sae)
        return getattr(self.sae, "threshold", zeros).detach()


def load_sae(
    name: str, revision: str | None = None, device: str = "cpu", dtype: str = "float32"
) -> PublishedSAE:
    """Load an SAE of the catalogue at a pinned commit and check it.

    Args:
        name: Its name in the catalogue.
        revision: The commit; the catalogue's by default.
        device: Where to put it.
        dtype: Number type, as sae-lens spells it.

    Raises:
        HubError: Unknown, unpinned, out of reach, changed, a pickle, of another width, with
            decoder rows that are not of unit norm, or with another input scale than sae-lens folds.
    """
    entry = published_sae(name)
    commit = commit_of(entry, revision)
    with quiet():
        folder = fetch(entry, commit, entry.files)
    sizes = file_sizes(entry, folder)
    scale = scale_of(entry, sizes)
    check_input_scale(entry, folder)
    with _files_from(folder), explained(entry, commit):
        sae: Any = backend.SAE.from_pretrained(
            entry.release, entry.sae_id, device, dtype, converter=_converter(entry, sizes)
        )
    norms = _unit_decoder(entry, sae)
    return PublishedSAE(entry, sae.eval().requires_grad_(False), scale, commit, norms)


def file_sizes(entry: SAEEntry, folder: Path) -> dict[str, int]:
    """Widths that the files themselves state, before any of their numbers is used.

    Raises:
        HubError: The file cannot be read without running code, or has no such array.
    """
    files = [folder / name for name in entry.files]
    try:
        if entry.format == "gemma_2":
            with np.load(files[0], allow_pickle=False) as arrays:
                d_sae, d_in = arrays["W_dec"].shape
        elif entry.format == "llama_scope":
            held = json.loads(files[0].read_text(encoding="utf-8"))
            d_in, d_sae = held["d_model"], held["d_sae"]
        else:
            held = json.loads(files[0].read_text(encoding="utf-8"))
            d_in, d_sae = held["d_in"], held["d_sae"]
    except (ValueError, KeyError) as error:
        raise HubError(f"{entry.repo}/{entry.folder} is not in its format: {error}") from error
    return {"d_in": int(d_in), "d_sae": int(d_sae)}


def check_input_scale(entry: SAEEntry, folder: Path) -> None:
    """Hold Llama Scope's own mean norm against the factor that sae-lens folds into the weights.

    The published weights take activations times sqrt(d_in) / mean norm, the published threshold
    raw ones; a wrong factor is not seen in any shape, only in an absurd L0.

    Raises:
        HubError: They differ by more than one part in a hundred.
    """
    if entry.format != "llama_scope":
        return
    held = json.loads((folder / entry.files[0]).read_text(encoding="utf-8"))
    own = held["d_model"] ** 0.5 / held["dataset_average_activation_norm"]["in"]
    folded = get_norm_scaling_factor(entry.release, entry.sae_id)
    if folded is None or abs(own / folded - 1) > 0.01:
        raise HubError(
            f"{entry.name}: its file says an input scale of {own:.4f}, sae-lens folds {folded}; "
            "L0 would be far off. Take the sae-lens version of the lock, or another revision"
        )


def check_l0(loaded: PublishedSAE, acts: Tensor) -> float:
    """Mean number of active latents on a calibration batch, held against the published one.

    Args:
        loaded: The SAE.
        acts: Raw activations [n, d_in] of ordinary text, BOS left out.

    Returns:
        The L0; where none is published there is nothing to hold it against.

    Raises:
        HubError: It is off by more than a factor of 1.5.
    """
    found, said = l0(loaded.sae.encode(acts)), loaded.entry.l0
    if said is not None and not said / L0_FACTOR <= found <= said * L0_FACTOR:
        raise HubError(
            f"{loaded.entry.name} has an L0 of {found:.1f} on the calibration batch where "
            f"{said:g} is published; the wrong layer, hook or scale, or BOS tokens in the batch"
        )
    return found


def check_against(loaded: PublishedSAE, subject: Subject) -> None:
    """Refuse a pair of SAE and model that do not belong together.

    Raises:
        HubError: The model lacks the layer, or has another width.
    """
    entry, d_in = loaded.entry, loaded.sae.cfg.d_in
    if entry.layer >= subject.n_layers:
        raise HubError(
            f"{entry.name} reads layer {entry.layer}; {subject.name} has layers 0 to "
            f"{subject.n_layers - 1}"
        )
    if d_in != subject.d_model:
        raise HubError(
            f"{entry.name} takes {d_in} numbers a token and {subject.name} gives "
            f"{subject.d_model}; it was trained on {entry.subject}"
        )


@contextmanager
def _files_from(folder: Path) -> Iterator[None]:
    """Let sae-lens's loaders read fetched files: they know no revision and would take `main`."""

    def local(repo_id: str, filename: str, subfolder: str | None = None, **_: Any) -> str:
        path = folder / (subfolder or "") / filename
        if not path.is_file():
            raise EntryNotFoundError(f"{repo_id} has no {filename}")
        return str(path)

    theirs = pretrained_sae_loaders.hf_hub_download
    pretrained_sae_loaders.hf_hub_download = local
    try:
        yield
    finally:
        pretrained_sae_loaders.hf_hub_download = theirs


def _converter(entry: SAEEntry, sizes: Mapping[str, int]) -> Callable[..., Any] | None:
    """sae-lens's loader of the format, told the stand-in's widths where it has its own by heart."""
    if not (rehearsing() and entry.format == "gemma_2"):
        return None
    loader = pretrained_sae_loaders.NAMED_PRETRAINED_SAE_LOADERS[entry.format]

    def with_sizes(cfg_overrides: dict[str, Any], **rest: Any) -> Any:
        return loader(cfg_overrides={**cfg_overrides, **sizes}, **rest)

    return with_sizes


def _unit_decoder(entry: SAEEntry, sae: Any) -> tuple[float, float]:
    """Check that decoder rows have unit norm but for the folded scale, and take that out.

    Gemma Scope's rows are left as they are, since its biases are compared digit by digit.

    Raises:
        HubError: They have not, so that the SAE's activations would not be lengths.
    """
    scale = get_norm_scaling_factor(entry.release, entry.sae_id) or 1.0
    norms = sae.W_dec.detach().float().norm(dim=1) * scale
    ends = float(norms.min()), float(norms.max())
    if entry.format != "sae_lens" and max(abs(end - 1) for end in ends) > UNIT:
        raise HubError(
            f"{entry.name} has decoder rows of norm {ends[0]:.4f} to {ends[1]:.4f}; its format "
            "promises 1. The file is of another kind, or its weights were folded before"
        )
    if entry.format != "gemma_2":
        sae.fold_W_dec_norm()
    return ends
