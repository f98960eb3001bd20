"""Tidy frames of the world: concepts counted over texts, skills by domain, facts, families."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from saebook.testbed import AnnotatedText, World
from saebook.testbed.registers import WRITERS
from saebook.testbed.registers.exams import EXAM_COUNTS, exam_questions
from saebook.testbed.tokenizers import SPECIALS, build_tokenizer
from saebook.testbed.world import SKILLS


def sample_registers(world: World, n: int, seed: int) -> dict[str, list[AnnotatedText]]:
    """Return `n` texts of every register, chats in the first family's template."""
    return {register: world.sample(register, n, seed) for register in WRITERS}


def register_frame(samples: dict[str, list[AnnotatedText]]) -> pd.DataFrame:
    """One row a register: texts, words, mean length, concepts a word, floor in nats a word."""
    rows = []
    for register, texts in samples.items():
        words = sum(map(len, texts))
        held = sum(len(concepts) for text in texts for concepts in text.concepts)
        nats = sum(sum(text.nats) for text in texts)
        rows.append(
            {
                "register": register,
                "texts": len(texts),
                "words": words,
                "words a text": words / len(texts),
                "concepts a word": held / words,
                "entropy floor [nats a word]": nats / words,
            }
        )
    return pd.DataFrame(rows).set_index("register")


def concept_frame(world: World, texts: Sequence[AnnotatedText]) -> pd.DataFrame:
    """One row a concept of the inventory: kind, tokens at which it holds, and their share."""
    counts = Counter(c for text in texts for held in text.concepts for c in held)
    total = sum(map(len, texts))
    return pd.DataFrame(
        [
            {"concept": c.id, "kind": c.kind, "count": counts[c.id], "share": counts[c.id] / total}
            for c in world.concepts
        ]
    )


def kind_frame(concepts: pd.DataFrame) -> pd.DataFrame:
    """One row a kind: concepts listed, concepts met, the most common one and its share."""
    rows = []
    for kind, group in concepts.groupby("kind", sort=False):
        top = group.sort_values("share", ascending=False, kind="stable").iloc[0]
        rows.append(
            {
                "kind": kind,
                "concepts": len(group),
                "met": int((group["count"] > 0).sum()),
                "most common": top["concept"],
                "share of tokens": top["share"],
            }
        )
    return pd.DataFrame(rows).set_index("kind")


def cooccurrence(texts: Sequence[AnnotatedText], kinds: Sequence[str]) -> pd.DataFrame:
    """P(a concept of the column's kind holds | one of the row's kind holds), over tokens.

    Rows whose kind never holds are zero.
    """
    both: Counter[tuple[str, str]] = Counter()
    for text in texts:
        for held in text.concepts:
            here = {concept.split("/")[0] for concept in held}.intersection(kinds)
            both.update((row, column) for row in here for column in here)
    rows = [[both[r, c] / max(both[r, r], 1) for c in kinds] for r in kinds]
    return pd.DataFrame(rows, index=pd.Index(kinds), columns=pd.Index(kinds))


def skill_frame(world: World) -> pd.DataFrame:
    """Share of each skill [columns] among the problems of each domain [rows]."""
    rows = {domain: [mix[skill] for skill in SKILLS] for domain, mix in world.skill_mix.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=pd.Index(SKILLS))


def skill_overlap(world: World, source: str) -> pd.Series:
    """Overlap of every domain's skill mix with one domain's: sum of the smaller shares, 0 to 1.

    Raises:
        ValueError: Unknown domain.
    """
    if source not in world.skill_mix:
        raise ValueError(f"unknown domain {source!r}; known: {', '.join(world.skill_mix)}")
    mixes = skill_frame(world)
    shared = np.minimum(mixes.to_numpy(), mixes.loc[[source]].to_numpy()).sum(1)
    return (
        pd.Series(shared, index=mixes.index)
        .sort_values(ascending=False)
        .rename(f"overlap with {source}")
    )


def fact_frame(world: World, domain: str, entities: int = 6) -> pd.DataFrame:
    """What is true of a domain's first entities: class, then one column an attribute.

    Raises:
        ValueError: Unknown domain.
    """
    if domain not in world.domains:
        raise ValueError(f"unknown domain {domain!r}; known: {', '.join(world.domains)}")
    held = world.domains[domain]
    rows = [
        {"entity": e, "class": held.class_of(e)} | {a: world.facts[e, a] for a in held.attributes}
        for e in held.entities[:entities]
    ]
    return pd.DataFrame(rows).set_index("entity")


def family_frame(world: World, seed: int) -> pd.DataFrame:
    """Tokenizer and chat template of each family, one column a family."""
    columns = {}
    for family, special in SPECIALS.items():
        tokenizer = build_tokenizer(world, family)
        (chat,) = world.sample("chats", 1, seed, family=family)
        columns[family] = {
            "tokens": len(tokenizer),
            "begins with": special.bos or "nothing",
            "ends with": special.eos,
            "padding": special.pad,
            "chat tokens": " ".join(special.template),
            "share of template words in a chat": f"{_template_share(chat):.2f}",
        }
    return pd.DataFrame(columns)


def agreement(world: World, samples: dict[str, list[AnnotatedText]]) -> pd.DataFrame:
    """Hold the engine against what was promised of it: one row a promise, `ours`, `expected`."""
    texts = [text for group in samples.values() for text in group]
    known = {concept.id for concept in world.concepts}
    held = {concept for text in texts for concepts in text.concepts for concept in concepts}
    rows = [
        ("concepts that the inventory lacks", len(held - known), 0),
        ("words without a concept", sum(not c for t in texts for c in t.concepts), 0),
        ("questions of the exam", len(exam_questions(world)), sum(EXAM_COUNTS.values())),
        ("facts", len(world.facts), _facts_to_have(world)),
        *((f"words that {f} splits or does not know", _misread(world, f), 0) for f in SPECIALS),
    ]
    frame = pd.DataFrame(rows, columns=pd.Index(["what", "ours", "expected"])).set_index("what")
    frame["match"] = frame["ours"] == frame["expected"]
    return frame


def _template_share(chat: AnnotatedText) -> float:
    return sum("role/template" in held for held in chat.concepts) / len(chat)


def _facts_to_have(world: World) -> int:
    return sum(len(d.entities) * len(d.attributes) for d in world.domains.values())


def _misread(world: World, family: str) -> int:
    """Words of the vocabulary that a family's tokenizer does not read as one token of their own."""
    tokenizer, words = build_tokenizer(world, family), list(world.vocabulary())
    rows = tokenizer(words, add_special_tokens=False)["input_ids"]
    read = zip(words, rows, strict=True)
    return sum(tokenizer.convert_ids_to_tokens(row) != [word] for word, row in read)
