"""The world: facts, concept inventory, and the same texts from the same seed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saebook.testbed import load_world
from saebook.testbed.registers import WRITERS
from saebook.testbed.world import LINK, ROLES, SKILLS

WORLD = load_world()
REGISTERS = tuple(WRITERS)
D_MODEL = 96
TEMPLATE_TOKENS = {
    "<start_of_turn>", "<end_of_turn>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
    "<|im_start|>", "<|im_end|>",
}  # fmt: skip


def digest_of_texts() -> str:
    """A digest over words, concepts and nats of a few texts of every register."""
    total = hashlib.sha256()
    for register in REGISTERS:
        for text in WORLD.sample(register, 5, 11):
            held = [sorted(concepts) for concepts in text.concepts]
            nats = [f"{nat:.9f}" for nat in text.nats]
            total.update(repr((text.words, held, nats)).encode())
    return total.hexdigest()


def test_texts_do_not_depend_on_the_process_or_its_hash_seed() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from test_world import digest_of_texts; print(digest_of_texts())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent)],
        env={**os.environ, "PYTHONHASHSEED": "123"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ran.stdout.strip() == digest_of_texts()


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(REGISTERS), st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 4))
def test_a_longer_sample_begins_with_the_shorter_one(register, seed, short, more) -> None:
    longer = WORLD.sample(register, short + more, seed)
    assert longer[:short] == WORLD.sample(register, short, seed)


@pytest.mark.parametrize("register", REGISTERS)
def test_seeds_give_different_texts(register: str) -> None:
    first, second = ({t.words for t in WORLD.sample(register, 30, seed)} for seed in (0, 1))
    assert len(first & second) <= 1


def test_an_unknown_register_or_an_empty_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown register 'novels'"):
        WORLD.sample("novels", 1, 0)
    with pytest.raises(ValueError, match="n is 0"):
        WORLD.sample("chats", 0, 0)


def test_a_world_from_another_seed_has_other_facts_in_the_same_words() -> None:
    other = load_world(seed=1)
    changed = sum(other.facts[key] != value for key, value in WORLD.facts.items())
    assert changed > len(WORLD.facts) / 2
    assert other.vocabulary() == WORLD.vocabulary()


def test_every_fact_takes_a_value_its_attribute_allows() -> None:
    for domain in WORLD.domains.values():
        for entity in domain.entities:
            for attribute, values in domain.attributes.items():
                assert WORLD.facts[entity, attribute] in values
                assert len(set(values)) == len(values) > 4  # five options need four wrong ones


def test_causes_stay_in_the_category_and_reach_every_depth() -> None:
    health = WORLD.domains["health"]
    assert set(WORLD.links) == set(health.entities)
    for entity, cause in WORLD.links.items():
        assert health.categories[cause] == health.categories[entity]
        chain = {entity, cause, WORLD.links[cause]}
        assert len(chain) == 3


def test_skill_mixes_and_exposures_are_probabilities() -> None:
    assert sum(WORLD.domain_weights.values()) == pytest.approx(1)
    for mix in WORLD.skill_mix.values():
        assert set(mix) == set(SKILLS)
        assert sum(mix.values()) == pytest.approx(1)


def test_skill_overlap_between_domains_covers_a_wide_range() -> None:
    mixes = list(WORLD.skill_mix.values())
    overlaps = [
        sum(min(a[s], b[s]) for s in SKILLS)
        for i, a in enumerate(mixes) for b in mixes[i + 1 :]
    ]  # fmt: skip
    assert min(overlaps) <= 0.45
    assert max(overlaps) >= 0.9


def test_concept_ids_are_unique_and_spelled_kind_slash_name() -> None:
    ids = [concept.id for concept in WORLD.concepts]
    assert len(ids) == len(set(ids))
    assert all(c.id == f"{c.kind}/{c.name}" for c in WORLD.concepts)
    assert {c.name for c in WORLD.concepts if c.kind == "role"} == set(ROLES)
    assert f"attribute/{LINK}" in ids


def test_there_are_at_least_five_times_as_many_concepts_as_dimensions() -> None:
    assert len(WORLD.concepts) >= 5 * D_MODEL


@pytest.mark.parametrize("register", REGISTERS)
def test_every_word_carries_concepts_of_the_inventory_and_a_cost(register: str) -> None:
    known = {concept.id for concept in WORLD.concepts}
    for text in WORLD.sample(register, 200, 3):
        assert len(text.words) == len(text.concepts) == len(text.nats)
        assert min(text.nats) >= 0
        assert text.text.split() == list(text.words)
        for held in text.concepts:
            assert held, "a word without ground truth"
            assert held <= known


def test_every_concept_of_the_inventory_occurs_somewhere() -> None:
    sizes = {"encyclopaedia": 2000}  # a class is named in one sentence of twelve
    texts = [
        t for register in REGISTERS for t in WORLD.sample(register, sizes.get(register, 250), 5)
    ]
    for domain in WORLD.domains:
        texts += WORLD.sample("problems", 15, 5, domain=domain, skill="recall", shots=6)
    seen = frozenset().union(*{held for text in texts for held in text.concepts})
    assert {concept.id for concept in WORLD.concepts} - seen == set()


def test_every_said_word_is_in_the_vocabulary() -> None:
    known = set(WORLD.vocabulary())
    for register in REGISTERS:
        said = {word for text in WORLD.sample(register, 300, 4) for word in text.words}
        assert said - known - TEMPLATE_TOKENS == set()


def test_template_tokens_stand_in_chats_only() -> None:
    for register in REGISTERS:
        said = {word for text in WORLD.sample(register, 200, 4) for word in text.words}
        assert bool(said & TEMPLATE_TOKENS) == (register == "chats")


def test_words_are_lower_case_but_for_option_letters_and_names_of_tokens() -> None:
    assert {word for word in WORLD.vocabulary() if word != word.lower()} == set("ABCDE")


def test_concept_frequencies_fall_over_two_orders_of_magnitude() -> None:
    counts: dict[str, int] = {}
    for text in WORLD.sample("encyclopaedia", 1500, 1):
        for held in text.concepts:
            for concept in held:
                counts[concept] = counts.get(concept, 0) + 1
    ordered = sorted(counts.values(), reverse=True)
    assert ordered[0] > 100 * ordered[len(ordered) // 2]


def test_popular_entities_come_up_more_often_than_rare_ones() -> None:
    for domain in WORLD.domains.values():
        weights = WORLD.popularity(domain)
        assert weights == sorted(weights, reverse=True)
        assert weights[0] > 2 * weights[-1]
