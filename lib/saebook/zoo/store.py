"""Get SAEs by spec: shipped with the package, else from the user's cache, else trained now."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from tqdm.auto import tqdm

from saebook.cache import Cache, CacheBusyError, CorruptEntryError, atomic_folder, verify_folder
from saebook.reconstruction import cosine, dead_fraction, fvu_pooled, l0
from saebook.zoo.files import load_sae, save_sae, write_json
from saebook.zoo.harvest import Harvest
from saebook.zoo.recipes import recipe_of
from saebook.zoo.source import ActivationSource, HouseSource
from saebook.zoo.spec import SAESpec, StreamSpec
from saebook.zoo.stored import StreamHarvest

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


@torch.no_grad()
def holdout_report(sae: Any, holdout: Tensor) -> dict[str, float]:
    """Measure an SAE on activations it was not trained on [n, d_in]."""
    codes = sae.encode(holdout)
    recon = sae.decode(codes)
    return {
        "l0": l0(codes),
        "fvu_pooled": fvu_pooled(holdout, recon),
        "cosine": cosine(holdout, recon),
        "dead_fraction": dead_fraction(codes, window_tokens=len(codes)),
        "n_holdout_tokens": len(holdout),
    }


def get_saes(
    specs: Iterable[SAESpec],
    source: ActivationSource | None = None,
    *,
    cache_root: Path | None = None,
    device: str = "cpu",
    use_shipped: bool = True,
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
    missing = [s for s in wanted if s not in found]
    for group in _groups([s for s in missing if not recipe_of(s).pool_tokens]):
        found |= _train_group(group, keys, cache, source, device, progress)
    for group in _passes([s for s in missing if recipe_of(s).pool_tokens]):
        found |= _train_pass(group, keys, cache, source, device, progress)
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


def _groups(specs: Sequence[SAESpec]) -> list[list[SAESpec]]:
    groups: dict[StreamSpec, list[SAESpec]] = {}
    for spec in specs:
        groups.setdefault(spec.stream, []).append(spec)
    return list(groups.values())


def _passes(specs: Sequence[SAESpec]) -> list[list[SAESpec]]:
    """Specs that one pass of the model trains together."""
    from saebook.zoo.streamed import AT_ONCE

    alike: dict[Any, list[SAESpec]] = {}
    for spec in specs:
        alike.setdefault((spec.stream, spec.hook_name, spec.recipe), []).append(spec)
    return [part[i : i + AT_ONCE] for part in alike.values() for i in range(0, len(part), AT_ONCE)]


def _train_pass(
    group: Sequence[SAESpec],
    keys: dict[SAESpec, str],
    cache: Cache,
    source: ActivationSource,
    device: str,
    progress: bool,
) -> dict[SAESpec, HouseSAE]:
    """Train a group side by side on a stream that is read once, and keep all of them."""
    from saebook.zoo.streamed import fit_streamed
    from saebook.zoo.train import training_tokens

    total = sum(training_tokens(spec) for spec in group)
    with tqdm(total=total, unit="tok", unit_scale=True, disable=not progress) as bar:
        trained, data = fit_streamed(group, source, device, bar.update)
    found = {}
    for spec, sae in zip(group, trained, strict=True):
        folder, _ = cache.get_or_make(keys[spec], lambda f, s=spec, t=sae: _store(s, t, data, f))
        found[spec] = HouseSAE(spec, folder, "trained")
    return found


def _train_group(
    group: Sequence[SAESpec],
    keys: dict[SAESpec, str],
    cache: Cache,
    source: ActivationSource,
    device: str,
    progress: bool,
) -> dict[SAESpec, HouseSAE]:
    """Train a group one after another; those another process is at come last."""
    from saebook.zoo.train import training_tokens

    hook_names = [spec.hook_name for spec in group]
    activations = StreamHarvest(group[0].stream, hook_names, source, cache.root)
    total = sum(training_tokens(spec) for spec in group)
    found: dict[SAESpec, HouseSAE] = {}
    with tqdm(total=total, unit="tok", unit_scale=True, disable=not progress) as bar:
        for blocking in (False, True):
            for spec in (s for s in group if s not in found):
                bar.set_description(spec.label)
                make = _maker(spec, activations, device, bar.update)
                try:
                    folder, made = cache.get_or_make(keys[spec], make, blocking=blocking)
                except CacheBusyError:
                    continue
                found[spec] = HouseSAE(spec, folder, "trained" if made else "cache")
    return found


def _maker(
    spec: SAESpec, activations: StreamHarvest, device: str, on_step: Callable[[int], object]
) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        from saebook.zoo.train import fit

        data = activations.by_hook[spec.hook_name]
        _store(spec, fit(spec, data, device=device, on_step=on_step), data, folder)

    return make


def _store(spec: SAESpec, trained: Any, data: Harvest, folder: Path) -> None:
    """Write a trained SAE with what was measured on held-out tokens."""
    from saebook.zoo.train import to_inference

    sae = to_inference(trained)
    save_sae(sae, folder)
    write_json(folder / "spec.json", spec.model_dump(mode="json"))
    report = {**holdout_report(sae, data.holdout), **_provenance(trained, data)}
    write_json(folder / "report.json", report)


def _provenance(trained: Any, data: Harvest) -> dict[str, Any]:
    versions = {name: version(name) for name in ("torch", "sae-lens", "transformers", "nnsight")}
    coefficient = getattr(trained, "coefficient", None)
    return {"sparsity_coefficient": coefficient, "input_scale": data.scale, "versions": versions}


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
