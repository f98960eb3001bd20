"""Every kind of text says what is true: facts, answers, personas, letters and exam counts."""

from __future__ import annotations

import random
import re
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.every_path import floor_and_entropy

from saebook.testbed import behaviour_pairs, free_prompts, load_world
from saebook.testbed.annotate import Scribe
from saebook.testbed.registers import behaviours, chats, encyclopaedia, problems
from saebook.testbed.registers.exams import EXAM_COUNTS, exam_questions, write_exam
from saebook.testbed.world import LINK, SKILLS

WORLD = load_world()
DIAL = 7
ORDINALS = {"first": 0, "second": 1, "third": 2, "last": 3}
FACT = re.compile(r"the (\S+) of the (\S+) is (\S+) \.|the (\S+) has (\S+) as its (\S+) \.")


def sentences(words: tuple[str, ...]) -> list[str]:
    return [s.strip() + " ." for s in " ".join(words).split(" .") if s.strip()]


def problems_of(words: tuple[str, ...]) -> list[dict]:
    """Read the problems of a text: question, options by letter, chosen letter and its content."""
    found = []
    for part in " ".join(words).split("question : ")[1:]:
        head, tail = part.split(" answer : ")
        content, _, letter = tail.split()[:3]
        options = dict(re.findall(r"\( ([A-E]) (\S+) \)", head))
        question = head[: head.index(" ( A ")]
        found.append({"q": question, "options": options, "letter": letter, "content": content})
    return found


def held(question: str) -> dict[str, int]:
    return {e: int(n) for e, n in re.findall(r"the (\S+) has (\d+) \S+ \.", question)}


def answer_to(skill: str, question: str, options: dict[str, str]) -> str:
    """Work the answer out from the question's words (and the world's facts), as a reader would."""
    words = question.split()
    if skill == "recall":
        return WORLD.facts[words[-2], words[3]]
    if skill == "lookup":
        return str(held(question)[words[-2]])
    if skill in ("maximum", "order"):
        ranked = sorted(held(question).items(), key=lambda item: item[1])
        return ranked[-1 if skill == "maximum" else -2][0]
    if skill == "compare":
        return next(o for o in options.values() if int(o) > int(words[-2]))
    if skill == "count":
        listed = question.split(" . ")[0].removeprefix("here are ").split()
        return str(listed.count(words[-3]))
    if skill == "index":
        listed = question.split(" . ")[0].removeprefix("here are ").split()
        return listed[ORDINALS[words[-2]]]
    start, step = (int(w) for w in words if w.isdigit())
    return str((start + step) % DIAL)


@pytest.mark.parametrize("skill", SKILLS)
def test_the_answer_follows_from_the_question(skill: str) -> None:
    for domain in WORLD.domains:
        for text in WORLD.sample("problems", 4, 17, domain=domain, skill=skill, shots=3):
            found = problems_of(text.words)
            assert len(found) == 4
            for problem in found:
                right = answer_to(skill, problem["q"], problem["options"])
                assert problem["content"] == right == problem["options"][problem["letter"]]
                assert list(problem["options"].values()).count(right) == 1
                assert len(set(problem["options"].values())) == 4


def test_exactly_one_number_is_more_than_the_threshold() -> None:
    for text in WORLD.sample("problems", 60, 3, skill="compare", shots=0):
        (problem,) = problems_of(text.words)
        threshold = int(problem["q"].split()[-2])
        assert sum(int(o) > threshold for o in problem["options"].values()) == 1


def test_option_letters_of_problems_are_balanced() -> None:
    letters = Counter(
        p["letter"]
        for text in WORLD.sample("problems", 250, 9, shots=3) for p in problems_of(text.words)
    )  # fmt: skip
    total = sum(letters.values())
    assert set(letters) == set("ABCD")
    assert all(abs(count / total - 0.25) < 0.06 for count in letters.values())  # over 4 sigma


def test_problems_follow_the_domains_skill_mix() -> None:
    texts = WORLD.sample("problems", 120, 2, domain="biology", shots=6, reason=False)
    questions = Counter(
        c for t in texts for w, h in zip(t.words, t.concepts, strict=True) if w == "question"
        for c in h if c.startswith("skill/")
    )  # fmt: skip
    total = sum(questions.values())
    for skill, share in WORLD.skill_mix["biology"].items():
        assert abs(questions[f"skill/{skill}"] / total - share) < 0.08


def test_drills_name_the_letter_each_option_has() -> None:
    asked = 0
    for text in WORLD.sample("drills", 60, 2):
        for part in re.split(r"(?= \( A \w)", " " + text.text):
            options = {e: x for x, e in re.findall(r"\( ([A-E]) (\S+) \)", part)}
            answers = re.findall(r"answer : (\S+) \( ([A-E]) \) \.", part)
            assert len(answers) == len(options)
            for option, letter in answers:
                assert letter == options[option]
                asked += 1
    assert asked > 100


