"""Harvests kept on disk, so that many jobs read what one job harvested."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file

from saebook.cache import Cache, CacheWriteError
from saebook.zoo.files import write_json
from saebook.zoo.harvest import Harvest, harvest, holdout_size
from saebook.zoo.source import ActivationSource
from saebook.zoo.spec import StreamSpec

KIND = "harvests"
TENSORS, SCALE = "activations.safetensors", "scale.json"
BYTES = 4
"""Of one float32."""


class StreamHarvest:
    """One stream's activations: read from disk where they are kept, else harvested when needed."""

    def __init__(
        self,
        stream: StreamSpec,
        hook_names: Sequence[str],
        source: ActivationSource,
        cache_root: Path | None = None,
    ) -> None:
        """Name the stream; nothing is read yet.

        Args:
            stream: Model, text and number of tokens.
            hook_names: Hook points that one pass of the model is to serve.
            source: Reads the model and the text.
            cache_root: Cache folder; the user's own unless given.
        """
        self.stream = stream
        self.hook_names = sorted(set(hook_names))
        self.source = source
        self.cache = Cache(KIND, cache_root)

    @cached_property
    def by_hook(self) -> dict[str, Harvest]:
        """The activations by hook point; one pass of the model at most."""
        kept = {name: self.cache.get(self.key(name)) for name in self.hook_names}
        if all(kept.values()):
            return {name: _read(folder) for name, folder in kept.items() if folder is not None}
        return self._harvested

    @cached_property
    def _harvested(self) -> dict[str, Harvest]:
        scales = {h: self.source.input_scale(self.stream.subject, h) for h in self.hook_names}
        stream = self.source.stream(self.stream, self.hook_names)
        return harvest(stream, self.hook_names, self.stream.n_tokens, scales)

    def keep(self) -> dict[str, Path]:
        """Write to disk what is not there yet, whole or not at all; return the folders.

        Raises:
            saebook.cache.CacheWriteError: The disk is too small (said before any work), or refuses.
        """
        missing = [name for name in self.hook_names if self.cache.get(self.key(name)) is None]
        self._check_room(len(missing))
        return {
            name: self.cache.get_or_make(
                self.key(name), lambda folder, name=name: _write(self.by_hook[name], folder)
            )[0]
            for name in self.hook_names
        }

    @property
    def n_bytes(self) -> int:
        """Bytes that one hook point takes on disk."""
        n_tokens = self.stream.n_tokens + holdout_size(self.stream.n_tokens)
        return n_tokens * self.source.d_in(self.stream.subject) * BYTES

    def key(self, hook_name: str) -> str:
        """Name of one hook point's entry: the stream, the model's digest, the text's version."""
        named = {
            **self.stream._asdict(),
            "hook_name": hook_name,
            "subject_digest": self.source.subject_digest(self.stream.subject),
            "corpus_version": self.source.corpus_version(self.stream.corpus),
            "input_scale": self.source.input_scale(self.stream.subject, hook_name),
        }
        canonical = json.dumps(named, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:32]

    def _check_room(self, n_hooks: int) -> None:
        needed = n_hooks * self.n_bytes
        place = next(p for p in (self.cache.folder, *self.cache.folder.parents) if p.exists())
        free = shutil.disk_usage(place).free
        if needed > free:
            raise CacheWriteError(
                f"the harvest of {self.stream.subject} takes {needed / 2**30:.1f} GiB and "
                f"{free / 2**30:.1f} GiB are free; lower n_tokens, or point SAEBOOK_CACHE at a "
                "larger disk"
            )


def _write(data: Harvest, folder: Path) -> None:
    save_file({"train": data.train, "holdout": data.holdout}, folder / TENSORS)
    write_json(folder / SCALE, {"scale": data.scale})


def _read(folder: Path) -> Harvest:
    scale = json.loads((folder / SCALE).read_text(encoding="utf-8"))["scale"]
    with safe_open(folder / TENSORS, framework="pt") as file:
        return Harvest(file.get_tensor("train"), file.get_tensor("holdout"), scale)
