"""The chapter's experiments on published models and questions, through the testbed's own code."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd

from saebook.cache import Cache
from saebook.finetune import LoRA, Schedule, score
from saebook.finetune.attached import AttachedAdapter
from saebook.hub import subject_entry
from saebook.hub.fetch import commit_of
from saebook.hub.models import load_published
from saebook.hub.named import Named, named_entries
from saebook.papers.yang2024 import published_exams as exams
from saebook.papers.yang2024 import records, tables
from saebook.papers.yang2024.arms import PUBLISHED, PUBLISHED_LARGE, Arm, Plan, Runs
from saebook.papers.yang2024.labels import model_difficulty
from saebook.papers.yang2024.parameters import Parameters
from saebook.papers.yang2024.published_exams import Written
from saebook.papers.yang2024.sittings import Sitting, asked_of, shown_items, training_items
from saebook.subjects import Scale, Subject

log = logging.getLogger("saebook")
ADAPTER = LoRA(r=16, alpha=64.0, dropout=0.1)
"""The paper's adapter on all linear layers (Appendix B); weights are not quantised."""
PAPER_NAMES = {
    "tinyllama-1.1b-chat": "TinyLlama",
    "llama-2-7b-chat": "Llama 2 7B",
    "llama-2-13b-chat": "Llama 2 13B",
    "mistral-7b": "Mistral 7B",
}
"""The paper's name of a model; another model is trained as Mistral 7B is."""
LABEL, LABELS = "models", "labels.parquet"


@dataclass(frozen=True)
class PublishedExam:
    """Questions to train on and to be tested on, before any tokenizer sees them."""

    written: list[Written]
    tests: dict[str, list[Written]]
    difficulty: np.ndarray
    """Model-defined difficulty of each question of the exam, float [n]."""
    longest: int
    """Tokens of a question with its answer."""
    whole: bool = False
    """Whether every run trains on all questions, see `Sitting.whole`."""

    @cached_property
    def digest(self) -> str:
        """Of questions, tests and labels, 32 hexadecimal digits."""
        parts = [exams.digest_of(q) for q in (self.written, *self.tests.values())]
        held = f"{self.longest}{''.join(parts)}".encode() + self.difficulty.round(5).tobytes()
        return hashlib.sha256(held).hexdigest()[:32]

    def seated(self, subject: Subject) -> Sitting:
        """The exam in a model's tokens."""
        cut = partial(exams.as_questions, subject.tokenizer, subject.name, longest=self.longest)
        questions = tuple(cut(self.written))
        return Sitting(
            questions,
            training_items(questions),
            {name: cut(asked) for name, asked in self.tests.items()},
            [q.category for q in self.written],
            [q.stem for q in self.written],
            self.label,
            self.whole,
        )

    def label(self, name: str, seed: int) -> np.ndarray:
        """Difficulty by a label's name, the same in every run. Raises ValueError if unknown."""
        held = {"none": np.zeros(len(self.written)), LABEL: self.difficulty}
        if name not in held:
            raise ValueError(f"published questions have no label {name!r}; known: none, {LABEL}")
        return held[name]


def roles(config: Parameters) -> tuple[list[Named], list[Named]]:
    """Return the models that are trained and those that only label difficulty."""
    given = named_entries(config.hub_names).subjects
    labellers = set(config.hub_labellers.split())
    return [m for m in given if m[0] not in labellers], [m for m in given if m[0] in labellers]


def plan_of(config: Parameters) -> Plan:
    """The plan on published models: their names in the catalogue, in the order given."""
    trained = tuple(name for name, _ in roles(config)[0])
    return Plan(
        trained,
        config.hub_side_model or trained[0],
        draws=config.n_draws,
        n_items=config.hub_items,
        n_large=config.hub_large_items,
        runs=Runs(usual=config.hub_runs, first=config.seed),
    )


def arms_of(plan: Plan, config: Parameters) -> list[Arm]:
    """Every arm of the published rows: shuffles, six orders, placebo, and the side questions."""
    found: list[Arm] = []
    for model in plan.models:
        found += [*plan.shuffles(model, PUBLISHED), *plan.six(model, PUBLISHED, LABEL)]
        found += [plan.arm(model, PUBLISHED, "Interleaved", categories="permuted")]
    if side := config.hub_side_model:
        found += plan.grouped(side, PUBLISHED, "clustered", LABEL)
        found += plan.six(side, PUBLISHED, LABEL, decay="constant")
        found += plan.shuffles(side, PUBLISHED, decay="constant")
        found += [plan.arm(side, PUBLISHED, "Blocked", show="each block three times")]
    if config.hub_large_model:
        found += large_arms(plan, config)
    return list(dict.fromkeys(found))


def large_arms(plan: Plan, config: Parameters) -> list[Arm]:
    """The six orders of the larger exam, over found categories as in Table 5 (K9)."""
    return plan.grouped(
        config.hub_large_model, PUBLISHED_LARGE, "clustered", LABEL, n_items=plan.n_large
    )


