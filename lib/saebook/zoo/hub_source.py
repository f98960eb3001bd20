"""Activations of published models on published text, read as a stream and never kept whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import cast

from torch import Tensor

from saebook.activations import read_blocks
from saebook.corpora import TokenBatch, token_batches
from saebook.hub.data import rows
from saebook.hub.entries import data_set, subject_entry
from saebook.hub.fetch import commit_of
from saebook.hub.fitting import Place, chosen_batch
from saebook.hub.schema import Dtype
from saebook.subjects import Subject, hook_name, parse_hook
from saebook.zoo.spec import StreamSpec

TEXTS = 64
"""Texts tokenized at a time."""
SEQUENCES = 32
"""Sequences a forward pass where the memory allows as many."""


@dataclass(frozen=True)
class HubText:
    """A corpus that is read from its beginning each time it is asked for."""

    version: str
    """Names the text exactly; part of the name of every SAE trained on it."""
    texts: Callable[[], Iterator[str]]
    """Opens it: one string a document or rendered dialogue."""


def published_text(
    name: str,
    split: str,
    revision: str | None = None,
    column: str = "text",
    limit: int | None = None,
) -> HubText:
    """One column of a published data set as a corpus; empty texts are passed over.

    Args:
        name: Its name in the catalogue or on the hub.
        split: One of its splits.
        revision: The commit; the catalogue's by default.
        column: Column that holds the text.
        limit: Rows to read, all by default.

    Raises:
        HubError: Unknown, or without a commit.
    """
    entry = data_set(name)
    commit = commit_of(entry, revision)

    def texts() -> Iterator[str]:
        held = rows(name, split, commit, limit)
        return (row[column] for row in held if row[column].strip())

    part = "" if limit is None else f"/{limit}"
    return HubText(f"{entry.repo}@{commit}/{split}/{column}{part}", texts)


class HubSource:
    """What the zoo needs to train SAEs of published models: see `ActivationSource`.

    The text is tokenized and run through the model a few dozen documents at a time, so that a
    corpus of any length costs no memory. It ends where its text ends.
    """

    def __init__(
        self,
        subjects: Mapping[str, Subject],
        corpora: Mapping[str, HubText],
        batch_size: int | None = None,
    ) -> None:
        """Set up a source.

        Args:
            subjects: Models by the name that specs give them.
            corpora: Texts by the name that specs give them.
            batch_size: Sequences a forward pass; by default what fits the free memory, for
                models of the catalogue.
        """
        self._subjects, self._corpora = dict(subjects), dict(corpora)
        self._batch_size = batch_size
        self._digests: dict[str, str] = {}

    def subject(self, name: str) -> Subject:
        """The model of this name. Raises ValueError for one that was not given."""
        if name not in self._subjects:
            raise ValueError(f"unknown model {name!r}; given: {', '.join(self._subjects)}")
        return self._subjects[name]

    def subject_digest(self, name: str) -> str:
        """SHA-256 of the model's weights, computed once."""
        if name not in self._digests:
            self._digests[name] = self.subject(name).digest
        return self._digests[name]

    def input_scale(self, name: str, hook_name: str) -> float | None:
        """None: every stream is brought to E||x||^2 = d_in by itself."""
        return None

    def d_in(self, name: str) -> int:
        """Width of the model's residual stream."""
        return self.subject(name).d_model

    def corpus_version(self, name: str) -> str:
        """What the corpus says of itself. Raises ValueError for one that was not given."""
        return self._corpus(name).version

    def stream(self, spec: StreamSpec, hook_names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
        """Run the model over the corpus once and yield all hook points' activations.

        Raises:
            ValueError: unknown subject, corpus or layer.
        """
        subject = self.subject(spec.subject)
        layers = [subject.check_layer(parse_hook(name)) for name in hook_names]
        for batch in self._batches(spec, subject):
            kept = batch.keep(spec.tokens != "all", spec.tokens == "no-special")
            read = read_blocks(subject, batch.ids, batch.mask, sorted(set(layers)), batch.segment)
            kept = kept.to(subject.device)
            yield {hook_name(layer): acts[kept] for layer, acts in read.items()}

    def _corpus(self, name: str) -> HubText:
        if name not in self._corpora:
            raise ValueError(f"unknown corpus {name!r}; given: {', '.join(self._corpora)}")
        return self._corpora[name]

    def _batches(self, spec: StreamSpec, subject: Subject) -> Iterator[TokenBatch]:
        size = self._batch_size or sequences_a_pass(subject, spec.context)
        texts = self._corpus(spec.corpus).texts()
        while part := list(islice(texts, TEXTS)):
            yield from token_batches(subject, part, spec.context, spec.packing, size)  # type: ignore[arg-type]


def sequences_a_pass(subject: Subject, tokens: int, wanted: int = SEQUENCES) -> int:
    """Sequences whose forward pass fits the memory that is free beside a published model.

    Args:
        subject: A model of the catalogue.
        tokens: Tokens a sequence.
        wanted: The most.
    """
    dtype = cast(Dtype, str(subject.model.dtype).removeprefix("torch."))
    return chosen_batch(
        subject_entry(subject.name), Place(str(subject.device), dtype), tokens, wanted
    )
