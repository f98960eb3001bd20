"""Explanations and their scores on latents whose meaning is known."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from saebook.corpora import token_batches
from saebook.interpretability import (
    InventoryExplainer,
    LexiconExplainer,
    WindowSizes,
    balanced_accuracy,
    detection_frame,
    detection_scores,
    latent_windows,
    published_labels,
    read_corpus,
    row_auroc,
    true_labels,
)
from saebook.subjects import load_subject
from saebook.testbed import load_world

VOCABULARY = 30


@pytest.fixture(scope="module")
def corpus():
    """Token ids, a latent that is a token, one that is a pair of tokens, and one that is noise."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(VOCABULARY, (200, 64), generator=generator)
    kept = torch.ones_like(ids, dtype=torch.bool)
    codes = torch.zeros(*ids.shape, 3)
    codes[..., 0] = (ids == 7).float()
    codes[:, 1:, 1] = ((ids[:, 1:] < 10) & (ids[:, :-1] == 3)).float()
    codes[..., 2] = (torch.rand(ids.shape, generator=generator) < 0.03).float()
    codes *= 1 + torch.rand(codes.shape, generator=generator)
    return ids, kept, codes


@pytest.fixture(scope="module")
def scored(corpus):
    ids, kept, codes = corpus
    windows = latent_windows(codes, kept, [0, 1, 2], seed=0)
    explainer = LexiconExplainer.learn(
        windows.read(windows.generation, ids),
        windows.acts(windows.generation, codes),
        windows.max_acts,
        (codes > 0).double().mean((0, 1)),
        VOCABULARY,
    )
    scores = explainer.window_scores(windows.read(windows.scoring, ids))
    return windows, explainer, detection_frame(scores, windows, codes)


def test_a_token_latent_is_explained_by_its_token_and_detected(scored):
    _, explainer, frame = scored
    words = explainer.words(0)
    assert [token for token, _ in words] == [7] and words[0][1] > 0.9
    assert frame.loc[0, "accuracy_true"] == 1 and frame.loc[0, "auroc_true"] == 1


def test_a_latent_of_two_tokens_needs_the_context_and_noise_stays_unexplained(scored):
    _, _, frame = scored
    assert frame.loc[1, "auroc_true"] > 0.8
    assert frame.loc[2, "auroc_true"] < 0.8 and frame.loc[2, "balanced_true"] < 0.75


def test_published_labels_call_random_windows_silent_whatever_they_hold(corpus, scored):
    _, _, codes = corpus
    windows = scored[0]
    true, published = true_labels(windows, codes), published_labels(3, windows.sizes)
    assert published.sum(1).tolist() == [4, 4, 4]
    assert bool(true[:, :4].all()) and int(true[0, 4:].sum()) > 0


def test_a_judge_that_says_none_scores_ten_of_fourteen_and_balanced_one_half():
    labels = published_labels(2, WindowSizes())
    frame = detection_scores(torch.zeros(2, 14), labels)
    assert frame["accuracy"].tolist() == pytest.approx([10 / 14] * 2)
    assert frame["balanced"].tolist() == [0.5, 0.5] and frame["auroc"].tolist() == [0.5, 0.5]


def test_scores_agree_with_scikit_learn_on_ties():
    generator = torch.Generator().manual_seed(1)
    scores = torch.randint(4, (20, 14), generator=generator).double() / 4
    labels = torch.rand(20, 14, generator=generator) < 0.4
    ours, balanced = row_auroc(scores, labels), balanced_accuracy(scores >= 0.5, labels)
    for i in range(20):
        assert float(ours[i]) == pytest.approx(roc_auc_score(labels[i], scores[i]))
        expected = balanced_accuracy_score(labels[i], scores[i] >= 0.5)
        assert float(balanced[i]) == pytest.approx(expected)


def test_a_row_of_one_class_has_no_auroc():
    labels = torch.ones(1, 5, dtype=torch.bool)
    assert bool(row_auroc(torch.rand(1, 5), labels).isnan().all())


