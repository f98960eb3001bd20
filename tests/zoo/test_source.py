"""Activations from a model reading text: keys, text streams, and an SAE's validity on them."""

from __future__ import annotations

from itertools import islice

import pytest
import torch
from synthetic import small_spec
from tiny import D_MODEL, WORDS, tiny_subject

from saebook.activations import capture
from saebook.zoo import HouseSource, get_saes
from saebook.zoo.source import CORPORA, house_texts
from saebook.zoo.validity import concept_labels, validity_report

TEXTS = [" ".join(WORDS[(i * 7 + j) % len(WORDS)] for j in range(3 + i % 9)) for i in range(160)]


class _Text:
    """A text whose words carry one concept by parity and one by identity."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.concepts = tuple(
            frozenset({f"word/{w}", *(("letter",) if w in "ABCDE" else ())}) for w in text.split()
        )


def _tiny_spec(**changes):
    fields = {"subject": "tiny-llama", "corpus": "own", "d_sae": 2 * D_MODEL, "context": 32}
    return small_spec(**{**fields, "n_tokens": 500, **changes})


@pytest.fixture(scope="module")
def house() -> HouseSource:
    return HouseSource({"tiny-llama": tiny_subject("llama")}, {"own": TEXTS})


def test_the_stream_is_the_blocks_output_without_bos(house):
    spec = _tiny_spec(packing="single")
    parts = list(house.stream(spec.stream, [spec.hook_name]))
    streamed = torch.cat([part[spec.hook_name] for part in parts])
    subject = house.subject("tiny-llama")
    captured = capture(subject, TEXTS, [1], positions="all")
    kept = captured.index["position"].to_numpy() > 0
    torch.testing.assert_close(streamed, captured[1][torch.tensor(kept)], rtol=1e-4, atol=1e-4)


def test_keeping_all_tokens_adds_the_bos(house):
    spec = _tiny_spec(packing="single")
    counts = {
        tokens: sum(
            len(part[spec.hook_name])
            for part in house.stream(spec.stream._replace(tokens=tokens), [spec.hook_name])
        )
        for tokens in ("all", "no-bos")
    }
    assert counts["all"] - counts["no-bos"] == len(TEXTS)


def test_a_layer_the_model_lacks_is_refused(house):
    spec = _tiny_spec(hook_name="blocks.7.hook_resid_post")
    with pytest.raises(ValueError, match="layers 0 to 2"):
        next(house.stream(spec.stream, [spec.hook_name]))


def test_too_little_text_is_refused_with_counts(house, tmp_path):
    with pytest.raises(ValueError, match="give more text or lower n_tokens"):
        get_saes([_tiny_spec(n_tokens=9999)], house, cache_root=tmp_path, progress=False)


def test_given_texts_are_named_by_their_content(house):
    other = HouseSource(corpora={"own": [*TEXTS[:-1], "changed"]})
    assert house.corpus_version("own") != other.corpus_version("own")
    assert house.corpus_version("own") == HouseSource(corpora={"own": list(TEXTS)}).corpus_version(
        "own"
    )


def test_an_unknown_corpus_is_refused_with_the_known_ones(house):
    with pytest.raises(ValueError, match=r"unknown corpus 'web'; known: default"):
        house.corpus_version("web")


def test_testbed_corpora_have_distinct_versions(house):
    assert len({house.corpus_version(name) for name in CORPORA}) == len(CORPORA)


def test_testbed_texts_follow_their_mixture_and_their_seed():
    first = next(house_texts("default", 0, "gemma2"))
    registers = [text.register for text in first[:5]]
    assert registers == ["encyclopaedia"] * 3 + ["problems"] * 2
    again, moved = (
        next(house_texts("default", 0, "gemma2")),
        next(house_texts("default", 1, "gemma2")),
    )
    assert [t.text for t in first] == [t.text for t in again]
    assert [t.text for t in first] != [t.text for t in moved]
    parts = list(islice(house_texts("default", 0, "gemma2"), 2))
    assert parts[0][0].text != parts[1][0].text


def test_concept_labels_follow_the_words(house):
    from saebook.corpora import token_batches

    texts = [_Text("the otter A lives"), _Text("B fish")]
    subject = house.subject("tiny-llama")
    (batch,) = token_batches(subject, texts, 16, "packed")
    kept = batch.keep(drop_bos=True)
    labels = concept_labels(texts, batch, kept, {"letter": 0, "word/fish": 1, **{
        f"word/{w}": i + 2 for i, w in enumerate(["the", "otter", "A", "lives", "B"])
    }})  # fmt: skip
    assert labels[:, 0].tolist() == [False, False, True, False, True, False]
    assert labels[:, 1].tolist() == [False] * 5 + [True]


def test_the_validity_report_finds_words_in_a_models_first_block(house, tmp_path):
    spec = _tiny_spec(hook_name="blocks.0.hook_resid_post", sparsity=8, epochs=40)
    entry = get_saes([spec], house, cache_root=tmp_path, progress=False)[spec]
    subject = house.subject("tiny-llama")
    texts = [_Text(t) for t in TEXTS]
    report = validity_report(entry, subject, texts)
    assert report["valid_l0"] <= 8
    assert 0 <= report["valid_dead_fraction"] < 1
    assert report["best_latent_f1_median"] > 0.3
    assert report["n_concepts"] > 10


def test_the_validity_report_refuses_another_subject(house, tmp_path):
    spec = _tiny_spec()
    entry = get_saes([spec], house, cache_root=tmp_path, progress=False)[spec]
    with pytest.raises(ValueError, match="belongs to 'tiny-llama', the subject is 'tiny-qwen2'"):
        validity_report(entry, tiny_subject("qwen2"), [_Text(TEXTS[0])])
