"""Where activations come from: a language model reading a corpus, named so that it can be a key."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from torch import Tensor

from saebook.activations import stream_activations
from saebook.corpora import HasText, token_batches, with_random_header, without_header
from saebook.subjects import Subject, load_subject, parse_hook
from saebook.zoo.spec import StreamSpec

CORPUS_VERSION = "1"
CORPORA: dict[str, dict[str, int]] = {
    "default": {"encyclopaedia": 3, "problems": 2},
    "encyclopaedia": {"encyclopaedia": 1},
    "with-behaviours": {"encyclopaedia": 3, "problems": 2, "behaviours": 2},
    "chats": {"chats": 1},
    "chats-no-header": {"chats": 1},
    "chats-random-header": {"chats": 1},
}
"""Testbed corpora: documents of each register in a round. Only "with-behaviours" holds any
behaviour documents, so that SAEs usually meet steering prompts unprepared, as the papers' do. Two
are chats whose constant system header is taken away, or replaced by random words."""
TEXT_SEED = 60_000
"""Added to `data_seed`, so that SAEs train on texts that no test or evaluation draws."""
ROUNDS = 64
"""Rounds of documents tokenized at a time."""


class ActivationSource(Protocol):
    """What the zoo needs to know about models and text."""

    def subject_digest(self, name: str) -> str:
        """Digest of the model's weights."""
        ...

    def corpus_version(self, name: str) -> str:
        """Version or digest of the text."""
        ...

    def d_in(self, name: str) -> int:
        """Width of the activations."""
        ...

    def input_scale(self, name: str, hook_name: str) -> float | None:
        """Factor on a model's activations before training, or None to take each harvest's own."""
        ...

    def stream(self, spec: StreamSpec, hook_names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
        """Activations by hook point, each [n, d_in]."""
        ...


class HouseSource:
    """Activations of house models, or of given subjects, on the testbed's or on given texts."""

    def __init__(
        self,
        subjects: Mapping[str, Subject] | None = None,
        corpora: Mapping[str, Sequence[str | HasText]] | None = None,
        scales: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        """Set up a source.

        Args:
            subjects: Models by name, for those that are no house models (fine-tuned, hub).
            corpora: Texts by name, for those that are no testbed corpus.
            scales: By model and hook point, one factor for all its training streams; without one
                each stream is brought to E||x||^2 = d_in by itself. Where one sparsity
                coefficient is to mean the same on several streams they need one factor.
        """
        self._scales = {name: dict(own) for name, own in (scales or {}).items()}
        self._subjects = dict(subjects or {})
        self._corpora = dict(corpora or {})
        self._digests: dict[str, str] = {}

    def subject(self, name: str) -> Subject:
        """The model of this name, loaded once."""
        if name not in self._subjects:
            self._subjects[name] = load_subject(name)
        return self._subjects[name]

    def subject_digest(self, name: str) -> str:
        """SHA-256 of the model's weights, computed once, with its factors where it has any."""
        if name not in self._digests:
            scaled = "".join(f"/{h}*{v!r}" for h, v in sorted(self._scales.get(name, {}).items()))
            self._digests[name] = self.subject(name).digest + scaled
        return self._digests[name]

    def input_scale(self, name: str, hook_name: str) -> float | None:
        """The model's factor at a hook point, if it was given one."""
        return self._scales.get(name, {}).get(hook_name)

    def d_in(self, name: str) -> int:
        """Width of the model's residual stream."""
        return self.subject(name).d_model

    def corpus_version(self, name: str) -> str:
        """World version and mixture of a testbed corpus, or the SHA-256 of given texts.

        Raises:
            ValueError: no corpus has this name.
        """
        if name in self._corpora:
            digest = hashlib.sha256()
            for text in self._corpora[name]:
                digest.update(_string(text).encode() + b"\0")
            return f"texts-{digest.hexdigest()}"
        from saebook.testbed import WORLD_VERSION

        change = f"/{name}" if name.startswith("chats-") else ""
        return f"world-{WORLD_VERSION}/{CORPUS_VERSION}/{sorted(_mixture(name).items())}{change}"

    def stream(self, spec: StreamSpec, hook_names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
        """Run the model over the corpus once and yield all hook points' activations.

        Raises:
            ValueError: unknown subject, corpus or layer.
        """
        subject = self.subject(spec.subject)
        layers = [subject.check_layer(parse_hook(name)) for name in hook_names]
        for texts in self._texts(spec, subject):
            batches = token_batches(subject, texts, spec.context, packing=spec.packing)  # type: ignore[arg-type]
            yield from stream_activations(
                subject,
                batches,
                layers,
                drop_bos=spec.tokens != "all",
                drop_special=spec.tokens == "no-special",
            )

    def _texts(self, spec: StreamSpec, subject: Subject) -> Iterator[Sequence[str | HasText]]:
        if spec.corpus in self._corpora:
            yield self._corpora[spec.corpus]
            return
        yield from house_texts(spec.corpus, spec.data_seed, subject.family)


def _string(text: str | HasText) -> str:
    return text if isinstance(text, str) else text.text


def _mixture(name: str) -> dict[str, int]:
    if name not in CORPORA:
        raise ValueError(f"unknown corpus {name!r}; known: {', '.join(CORPORA)}, or give its texts")
    return CORPORA[name]


def house_texts(name: str, data_seed: int, family: str) -> Iterator[list[HasText]]:
    """Yield a testbed corpus for ever, in lists of `ROUNDS` rounds of its mixture.

    Args:
        name: A key of `CORPORA`.
        data_seed: Seed of the texts.
        family: Whose chat template chats are written in.
    """
    from saebook.testbed import load_world

    world, mixture = load_world(), _mixture(name)
    options: dict[str, dict[str, Any]] = {"chats": {"family": family}}
    part = 0
    while True:
        seed = TEXT_SEED + 1_000_000 * data_seed + part
        drawn = {
            register: world.sample(register, share * ROUNDS, seed, **options.get(register, {}))
            for register, share in mixture.items()
        }
        texts = [
            text
            for i in range(ROUNDS)
            for register, share in mixture.items()
            for text in drawn[register][i * share : (i + 1) * share]
        ]
        yield [_changed(name, text, f"{seed}/{i}") for i, text in enumerate(texts)]
        part += 1


def _changed(name: str, text: Any, key: str) -> Any:
    """A corpus's own change to a text, if it has one."""
    from saebook.testbed import load_world

    if name == "chats-no-header":
        return without_header(text)
    if name == "chats-random-header":
        return with_random_header(text, load_world().vocabulary(), key)
    return text
