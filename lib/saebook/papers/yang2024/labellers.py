"""Labels of models that are not fine-tuned in the grid; they are shipped, the labellers are not.

A labeller has studied the subject: a house model of another kind is tuned on other questions about
the same facts, and its probability of the right option is read on the exam. The labels lie beside
this module, with a digest of the questions they belong to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from saebook.finetune import LoRA, Schedule, answer_item, fine_tune, score, word_question
from saebook.papers.yang2024.exams import Exam, ExamWorld
from saebook.papers.yang2024.labels import model_difficulty
from saebook.testbed import load_world
from saebook.testbed.house import load_house_model

LABELLERS = ("gemma2-base-mean0", "gemma2-base-mean3", "llama-base", "qwen2-base")
"""House models that label; none of them is fine-tuned in the grid."""
TEXTBOOK = 655
"""Questions a labeller learns from, as many as a run of the grid, and other ones."""
STUDY = Schedule(epochs=1, batch_size=8, lr=3e-3, warmup_share=0.0, decay="linear")
FILE = Path(__file__).with_name("labels.parquet")


def exam_digest(exam: Exam) -> str:
    """Digest of the questions, 16 hexadecimal digits."""
    text = "\n".join(t.text for t in exam.texts)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def label_exams(
    world: ExamWorld, exams: Sequence[Exam], labeller: str, textbook: int = TEXTBOOK
) -> list[np.ndarray]:
    """Return one labeller's probability of the right option of each question, float32 [n] an exam.

    Args:
        world: World of the exams; the textbook is drawn from it.
        exams: Questions to label.
        labeller: A house model.
        textbook: Questions it studies first.
    """
    house = load_house_model(labeller)
    studied = [word_question(house.tokenizer, t) for t in world.test_set("LEK", textbook).texts]
    items = [answer_item((*q.ids, q.options[q.right]), len(q.ids)) for q in studied]
    tuned = fine_tune(house.model, items, STUDY, lora=LoRA())
    found = []
    for exam in exams:
        asked = [word_question(house.tokenizer, text) for text in exam.texts]
        probs = score(tuned.model, asked).probs
        found.append(probs[np.arange(len(asked)), [q.right for q in asked]])
    return found


def write_labels(rights: dict[tuple[str, int], tuple[str, dict[str, np.ndarray]]]) -> Path:
    """Write labels as they are shipped.

    Args:
        rights: By (world, number of questions): the exam's digest, and probabilities by labeller.
    """
    frames = [
        pd.DataFrame({"world": world, "n_items": n, "digest": digest, **by_labeller})
        for (world, n), (digest, by_labeller) in rights.items()
    ]
    pd.concat(frames, ignore_index=True).to_parquet(FILE, index=False, compression="zstd")
    shipped.cache_clear()
    return FILE


@lru_cache(maxsize=1)
def shipped() -> pd.DataFrame:
    """Return the shipped labels: world, n_items, digest, and a column a labeller.

    Raises:
        ValueError: They are not there.
    """
    if not FILE.is_file():
        raise ValueError(f"{FILE.name} is missing; run `python -m saebook.papers.yang2024 labels`")
    return pd.read_parquet(FILE)


def probabilities(world: ExamWorld, exam: Exam) -> pd.DataFrame:
    """Return the shipped probability of the right option, a row a question, a column a labeller.

    An exam shorter than a labelled one is its beginning.

    Raises:
        ValueError: No labels of that world and size, or labels of other questions.
    """
    if world.amplified or world.seed:
        raise ValueError(f"no shipped labels for {world}")
    return _checked(world.name, len(exam)).copy()


@lru_cache(maxsize=8)
def _checked(name: str, n: int) -> pd.DataFrame:
    """Labels of the first n questions, once their whole exam is known to be the labelled one."""
    held = shipped()
    own = held[(held["world"] == name) & (held["n_items"] >= n)]
    if own.empty:
        raise ValueError(f"no shipped labels for {n} questions of the {name} world")
    own = own[own["n_items"] == own["n_items"].min()]
    whole = ExamWorld(name, load_world()).exam(int(own["n_items"].iloc[0]))
    if exam_digest(whole) != own["digest"].iloc[0]:
        raise ValueError(
            f"{FILE.name} labels other questions than the {name} world asks; run "
            "`python -m saebook.papers.yang2024 labels`"
        )
    return own[list(LABELLERS)].head(n).reset_index(drop=True)


def shipped_difficulty(world: ExamWorld, exam: Exam) -> np.ndarray:
    """Return the model-defined difficulty of each question, see `model_difficulty`."""
    return model_difficulty(probabilities(world, exam).to_numpy().T)
