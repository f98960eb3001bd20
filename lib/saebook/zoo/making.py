"""Train the SAEs that exist nowhere: one after another, in one pass of the model, or in stacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from saebook.cache import Cache, CacheBusyError
from saebook.reconstruction import cosine, dead_fraction, fvu_pooled, l0
from saebook.zoo.files import save_sae, write_json
from saebook.zoo.harvest import Harvest
from saebook.zoo.recipes import recipe_of
from saebook.zoo.source import ActivationSource
from saebook.zoo.spec import SAESpec
from saebook.zoo.stacked import fit_stack, stacks
from saebook.zoo.stored import StreamHarvest
from saebook.zoo.streamed import AT_ONCE, fit_streamed
from saebook.zoo.train import fit, to_inference, training_tokens

Made = dict[SAESpec, tuple[Path, bool]]
"""Folder of each SAE, and whether it was made here rather than by another process meanwhile."""


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


class Maker:
    """Trains SAEs and keeps each in the cache as soon as it is done."""

    def __init__(
        self,
        keys: Mapping[SAESpec, str],
        cache: Cache,
        source: ActivationSource,
        device: str = "cpu",
        progress: bool = True,
    ) -> None:
        """Say what is wanted; nothing is read yet.

        Args:
            keys: What to train, and the name of each artifact.
            cache: Where it goes.
            source: Reads the model and the text.
            device: Where to train.
            progress: Show a bar.
        """
        self.keys, self.cache, self.source = keys, cache, source
        self.device, self.progress = device, progress

    def make(self, stacked: bool = False) -> Made:
        """Train everything; recipes that mix a pool share a pass, the others share a harvest."""
        made: Made = {}
        harvested = [spec for spec in self.keys if not recipe_of(spec).pool_tokens]
        for group in _alike(harvested, lambda spec: spec.stream):
            made |= self._in_stacks(group) if stacked else self._one_by_one(group)
        streamed = [spec for spec in self.keys if recipe_of(spec).pool_tokens]
        for group in _alike(streamed, lambda spec: (spec.stream, spec.hook_name, spec.recipe)):
            for start in range(0, len(group), AT_ONCE):
                made |= self._in_one_pass(group[start : start + AT_ONCE])
        return made

    def _one_by_one(self, group: Sequence[SAESpec]) -> Made:
        """Train a group one after another; those another process is at come last."""
        activations = self._activations(group)
        made: Made = {}
        with self._bar(group) as bar:
            for blocking in (False, True):
                for spec in (s for s in group if s not in made):
                    bar.set_description(spec.label)
                    try:
                        made[spec] = self._trained(spec, activations, bar.update, blocking)
                    except CacheBusyError:
                        continue
        return made

    def _trained(
        self,
        spec: SAESpec,
        activations: StreamHarvest,
        on_step: Callable[[int], object],
        blocking: bool,
    ) -> tuple[Path, bool]:
        def make(folder: Path) -> None:
            data = activations.by_hook[spec.hook_name]
            _store(spec, fit(spec, data, self.device, on_step), data, folder)

        return self.cache.get_or_make(self.keys[spec], make, blocking=blocking)

    def _in_stacks(self, group: Sequence[SAESpec]) -> Made:
        """Train a group in stacks on one harvest."""
        activations = self._activations(group)
        made: Made = {}
        with self._bar(group) as bar:
            for stack in stacks(group, self.device):
                bar.set_description(stack[0].architecture)
                data = activations.by_hook[stack[0].hook_name]
                trained = fit_stack(stack, data, self.device, bar.update)
                made |= self._kept(stack, trained, data, {"stacked": True})
        return made

    def _in_one_pass(self, group: Sequence[SAESpec]) -> Made:
        """Train a group side by side on a stream that is read once."""
        with self._bar(group) as bar:
            trained, data = fit_streamed(group, self.source, self.device, bar.update)
        return self._kept(group, trained, data)

    def _kept(
        self,
        group: Sequence[SAESpec],
        trained: Iterable[Any],
        data: Harvest,
        told: Mapping[str, Any] | None = None,
    ) -> Made:
        made: Made = {}
        for spec, sae in zip(group, trained, strict=True):
            made[spec] = self.cache.get_or_make(
                self.keys[spec],
                lambda folder, spec=spec, sae=sae: _store(spec, sae, data, folder, told),
            )
        return made

    def _activations(self, group: Sequence[SAESpec]) -> StreamHarvest:
        hook_names = [spec.hook_name for spec in group]
        return StreamHarvest(group[0].stream, hook_names, self.source, self.cache.root)

    def _bar(self, group: Sequence[SAESpec]) -> tqdm:
        total = sum(training_tokens(spec) for spec in group)
        return tqdm(total=total, unit="tok", unit_scale=True, disable=not self.progress)


def _alike(
    specs: Sequence[SAESpec], shared: Callable[[SAESpec], object]
) -> Iterator[list[SAESpec]]:
    """Specs of one shared part together, in the order of their first."""
    groups: dict[object, list[SAESpec]] = {}
    for spec in specs:
        groups.setdefault(shared(spec), []).append(spec)
    yield from groups.values()


def _store(
    spec: SAESpec,
    trained: Any,
    data: Harvest,
    folder: Path,
    told: Mapping[str, Any] | None = None,
) -> None:
    """Write a trained SAE with what was measured on held-out tokens."""
    sae = to_inference(trained)
    save_sae(sae, folder)
    write_json(folder / "spec.json", spec.model_dump(mode="json"))
    report = {**holdout_report(sae, data.holdout), **_provenance(trained, data), **(told or {})}
    write_json(folder / "report.json", report)


def _provenance(trained: Any, data: Harvest) -> dict[str, Any]:
    versions = {name: version(name) for name in ("torch", "sae-lens", "transformers", "nnsight")}
    coefficient = getattr(trained, "coefficient", None)
    return {"sparsity_coefficient": coefficient, "input_scale": data.scale, "versions": versions}