def read_exams(config: Parameters) -> dict[str, PublishedExam]:
    """Read and label all questions: the exam, and the larger one if K9 is asked.

    Raises:
        HubError: A set or a labeller cannot be had; the message says why and what to do.
        ValueError: The folder holds no such questions, or fewer than are asked for.
    """
    commits = dict(named_entries(config.hub_names).data)
    if config.exam_folder:
        written = exams.from_folder(Path(config.exam_folder))[: config.hub_items]
    else:
        pool = exams.medmcqa("train", commits.get("medmcqa"))
        written = exams.drawn_exam(pool, config.hub_items, config.seed)
    tests = {
        "MedMCQA": exams.medmcqa("validation", commits.get("medmcqa"), config.hub_test),
        "MedQA": exams.medqa("test", commits.get("medqa"), config.hub_test),
    }
    larger = []
    if config.hub_large_model:
        larger = exams.medqa("train", commits.get("medqa"), config.hub_large_items)
    hard = labelled([*written, *larger], config)
    held = {PUBLISHED: PublishedExam(written, tests, hard[: len(written)], config.hub_tokens)}
    if larger:
        every = {"LEK": written, **tests}
        held[PUBLISHED_LARGE] = PublishedExam(
            larger, every, hard[len(written) :], config.hub_tokens, whole=True
        )
    return held


def labelled(written: Sequence[Written], config: Parameters) -> np.ndarray:
    """Model-defined difficulty of each question over the labelling models, kept in the cache."""
    digest, rights = exams.digest_of(written), []
    for name, revision in roles(config)[1]:
        commit = commit_of(subject_entry(name), revision)
        held = {"labeller": name, "commit": commit, "exam": digest, "tokens": config.hub_tokens}
        folder = _cached(held, partial(_label, written, config.hub_tokens, name, revision))
        rights.append(pd.read_parquet(folder / LABELS)["right"].to_numpy(float))
    return model_difficulty(np.stack(rights))


def _label(
    written: Sequence[Written], longest: int, name: str, revision: str | None, folder: Path
) -> None:
    """Write a labelling model's probability of each question's right option into a folder."""
    subject = load_published(name, revision)
    asked = exams.as_questions(subject.tokenizer, subject.name, written, longest)
    probs = score(subject.model, asked).probs
    own = probs[np.arange(len(asked)), [q.right for q in asked]]
    pd.DataFrame({"right": own}).to_parquet(folder / LABELS)


def _cached(held: Mapping[str, object], make: Callable[[Path], None]) -> Path:
    key = hashlib.sha256(json.dumps({**held, "v": records.VERSION}).encode()).hexdigest()[:32]
    return Cache("yang2024-published").get_or_make(key, make)[0]


def published_records(
    held: dict[str, PublishedExam], config: Parameters
) -> tuple[pd.DataFrame, Scale]:
    """Train and test every run on published models, one a checkpointed cell.

    Returns:
        The records, and what they were measured on.

    Raises:
        HubError: A model cannot be had, does not fit, or has no token for each letter.
        Diverged: A run's loss left the range in which a model says anything.
    """
    plan, found, scales = plan_of(config), list[pd.DataFrame](), set[Scale]()
    for name, revision in roles(config)[0]:
        subject = load_published(name, revision)
        scales.add(subject.scale)
        own = [arm for arm in arms_of(plan, config) if arm.model == name]
        runs = [(arm, seed) for arm in own for seed in plan.seeds(arm)]
        commit = commit_of(subject_entry(name), revision)
        found += _trained(subject, commit, held, runs, config)
    if len(scales) > 1:
        raise ValueError(f"published models and stand-ins together: {', '.join(sorted(scales))}")
    return pd.concat(found, ignore_index=True), scales.pop()


def _trained(
    subject: Subject,
    commit: str,
    held: dict[str, PublishedExam],
    runs: Sequence[tuple[Arm, int]],
    config: Parameters,
) -> list[pd.DataFrame]:
    """Records of one model's runs; its weights are loaded once and stay as they are."""
    sittings = {world: exam.seated(subject) for world, exam in held.items()}
    attached = AttachedAdapter(subject.model, ADAPTER)
    found = []
    for done, (arm, seed) in enumerate(runs, 1):
        log.info("%s: run %d of %d, %s", subject.name, done, len(runs), arm)
        make = partial(_train_run, attached, sittings[arm.world], arm, seed, config.reading, commit)
        key = {"commit": commit, "dtype": str(subject.model.dtype), "arm": arm.key, "seed": seed}
        folder = _cached({**key, "exam": held[arm.world].digest, "as": config.reading}, make)
        found.append(records.read(folder / records.FILE))
    attached.remove()
    return found


def _train_run(
    attached: AttachedAdapter,
    sat: Sitting,
    arm: Arm,
    seed: int,
    reading: str,
    commit: str,
    folder: Path,
) -> None:
    """Train and test one run, and write its records into a folder."""
    shown = [sat.items[i] for i in shown_items(arm, sat, seed, reading)]
    attached.fine_tune(shown, schedule_of(arm), seed=seed)
    asked = asked_of(sat, seed)
    bits = score(attached.model, [q for own in asked.values() for q in own]).bits
    ends = np.cumsum([len(own) for own in asked.values()])[:-1]
    rows = [
        records.rows_of(arm, seed, test, own, commit[:16])
        for test, own in zip(asked, np.split(bits, ends), strict=True)
    ]
    records.write(pd.DataFrame(rows), folder / records.FILE)


def schedule_of(arm: Arm) -> Schedule:
    """One epoch without warm-up at the paper's rate and batch for the model (Appendix B)."""
    lr, batch, accumulated = tables.SETTINGS[PAPER_NAMES.get(arm.model, "Mistral 7B")]
    decay = "constant" if arm.decay == "constant" else "linear"
    return Schedule(1, batch * accumulated, lr, warmup_share=0.0, decay=decay)