def test_many_latents_at_once_equal_one_at_a_time(corpus, scored):
    ids, kept, codes = corpus
    _, _, together = scored
    for latent in range(3):
        windows = latent_windows(codes, kept, [latent], seed=0)
        one = LexiconExplainer.learn(
            windows.read(windows.generation, ids),
            windows.acts(windows.generation, codes),
            windows.max_acts,
            (codes[..., [latent]] > 0).double().mean((0, 1)),
            VOCABULARY,
        )
        frame = detection_frame(
            one.window_scores(windows.read(windows.scoring, ids)), windows, codes
        )
        assert frame.iloc[0].equals(together.iloc[latent])


def test_shapes_that_do_not_agree_are_refused(scored):
    _, explainer, _ = scored
    with pytest.raises(ValueError, match="one row a latent"):
        LexiconExplainer.learn(
            torch.zeros(2, 3, 4), torch.zeros(2, 3, 5), torch.ones(2), torch.ones(2), 5
        )
    with pytest.raises(ValueError, match="5 rows of windows"):
        explainer.probabilities(torch.zeros(5, 1, 21, dtype=torch.long))
    with pytest.raises(ValueError, match="scores"):
        detection_scores(torch.zeros(2, 3), torch.zeros(2, 4, dtype=torch.bool))


def test_the_inventory_names_the_concept_that_a_latent_is():
    labels = torch.rand(40, 64, 5, generator=torch.Generator().manual_seed(2)) < 0.1
    codes = labels[..., [3, 1]].float()
    windows = latent_windows(codes, torch.ones(40, 64, dtype=torch.bool), [0, 1], seed=0)
    active = windows.acts(windows.generation, codes) > 0
    named = InventoryExplainer.learn(labels, windows.generation, active)
    assert named.concept.tolist() == [3, 1] and named.f1.tolist() == [1.0, 1.0]
    fewer = InventoryExplainer.learn(labels, windows.generation, active, torch.tensor([0, 1]))
    assert fewer.concept[1] == 1 and fewer.concept[0] in (0, 1) and fewer.f1[0] < 1
    with pytest.raises(ValueError, match="no concept to name"):
        InventoryExplainer.learn(labels, windows.generation, active, torch.tensor([]).long())
    scores = named.window_scores(labels, windows.scoring, windows.sizes.width)
    assert torch.equal(scores.bool(), true_labels(windows, codes))


def test_a_corpus_of_annotated_texts_keeps_words_and_labels_together():
    subject, world = load_subject("gemma2-base"), load_world()
    texts = world.sample("encyclopaedia", 20, seed=5)
    corpus = read_corpus(subject, texts, layer=3, n_tokens=500, context=64)
    assert corpus.acts.shape == (*corpus.ids.shape, subject.d_model)
    assert 500 <= corpus.n_tokens < 570 and not corpus.kept[:, 0].any()
    words = subject.decode(corpus.ids[0, 1:].tolist()).split()
    assert " ".join(words) == " ".join(texts[0].words + texts[1].words)[: len(" ".join(words))] or (
        words[: len(texts[0].words)] == list(texts[0].words)[: len(words)]
    )
    for at in range(1, 20):
        held = {corpus.concepts[i] for i in corpus.labels[0, at].nonzero().flatten().tolist()}
        assert held == texts[0].concepts[at - 1]
    with pytest.raises(ValueError, match="give more texts"):
        read_corpus(subject, texts, layer=3, n_tokens=100_000)
    with pytest.raises(ValueError, match="fill no sequence of 128 tokens; give more texts"):
        read_corpus(subject, texts[:1], layer=3, n_tokens=10)


def test_a_last_batch_without_a_whole_sequence_is_left_out():
    subject, world = load_subject("gemma2-base"), load_world()
    texts = world.sample("encyclopaedia", 20, seed=5)
    whole = read_corpus(subject, texts, layer=3, n_tokens=500, context=64)
    assert token_batches(subject, texts, 64, batch_size=1)[-1].ids.shape[1] < 64
    one_by_one = read_corpus(subject, texts, layer=3, n_tokens=500, context=64, batch_size=1)
    assert torch.equal(one_by_one.ids, whole.ids) and torch.equal(one_by_one.labels, whole.labels)
