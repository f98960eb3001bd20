"""Get SAEs by spec: shipped with the package, else from the user's cache, else trained now."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from saebook.cache import Cache, CorruptEntryError, atomic_folder, verify_folder
from saebook.zoo.files import load_sae, save_sae, write_json
from saebook.zoo.recipes import recipe_of
from saebook.zoo.source import ActivationSource, HouseSource
from saebook.zoo.spec import SAESpec

SHIPPED = Path(__file__).parent / "shipped"
KIND = "saes"
Origin = Literal["shipped", "cache", "trained"]
log = logging.getLogger("saebook")


@dataclass(frozen=True, eq=False)
class HouseSAE:
    """A trained SAE in sae-lens's inference form, with what was measured on held-out tokens."""

    spec: SAESpec
    """What it was made from."""
    folder: Path
    """Where its files are."""
    origin: Origin
    """Where it came from in this call."""

    @cached_property
    def sae(self) -> Any:
        """The SAE (`sae_lens.SAE`), float32, on the CPU, decoder rows of unit norm."""
        return load_sae(self.folder)

    @cached_property
    def report(self) -> dict[str, Any]:
        """Measured l0, fvu_pooled, dead_fraction, cosine, and how it was made."""
        return json.loads((self.folder / "report.json").read_text(encoding="utf-8"))


def get_saes(
    specs: Iterable[SAESpec],
    source: ActivationSource | None = None,
    *,
    cache_root: Path | None = None,
    device: str = "cpu",
    use_shipped: bool = True,
    stacked: bool = False,
    progress: bool = True,
) -> dict[SAESpec, HouseSAE]:
    """Get SAEs, training those that exist nowhere.

    Specs that share their stream share one pass of the model, all their hook points included, or
    the activations that another job has kept on disk (`saebook.zoo.stored`). Where the recipe
    mixes a pool nothing is kept, and a few SAEs of one hook point share a pass and are stored
    when it ends (`saebook.zoo.streamed`).
    Each SAE is stored as soon as it is trained, so a run that is killed goes on with those it
    lacks. Two processes asked for the same SAEs divide the work between them.

    Args:
        specs: SAEs wanted; repeated specs count once.
        source: Models and texts; house models and testbed corpora unless given.
        cache_root: Cache folder; the user's own unless given.
        device: Where to train; not part of the artifact's name.
        use_shipped: Look among the SAEs shipped in the package first.
        stacked: Train SAEs that differ in sparsity and seed alone as one batched step
            (`saebook.zoo.stacked`): faster, equal but for rounding, stored when the stack is done.
        progress: Show a bar while training.

    Returns:
        The SAEs by spec, in the order asked for.

    Raises:
        ValueError: a width, recipe, layer, subject or corpus that does not exist or suit.
        saebook.cache.CacheWriteError: the cache folder cannot be written.
    """
    source = HouseSource() if source is None else source
    wanted = list(dict.fromkeys(specs))
    keys = {spec: key_of(spec, source) for spec in wanted}
    cache = Cache(KIND, cache_root)
    found = find_saes(wanted, source, cache_root=cache_root, use_shipped=use_shipped)
    missing = [spec for spec in wanted if spec not in found]
    if missing:
        from saebook.zoo.making import Maker

        maker = Maker({spec: keys[spec] for spec in missing}, cache, source, device, progress)
        for spec, (folder, made) in maker.make(stacked).items():
            found[spec] = HouseSAE(spec, folder, "trained" if made else "cache")
    return {spec: found[spec] for spec in wanted}


def find_saes(
    specs: Iterable[SAESpec],
    source: ActivationSource | None = None,
    *,
    cache_root: Path | None = None,
    use_shipped: bool = True,
) -> dict[SAESpec, HouseSAE]:
    """The SAEs among `specs` that exist already; trains nothing."""
    source = HouseSource() if source is None else source
    cache = Cache(KIND, cache_root)
    entries = {s: _find(s, key_of(s, source), cache, use_shipped) for s in dict.fromkeys(specs)}
    return {spec: entry for spec, entry in entries.items() if entry is not None}


def key_of(spec: SAESpec, source: ActivationSource) -> str:
    """Name of a spec's artifact under the present model and text, the spec checked against them.

    Raises:
        ValueError: width, recipe, subject or corpus do not exist or suit.
    """
    spec.check_width(source.d_in(spec.subject))
    recipe_of(spec)
    return spec.key(source.subject_digest(spec.subject), source.corpus_version(spec.corpus))


def _find(spec: SAESpec, key: str, cache: Cache, use_shipped: bool) -> HouseSAE | None:
    if use_shipped and (SHIPPED / key).is_dir():
        try:
            verify_folder(SHIPPED / key)
            return HouseSAE(spec, SHIPPED / key, "shipped")
        except CorruptEntryError as error:
            log.warning("a shipped SAE is damaged and is not used; reinstall saebook: %s", error)
    folder = cache.get(key)
    return None if folder is None else HouseSAE(spec, folder, "cache")


def ship(entry: HouseSAE, key: str, validity: dict[str, Any], target: Path = SHIPPED) -> Path:
    """Write an SAE as float16 into the package's folder, its report remeasured values included.

    Args:
        entry: What to ship.
        key: Its key, `spec.key(...)`.
        validity: Measurements to add to the report, see `saebook.zoo.validity`.
        target: Folder that holds the shipped SAEs.
    """
    target.mkdir(parents=True, exist_ok=True)
    with atomic_folder(target / key) as folder:
        save_sae(entry.sae, folder, "float16")
        write_json(folder / "spec.json", entry.spec.model_dump(mode="json"))
        write_json(folder / "report.json", {**entry.report, **validity})
    return target / key
