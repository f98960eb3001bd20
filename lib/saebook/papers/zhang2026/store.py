"""Where cells and vectors are kept one by one, so that a stopped run can go on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from saebook.cache import Cache
from saebook.papers.zhang2026.parameters import Parameters
from saebook.papers.zhang2026.records import Arrays, Records
from saebook.subjects import Subject, load_subject
from saebook.testbed.world import World, load_world

SIZES = {
    "layer", "architecture", "sparsity", "n_items", "batch_size", "epochs", "lr", "n_exam",
    "n_shift_queries", "n_score_queries", "n_demos", "n_domain_demos", "share_of_change",
}  # fmt: skip
"""Parameters on which cells and vectors depend, beside what names them."""
PROTOCOL = 2
"""Version of what a cell measures, raised whenever that changes, so that no old cell is taken."""


class Store:
    """The cells and vectors of one set of weights and sizes: of record, or in the user's cache."""

    def __init__(
        self, config: Parameters, root: Path | None = None, records: Records | None = None
    ) -> None:
        """Open the store.

        Args:
            config: Sizes.
            root: Cache folder; the user's own unless given.
            records: Numbers of record; those made on today's weights and these sizes count.
        """
        self.config = config
        self.records = records
        self.cache = Cache("zhang2026-cells", root)
        self.subjects: dict[str, Subject] = {}
        self.world: World = load_world()

    def subject(self, family: str) -> Subject:
        """Return a house model, loaded once."""
        if family not in self.subjects:
            self.subjects[family] = load_subject(family)
        return self.subjects[family]

    def of(self, family: str) -> Parameters:
        """Return the parameters with another house model."""
        return self.config.model_copy(update={"model_name": family})

    def made_on(self, family: str) -> str:
        """What a family's numbers depend on beside the code.

        Digests of its weights, and of sizes and protocol together.
        """
        sizes = self.config.model_dump(include=SIZES) | {"protocol": PROTOCOL}
        told = hashlib.sha256(json.dumps(sizes, sort_keys=True).encode()).hexdigest()[:16]
        return f"{self.weights(family)}/{told}"

    def weights(self, family: str) -> str:
        """Digest of a house model's weights as they are now, 16 hexadecimal digits."""
        return self.subject(family).digest[:16]

    def of_record(self, family: str) -> Records | None:
        """Return the numbers of record if this family's would come out the same today."""
        held = self.records
        return held if held and held.made_on.get(family) == self.made_on(family) else None

    def key(self, family: str, name: str) -> str:
        """Name an entry of the cache by what it was made from."""
        return hashlib.sha256(f"{name}\n{family}\n{self.made_on(family)}".encode()).hexdigest()[:32]

    def get(self, family: str, name: str, make: Callable[[], Arrays] | None = None) -> Arrays:
        """Return an entry, made if it is missing and can be; empty if it is not there."""
        return kept_arrays(self.cache, self.key(family, name), make)


def kept_arrays(cache: Cache, key: str, make: Callable[[], Arrays] | None = None) -> Arrays:
    """Return an entry of a cache, made if it is missing and can be; empty if it is not there."""
    folder = cache.get(key)
    if folder is None and make is not None:
        made = make()
        folder, _ = cache.get_or_make(key, lambda at: _write(at / "arrays.npz", made))
    if folder is None:
        return {}
    with np.load(folder / "arrays.npz", allow_pickle=False) as held:
        return {name: held[name] for name in held.files}


def _write(path: Path, arrays: Arrays) -> None:
    np.savez(path, allow_pickle=False, **arrays)