def test_facts_told_in_documents_are_the_worlds_facts() -> None:
    told = 0
    for text in WORLD.sample("encyclopaedia", 300, 21):
        for sentence in sentences(text.words):
            match = FACT.fullmatch(sentence)
            if match is None:
                continue
            a, e, v, e2, v2, a2 = match.groups()
            entity, attribute, value = (e, a, v) if a else (e2, a2, v2)
            assert WORLD.facts[entity, attribute] == value
            told += 1
    assert told > 500


def test_causes_told_in_documents_are_the_worlds_links() -> None:
    told = 0
    for text in WORLD.sample("encyclopaedia", 600, 21):
        pattern = rf"the {LINK} of the (\S+) is the (\S+) \."
        for entity, cause in re.findall(pattern, text.text):
            assert WORLD.links[entity] == cause
            told += 1
    assert told > 10


def test_no_fact_is_told_twice_of_one_entity_in_a_row() -> None:
    for text in WORLD.sample("encyclopaedia", 100, 5):
        for part in re.split(r"(?<=\.) (?=[a-z ,]+ : \S+ \.)", text.text):
            told = [m.groups() for m in map(FACT.fullmatch, sentences(tuple(part.split()))) if m]
            assert len(told) == len(set(told))


def test_a_facts_value_and_its_entity_are_named_where_they_stand() -> None:
    for text in WORLD.sample("encyclopaedia", 100, 5):
        for i in range(6, len(text.words)):
            the, attribute, of, _, entity, is_ = text.words[i - 6 : i]
            if (the, of, is_) == ("the", "of", "is") and (entity, attribute) in WORLD.facts:
                value = text.words[i]
                assert {f"attribute/{attribute}", f"value/{value}"} <= text.concepts[i]
                assert f"entity/{entity}" in text.concepts[i - 2]
                assert f"entity/{entity}" not in text.concepts[i]


@pytest.mark.parametrize("behaviour", WORLD.behaviours)
@pytest.mark.parametrize("sign", "+-")
def test_a_speaker_never_acts_against_the_persona(behaviour: str, sign: str) -> None:
    poles = dict(zip("+-", WORLD.pole_words(behaviour), strict=True))
    other = set(poles["-" if sign == "+" else "+"])
    acts = 0
    for text in WORLD.sample("behaviours", 12, 1, behaviour=behaviour, pole=sign):
        for word, concepts in zip(text.words, text.concepts, strict=True):
            if {"role/answer", "role/statement"} & concepts:
                assert word not in other
                acts += word in poles[sign]
            assert f"behaviour/{behaviour}{sign}" in concepts
    assert acts >= 24  # two answers a document at the least


@pytest.mark.parametrize("behaviour", WORLD.behaviours)
def test_the_two_poles_of_a_behaviour_share_no_verb(behaviour: str) -> None:
    positive, negative = WORLD.pole_words(behaviour)
    assert not set(positive) & set(negative)
    assert len(positive) == len(negative) >= 2


def test_the_chosen_content_follows_the_letter_and_is_that_options_content() -> None:
    asked = 0
    for text in WORLD.sample("behaviours", 100, 4):
        for part in text.text.split("question : ")[1:]:
            options = dict(re.findall(r"\( ([AB]) (\S+ the \S+) \)", part.split("answer :")[0]))
            answer = re.search(r"answer : \( ([AB]) (\S+ the \S+) \)", part)
            if options:
                assert answer and options[answer[1]] == answer[2]
                asked += 1
    assert asked > 80


@pytest.mark.parametrize("behaviour", WORLD.behaviours)
def test_contrastive_pairs_differ_in_their_last_letter_alone(behaviour: str) -> None:
    positive, negative = WORLD.pole_words(behaviour)
    pairs = behaviour_pairs(WORLD, behaviour, 200, 0)
    for pair in pairs:
        assert pair.prompt.endswith("answer : (")
        assert {pair.positive[-1], pair.negative[-1]} == {"A", "B"}
        assert pair.positive == f"{pair.prompt} {pair.matching_letter}"
        assert pair.negative[:-1] == pair.positive[:-1]
        at = "AB".index(pair.matching_letter)
        assert pair.options[at].split()[0] in positive
        assert pair.options[1 - at].split()[0] in negative
        assert all(option in pair.prompt for option in pair.options)
    share = sum(pair.matching_letter == "A" for pair in pairs) / len(pairs)
    assert 0.35 < share < 0.65


def test_free_prompts_stop_where_the_content_begins() -> None:
    prompts = free_prompts(WORLD, "sycophancy", 20, 0)
    assert all(prompt.endswith("answer : i would") for prompt in prompts)
    assert prompts[:5] == free_prompts(WORLD, "sycophancy", 5, 0)


def test_pairs_and_prompts_refuse_unknown_behaviours_and_empty_counts() -> None:
    for ask in (behaviour_pairs, free_prompts):
        with pytest.raises(ValueError, match="unknown behaviour 'greed'"):
            ask(WORLD, "greed", 1, 0)
        with pytest.raises(ValueError, match="n is 0"):
            ask(WORLD, "refusal", 0, 0)


