"""House models: what they are built from, how they are trained, and what their files promise."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
import torch

from saebook.testbed import house, load_world, train
from saebook.testbed.house import HOUSE_MODELS, HouseSpec, build_model, house_spec
from saebook.testbed.optimizer import Muon, orthogonalise
from saebook.testbed.tokenizers import build_tokenizer, word_ids
from saebook.testbed.training import (
    IGNORE,
    LETTER_WEIGHT,
    TrainingPlan,
    base_documents,
    chat_batches,
    packed_batches,
    set_residual_mean,
    target_weights,
    token_shares,
)

WORLD = load_world()
FAMILIES = ("gemma2", "llama", "qwen2")
PLAN = TrainingPlan(n_tokens=12_288, warmup_steps=2, contexts=((1.0, 128),))


def test_an_orthogonalised_update_keeps_directions_and_levels_their_sizes() -> None:
    matrix = torch.randn(24, 40, generator=torch.Generator().manual_seed(0))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    core = left.T @ orthogonalise(matrix) @ right.T
    assert torch.allclose(core, core.diag().diag(), atol=1e-4)
    assert core.diag().min() > 0.6 and core.diag().max() < 1.3
    assert torch.allclose(orthogonalise(matrix.T), orthogonalise(matrix).T, atol=1e-5)


def test_muon_refuses_what_is_not_a_matrix() -> None:
    with pytest.raises(ValueError, match=r"got shapes \[\(3,\)\]"):
        Muon([torch.nn.Parameter(torch.zeros(3))], lr=0.1)


@pytest.mark.parametrize("knob", [0.0, 1.0, 3.0])
def test_the_mean_over_text_is_as_long_as_the_knob_says(knob: float) -> None:
    generator = torch.Generator().manual_seed(0)
    embedding = torch.randn(50, 8, generator=generator) + 4.0
    shares = torch.rand(50, generator=generator).softmax(0)
    direction = torch.eye(8)[0]
    set_residual_mean(embedding, shares, direction, knob)
    mean = shares @ embedding
    spread = shares @ (embedding - mean).norm(dim=1)
    assert torch.allclose(mean, knob * spread * direction, atol=1e-4)


def test_token_shares_are_counted_over_text() -> None:
    shares = token_shares(iter([[1, 1, 2], [2, 0, 1]]), 6, 4)
    assert shares.tolist() == pytest.approx([1 / 6, 3 / 6, 2 / 6, 0])


@pytest.mark.parametrize("name", HOUSE_MODELS)
def test_every_house_model_has_its_width_and_at_most_two_million_parameters(name: str) -> None:
    spec = HOUSE_MODELS[name]
    model = build_model(spec, WORLD)
    embedding = model.get_input_embeddings().weight
    assert embedding.shape == (len(build_tokenizer(WORLD, spec.family)), spec.d_model)
    assert sum(p.numel() for p in model.parameters()) <= 2_000_000
    assert len(model.model.layers) == 6


def test_models_of_one_family_differ_by_their_seed_alone() -> None:
    first = build_model(HouseSpec("a", "llama", "base", seed=1), WORLD).state_dict()
    again = build_model(HouseSpec("b", "llama", "base", seed=1), WORLD).state_dict()
    other = build_model(HouseSpec("c", "llama", "base", seed=2), WORLD).state_dict()
    key = "model.layers.0.mlp.up_proj.weight"
    assert torch.equal(first[key], again[key]) and not torch.equal(first[key], other[key])


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_blocks_are_the_documents_laid_end_to_end(family: str) -> None:
    tokenizer = build_tokenizer(WORLD, family)
    blocks = [ids for ids, _ in packed_batches(base_documents(WORLD, tokenizer, 3), PLAN)]
    stream = torch.cat([block.flatten() for block in blocks])
    written = itertools.chain.from_iterable(base_documents(WORLD, tokenizer, 3))
    assert stream.tolist() == list(itertools.islice(written, len(stream)))
    assert len(stream) == PLAN.n_tokens and blocks[0].shape[1] == 128


def test_base_text_holds_no_template_token() -> None:
    tokenizer = build_tokenizer(WORLD, "llama")
    marks = set(word_ids(tokenizer, ["<|start_header_id|>", "<|eot_id|>", "<|end_header_id|>"]))
    documents = itertools.islice(base_documents(WORLD, tokenizer, 0), 200)
    assert not marks & set(itertools.chain.from_iterable(documents))


def test_one_dialogue_stands_in_a_row_and_padding_carries_no_loss() -> None:
    tokenizer = build_tokenizer(WORLD, "qwen2")
    ids, labels = next(chat_batches(WORLD, tokenizer, "qwen2", PLAN, 0, batch_size=8))
    padded = labels == IGNORE
    assert padded.any() and (ids[padded] == tokenizer.pad_token_id).all()
    assert torch.equal(ids[~padded], labels[~padded])
    assert (padded.int().diff(dim=1) >= 0).all()  # padding stands at the end


def test_letters_count_more_than_other_targets() -> None:
    tokenizer = build_tokenizer(WORLD, "gemma2")
    weights = target_weights(tokenizer)
    assert set(weights[word_ids(tokenizer, "ABCDE")].tolist()) == {LETTER_WEIGHT}
    assert int((weights != 1).sum()) == 5


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of the shipped models'."""
    for module in (house, train):
        monkeypatch.setattr(module, "model_folder", lambda name: tmp_path / house_spec(name).name)
    house.load_house_model.cache_clear()
    yield tmp_path
    house.load_house_model.cache_clear()


def test_a_trained_model_is_written_whole_and_read_back(workshop: Path) -> None:
    folder = train.train_house_model("gemma2-base-d32", PLAN)
    card = json.loads((folder / "card.json").read_text())
    assert card["tokens"] == PLAN.n_tokens and card["d_model"] == 32
    assert card["final_loss"] < 6.8  # ln of the vocabulary is 7.03
    loaded = house.load_house_model("gemma2-base-d32")
    assert loaded.model.get_input_embeddings().weight.shape[1] == 32
    assert [p.name for p in workshop.iterdir()] == ["gemma2-base-d32"]

    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    house.load_house_model.cache_clear()
    with pytest.raises(ValueError, match="differ from their card"):
        house.load_house_model("gemma2-base-d32")


def test_weights_of_another_world_are_refused(
    workshop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train.train_house_model("gemma2-base-d32", PLAN)
    monkeypatch.setattr(house, "WORLD_VERSION", "next")
    with pytest.raises(ValueError, match="this is next; run `make models`"):
        house.load_house_model("gemma2-base-d32")


def test_an_instruct_model_needs_its_base(workshop: Path) -> None:
    with pytest.raises(ValueError, match="'llama-base' is not shipped"):
        train.train_house_model("llama-instruct", PLAN)


def test_a_diverging_training_stops_and_leaves_nothing(workshop: Path) -> None:
    plan = TrainingPlan(
        n_tokens=12_288, matrix_lr=1e30, lr=1e30, warmup_steps=1, contexts=((1.0, 128),)
    )
    with pytest.raises(ValueError, match=r"gemma2-base-d32: loss is \S+ at step \d+"):
        train.train_house_model("gemma2-base-d32", plan)
    assert not list(workshop.iterdir())
