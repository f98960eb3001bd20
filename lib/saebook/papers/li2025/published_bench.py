"""One published instruct model with its pool of dialogues, as the measures read it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from torch import Tensor

from saebook.activations import stream_activations
from saebook.corpora import TokenBatch, n_cut, render_dialogue, token_batches
from saebook.hub.named import Named
from saebook.papers.li2025.arms import ARMS, Cell
from saebook.papers.li2025.parameters import Parameters
from saebook.papers.li2025.pool import Pool, written_by_the_template
from saebook.papers.li2025.tokens import TokenTable, token_table
from saebook.subjects import Subject, hook_name
from saebook.zoo import HouseSAE, SAESpec, get_saes
from saebook.zoo.hub_source import HubSource, published_text, sequences_a_pass

RECIPE = "li2025"
"""Appendix C, on raw activations."""
PRETRAINING = "pile"
"""Name of the pretraining text in the catalogue (section 4.1)."""
CORPORA = {"default": PRETRAINING, "chats": "chats"}
"""The arms' testbed corpora to the published ones that stand in their place."""


class RawSource(HubSource):
    """A source whose activations enter training as the model makes them."""

    def input_scale(self, name: str, hook_name: str) -> float:
        """One, for every model and hook point."""
        return 1.0

    def subject_digest(self, name: str) -> str:
        """The model's digest, with a note that nothing is scaled."""
        return f"{super().subject_digest(name)}/raw"


class PublishedBench:
    """A published model, its text and its SAEs; see `saebook.papers.li2025.bench.Reader`."""

    def __init__(
        self, name: str, subject: Subject, pool: Pool, text: Named, config: Parameters
    ) -> None:
        """Set up the source; nothing is read yet.

        Args:
            name: The model's name in the catalogue.
            subject: The model.
            pool: Dialogues, the first of them held out.
            text: Name and commit of the pretraining text.
            config: Sizes.
        """
        self.name, self.subject, self.config, self._pool = name, subject, config, pool
        corpora = {PRETRAINING: published_text(text[0], "train", text[1]), "chats": pool.training()}
        self.source = RawSource({name: subject}, corpora)

    def spec(self, cell: Cell) -> SAESpec:
        """What names a cell's SAE: Appendix C at the chapter's sizes.

        Raises:
            ValueError: An arm that published models do not have, or another model's cell.
        """
        arm = ARMS[cell.arm]
        if arm.corpus not in CORPORA or arm.model != "instruct" or cell.family != self.name:
            raise ValueError(f"{cell} is no cell of {self.name}")
        config = self.config
        lengths = {"block": config.hub_block, "dialogue": config.hub_longest}
        return SAESpec(
            subject=self.name,
            hook_name=hook_name(cell.layer),
            corpus=CORPORA[arm.corpus],
            packing=arm.packing,  # type: ignore[arg-type]
            context=lengths[arm.context],
            architecture=cell.architecture,
            sparsity=float(config.hub_k),
            d_sae=cell.d_sae,
            n_tokens=config.hub_n_tokens,
            epochs=1,
            seed=cell.seed,
            tokens="all",
            recipe=cell.recipe,
        )

    def saes(self, cells: list[Cell]) -> dict[Cell, HouseSAE]:
        """The SAEs of some cells, trained where the cache lacks them."""
        specs = {cell: self.spec(cell) for cell in cells}
        device, shown = str(self.subject.device), self.config.tier == "paper"
        found = get_saes(specs.values(), self.source, device=device, progress=shown)
        return {cell: found[spec] for cell, spec in specs.items()}

    def placed(self, sae: Any) -> Any:
        """An SAE on the model's device."""
        return sae.to(self.subject.device)

    def instruct(self, family: str, with_sink: bool) -> Subject:
        """The model, which has its own sinks and no others."""
        return self.subject

    @cached_property
    def _held_out(self) -> tuple[list[str], list[list[bool]]]:
        """Rendered dialogues, and which of their tokens the template wrote."""
        turns = self._pool.held_out()
        texts = [render_dialogue(self.subject, one) for one in turns]
        pairs = zip(texts, turns, strict=True)
        return texts, [written_by_the_template(self.subject, text, one) for text, one in pairs]

    @property
    def n_cut(self) -> int:
        """Held-out dialogues that are longer than what is read of them."""
        return n_cut(self.subject, self._held_out[0], self.config.hub_longest)

    @cached_property
    def _batches(self) -> list[TokenBatch]:
        longest = self.config.hub_longest
        size = sequences_a_pass(self.subject, longest)
        return token_batches(self.subject, self._held_out[0], longest, "single", size)

    def batches(self, family: str) -> list[TokenBatch]:
        """The held-out dialogues, one a sequence."""
        return self._batches

    def tokens(self, family: str) -> TokenTable:
        """What every held-out token is."""
        return token_table(self.subject, *self._held_out, self._batches)

    def parts(self, family: str, layer: int, with_sink: bool) -> Iterator[Tensor]:
        """The held-out tokens' activations [n, d_model], batch by batch."""
        parts = stream_activations(self.subject, self._batches, [layer])
        return (part[hook_name(layer)] for part in parts)