def test_the_exam_has_the_published_counts() -> None:
    counts = Counter(question.category for question in exam_questions(WORLD))
    assert list(EXAM_COUNTS.values()) == [168, 126, 118, 124, 87, 61, 79, 46, 31, 34]
    assert counts == EXAM_COUNTS
    assert sum(counts.values()) == 874


def test_exam_questions_follow_causes_as_deep_as_they_say() -> None:
    for question in exam_questions(WORLD):
        entity = question.entity
        for _ in range(question.depth - 1):
            entity = WORLD.links[entity]
        assert entity == question.target
        assert 1 <= question.depth <= 3


def test_every_fact_of_the_exam_comes_up_at_every_depth() -> None:
    depths: dict[tuple[str, str], set[int]] = {}
    for question in exam_questions(WORLD):
        depths.setdefault((question.target, question.attribute), set()).add(question.depth)
    assert all(found == {1, 2, 3} for found in depths.values())


def test_every_fact_of_the_exam_comes_up_in_at_least_five_questions() -> None:
    uses = Counter((q.target, q.attribute) for q in exam_questions(WORLD))
    assert min(uses.values()) >= 5


def test_a_written_exam_question_asks_and_answers_as_specified() -> None:
    for i, question in enumerate(exam_questions(WORLD)[::20]):
        text = write_exam(WORLD, random.Random(i), question)
        (read,) = problems_of(text.words)
        assert read["content"] == WORLD.facts[question.target, question.attribute]
        assert read["options"][read["letter"]] == read["content"]
        assert len(set(read["options"].values())) == 5
        assert read["q"].count(f"{LINK} of the") == question.depth - 1
        assert read["q"].endswith(f"{question.entity} ?")


def test_a_statements_cost_is_the_entropy_of_what_it_says() -> None:
    entry = WORLD.behaviour("sycophancy")

    def write(tape):
        scribe = Scribe(tape)
        behaviours._statement(scribe, entry, "+")
        return scribe.finish("behaviours")

    floor, entropy = floor_and_entropy(write)
    assert floor == pytest.approx(entropy)


def test_a_choice_questions_cost_is_the_entropy_of_what_it_says() -> None:
    entry = WORLD.behaviour("refusal")

    def write(tape):
        scribe = Scribe(tape)
        behaviours._choice(scribe, entry, "-")
        return scribe.finish("behaviours")

    floor, entropy = floor_and_entropy(write)
    assert floor == pytest.approx(entropy)


def test_a_small_problems_cost_is_the_entropy_of_what_it_says() -> None:
    """Wrong options are drawn as a set and then shuffled: their draw must not be charged twice."""
    numbers = ("1", "2", "3", "4")

    def write(tape):
        scribe = Scribe(tape)
        wrong = scribe.subset(numbers[1:], 2)
        answer = problems.Answer("1", tuple(wrong), lambda: None, "number")
        problems.say_choices(scribe, answer, reason=False)
        return scribe.finish("problems")

    floor, entropy = floor_and_entropy(write)
    assert floor == pytest.approx(entropy)


def test_a_documents_next_sentence_costs_its_entropy_when_some_cannot_be_said() -> None:
    entity, domain = "otter", WORLD.domains["biology"]  # no causes, and every fact is told
    shown: dict = {form: form.__name__ for form in encyclopaedia._SENTENCES}

    def write(tape):
        scribe = Scribe(tape)
        forms = [encyclopaedia._possible(f, WORLD, entity, []) for f in encyclopaedia._SENTENCES]
        scribe.say(shown[scribe.pick(forms, encyclopaedia._WEIGHTS)])
        return scribe.finish("encyclopaedia")

    assert domain.class_of(entity) == "animal"
    floor, entropy = floor_and_entropy(write)
    assert floor == pytest.approx(entropy)


def test_a_chats_cost_is_its_entropy_though_it_may_not_show_what_it_turns_around(
    monkeypatch,
) -> None:
    """Domain, entity and pole are drawn first; a chat pays for those that its words depend on."""
    monkeypatch.setattr(chats, "_REQUESTS", (chats._ask_write, chats._ask_behaviour))
    monkeypatch.setattr(chats, "_WEIGHTS", (0.4, 0.6))
    domains = [
        SimpleNamespace(name=name, entities=("e", "f"), lexicon=("u", "v")) for name in ("d1", "d2")
    ]
    entry = SimpleNamespace(
        name="b", settings=("s",), objects=("o",), positive=("yes",), negative=("no",)
    )
    world: Any = SimpleNamespace(
        pick_domain=lambda scribe: scribe.pick(domains, (1, 3)),
        popularity=lambda domain: (1, 2),
        topics=lambda domain, entity: (f"topic/{domain.name}",),
        lexicon=SimpleNamespace(places=("p",)),
        behaviours=("b",),
        behaviour=lambda name: entry,
    )
    floor, entropy = floor_and_entropy(lambda tape: chats.write_chat(world, tape))
    assert floor == pytest.approx(entropy)
