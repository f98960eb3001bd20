"""The judges that need no model: grades, likelihood, annotation, instruction, fluency."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from saebook import judges
from saebook.interpretability import LexiconExplainer
from saebook.judges.fluency import fluency_cuts
from saebook.judges.instruction import thirds
from saebook.subjects import load_subject
from saebook.testbed import load_world


@pytest.fixture(scope="module")
def subject():
    return load_subject("gemma2-base")


@pytest.fixture(scope="module")
def texts():
    return load_world().sample("encyclopaedia", 300, seed=11)


@pytest.fixture(scope="module")
def rows(subject, texts):
    return subject.encode([t.text for t in texts], bos=False)


@pytest.fixture(scope="module")
def annotator(rows, texts, subject):
    return judges.ConceptAnnotator.fit(rows[:200], texts[:200], len(subject.tokenizer))


@pytest.fixture(scope="module")
def likelihood(rows, subject):
    return judges.GeneratorLikelihood.fit(rows[:200], len(subject.tokenizer))


def test_one_zero_makes_the_harmonic_mean_zero():
    found = judges.harmonic_mean([2, 1, 2, 0], [2, 1, 1, 2], [2, 1, 2, 2])
    assert found.tolist() == pytest.approx([2, 1, 1.5, 0])
    with pytest.raises(ValueError, match="between 0 and 2"):
        judges.harmonic_mean([3], [1], [1])
    with pytest.raises(ValueError, match="between 0 and 2"):
        judges.harmonic_mean([math.nan], [1], [1])


def test_grades_rise_at_the_cuts_and_nowhere_else():
    assert judges.grade([0.0, 1.0, 1.1, 2.0, 9.0], 1.0, 2.0).tolist() == [0, 0, 1, 2, 2]
    assert judges.grade([1.0, 1.1], 1.0, 1.0).tolist() == [0, 2]
    with pytest.raises(ValueError, match="not finite"):
        judges.grade([math.nan], 0, 1)
    with pytest.raises(ValueError, match="would not rise"):
        judges.grade([1.0], 2, 1)


def test_natural_text_is_likelier_than_shuffled_text_and_probabilities_sum_to_one(
    likelihood, rows, subject
):
    rng = np.random.default_rng(0)
    held_out = rows[200:250]
    mixed = [rng.permutation(row).tolist() for row in held_out]
    empty: list[list[int]] = [[]] * len(held_out)
    natural, shuffled = (likelihood.mean_logprobs(r, empty) for r in (held_out, mixed))
    assert (natural > shuffled + 1).all()
    everything = range(len(subject.tokenizer))
    total = sum(math.exp(likelihood.logprobs([w], context=rows[0][:7])[0]) for w in everything)
    assert total == pytest.approx(1, abs=1e-6)


def test_likelihood_equals_a_slow_transcription(likelihood, rows):
    counts = {1: {}, 2: {}, 3: {}}
    for row in rows[:200]:
        padded = [0, 0, *row]
        for i in range(2, len(padded)):
            for n in counts:
                gram = tuple(padded[i - n + 1 : i + 1])
                counts[n][gram] = counts[n].get(gram, 0) + 1
    text, total = rows[210][:12], sum(counts[1].values()) + likelihood.vocabulary
    for i, found in enumerate(likelihood.logprobs(text)):
        a, b, c = [0, 0, *text][i : i + 3]
        p = (counts[1].get((c,), 0) + 1) / total
        p = (counts[2].get((b, c), 0) + 0.5 * p) / (
            max(counts[1].get((b,), 0), counts[2].get((b, c), 0)) + 0.5
        )
        p = (counts[3].get((a, b, c), 0) + 0.5 * p) / (
            max(counts[2].get((a, b), 0), counts[3].get((a, b, c), 0)) + 0.5
        )
        assert math.exp(found) == pytest.approx(p)


def test_an_empty_text_scores_worst_and_nothing_is_counted_in_it(likelihood, annotator):
    worst = likelihood.mean_logprobs([[]], [[1, 2]])[0]
    assert worst < likelihood.mean_logprobs([[5, 6, 7]], [[]])[0]
    assert annotator.expected([[], []], [0, 1]).tolist() == [0, 0]
    with pytest.raises(ValueError, match="without words"):
        likelihood.logprobs([])


def test_the_annotator_recovers_the_written_truth_of_texts_it_has_not_seen(annotator, rows, texts):
    right, all_words = 0, 0
    for row, text in zip(rows[200:240], texts[200:240], strict=True):
        said = annotator.probabilities(row) >= 0.5
        for at, held in enumerate(text.concepts):
            named = {c for c in held if c.startswith(("entity/", "number/", "value/"))}
            found = {annotator.concepts[i] for i in said[at].nonzero()[0]}
            right += named <= found
            all_words += 1
    assert right / all_words > 0.95
    with pytest.raises(ValueError, match="entity/unheard"):
        annotator.column("entity/unheard")


def test_expected_counts_are_sums_of_probabilities(annotator, rows):
    concepts = [annotator.column("topic/law"), annotator.column("role/fact")]
    found = annotator.expected([rows[0], rows[1][:9]], concepts)
    by_hand = [
        annotator.probabilities(r)[:, c].sum()
        for r, c in zip([rows[0], rows[1][:9]], concepts, strict=True)
    ]
    assert found == pytest.approx(by_hand, rel=1e-5)


def test_a_text_whose_words_and_tokens_differ_is_refused_by_number(rows, texts, subject):
    with pytest.raises(ValueError, match="text 1 has"):
        judges.ConceptAnnotator.fit([rows[0], rows[1][:-1]], texts[:2], len(subject.tokenizer))


def test_the_inventory_judge_wants_more_than_unsteered_text_holds(annotator, rows):
    law = annotator.column("topic/law")
    lawful = max(rows, key=lambda r: annotator.expected([r[:20]], [law])[0])[:20]
    other = min(rows, key=lambda r: annotator.expected([r[:20]], [law])[0])[:20]
    natural = [row[:20] for row in rows]
    judge = judges.InventoryJudge.calibrated(annotator, [[other] * 5, [lawful] * 5], natural)
    grades = judge.grades([lawful, other, lawful], [0, 0, 1], [law] * 3)
    assert grades.tolist() == [2, 0, 0], "where unsteered text holds it already, nothing is gained"
    with pytest.raises(ValueError, match="every prompt"):
        judges.InventoryJudge.calibrated(annotator, [[other], []], natural)


def test_the_lexicon_judge_counts_the_explained_words():
    ids = torch.randint(20, (1, 15, 21), generator=torch.Generator().manual_seed(0))
    ids[..., 10] = 5
    acts = (ids == 5).float()
    explainer = LexiconExplainer.learn(ids, acts, torch.ones(1), torch.tensor([0.05]), 20)
    judge = judges.LexiconJudge.calibrated(explainer, [[[1, 2, 3, 4]] * 5], ids)
    assert judge.grades([[[1, 2, 3], [5, 1, 5, 5, 2, 5], []]], [0, 0, 0]).tolist() == [[0, 2, 0]]


def test_re_encoding_grades_by_shares_of_the_natural_maximum():
    found = judges.reencoded_grades(torch.tensor([0.05, 0.2, 4.0]), torch.full((3,), 10.0))
    assert found.tolist() == [0, 1, 2]


def test_the_topic_judge_tells_a_followed_instruction_from_another(annotator, rows, texts):
    def about(name: str) -> list[list[int]]:
        pairs = zip(rows, texts, strict=True)
        return [r[4:24] for r, t in pairs if f"topic/{name}" in t.concepts[0]][:8]

    judge = judges.TopicJudge.calibrated(
        annotator, ["topic/law", "topic/biology"], [about("law"), about("biology")]
    )
    own = judge.grades(about("law"), [0] * len(about("law")))
    other = judge.grades(about("biology"), [0] * len(about("biology")))
    assert own.mean() > 1.5 and other.mean() < 0.5
    with pytest.raises(ValueError, match="two topics"):
        judges.TopicJudge.calibrated(annotator, ["topic/law"] * 2, [[rows[0]], [rows[1]]])
    with pytest.raises(ValueError, match="cannot tell them apart"):
        thirds(0.5, 0.4)


def test_fluency_falls_for_shuffled_words_loops_and_nothing(likelihood, rows):
    unsteered, contexts = [r[6:26] for r in rows[200:300]], [r[:6] for r in rows[200:300]]
    judge = judges.FluencyJudge.calibrated(likelihood, unsteered, contexts, seed=0)
    assert judge.grades(unsteered, contexts).mean() > 1.7
    rng = np.random.default_rng(1)
    mixed = [rng.permutation(r).tolist() for r in unsteered]
    assert judge.grades(mixed, contexts).mean() < 0.2
    assert judge.grades([unsteered[0][:5] * 4, []], contexts[:2]).tolist() == [0, 0]
    with pytest.raises(ValueError, match="says nothing"):
        fluency_cuts(np.array([-2.0]), np.array([-1.0]))


def test_repetition_counts_four_grams_that_came_before():
    assert judges.repeated_share([1, 2, 3, 4, 5, 6]) == 0
    assert judges.repeated_share([1, 2, 3, 4] * 2) == pytest.approx(1 / 5)
    assert judges.repeated_share([1, 2]) == 0


def test_perplexity_grades_use_the_same_cuts():
    unsteered, shuffled = torch.linspace(-2, -1, 11), torch.full((5,), -6.0)
    found = judges.perplexity_grades(torch.tensor([-1.2, -2.5, -5.0]), unsteered, shuffled)
    assert found.tolist() == [2, 1, 0]


def test_pmi_is_higher_under_the_own_instruction(subject):
    outputs = ["the venue of the arson is school", "the region of the musket is south"]
    own = judges.instruction_pmi(subject, ["law : arson .", "history : musket ."], outputs, ".")
    crossed = judges.instruction_pmi(subject, ["history : musket .", "law : arson ."], outputs, ".")
    assert bool((own > crossed).all())
