"""The chapter on published models, on stand-ins: from files to rows of the paper block."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from saebook.corpora import render_dialogue
from saebook.hub import HubError
from saebook.hub.models import load_published
from saebook.papers.li2025 import arms, published
from saebook.papers.li2025.parameters import Parameters
from saebook.papers.li2025.pool import (
    Pool,
    in_turn,
    without_repeats,
    written_by_the_template,
)
from saebook.papers.li2025.published_bench import PublishedBench
from saebook.paths import CACHE_VARIABLE
from saebook.subjects import Subject
from saebook.testbed import load_world
from saebook.testbed.tokenizers import build_tokenizer

QWEN = "qwen2.5-0.5b-instruct"
ASK = {"role": "user", "content": "where does the otter live"}
SAY = {"role": "assistant", "content": "in the river"}
SIZES = {
    "hub_cell": "Qwen2.5-0.5B 12 8", "hub_grid": "cell", "hub_n_tokens": 1_024, "hub_block": 64,
    "hub_longest": 128, "hub_dialogues": 8, "hub_k": 4, "hub_seeds": 2, "hub_batches": 2,
    "hub_resamples": 60,
}  # fmt: skip


def config(**changes) -> Parameters:
    names = f"{QWEN} pile tulu-3"
    return Parameters(**{"tier": "colab", "hub_names": names, **SIZES, **changes})


@pytest.fixture
def subject(hub):
    return load_published(QWEN, chat=True)


@pytest.fixture
def bench(subject, tmp_path, monkeypatch) -> PublishedBench:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "saes"))
    pool = Pool([("tulu-3", None)], subject, 8)
    return PublishedBench(QWEN, subject, pool, ("pile", None), config())


def test_the_colab_cell_answers_f10_to_f12_with_intervals(hub, tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "saes"))
    found = published.published_tables(config())
    assert found.scale == "rehearsal"
    rows = published.paper_rows(found, config())
    assert set(rows) == {"F10", "F11", "F12"}
    assert rows["F10"]["n"] == 8 and rows["F10"]["low"] <= rows["F10"]["estimate"]
    assert set(rows["F11"]["estimate"]) == {
        "matched L0", "without constants", "against masked packing"
    }  # fmt: skip
    assert rows["F12"]["n"] == 2 and "controls" not in rows["F12"]
    assert found.notes["held out"].tolist() == [8]


def test_held_out_dialogues_are_never_trained_on(subject):
    pool = Pool([("tulu-3", None), ("infinity-instruct", None)], subject, 8)
    held = [render_dialogue(subject, turns) for turns in pool.held_out()]
    trained = list(pool.training().texts())
    assert len(held) == 8 and trained and not set(held) & set(trained)
    assert list(pool.training().texts()) == trained


def test_dialogues_are_taken_in_turn_and_repeats_dropped():
    one, other = [[ASK, SAY]] * 2, [[ASK]]
    assert list(in_turn([one, other])) == [[ASK, SAY], [ASK], [ASK, SAY]]
    said = [" ".join(f"w{j}" for j in range(i, i + 5)) for i in (0, 1, 9)]
    turns = [[{"role": "user", "content": text}] for text in said]
    assert list(without_repeats(turns, n=4)) == [turns[0], turns[2]]
    assert list(without_repeats(turns, n=6)) == turns  # too short to repeat anything


@pytest.mark.parametrize("family", ["qwen2", "llama", "gemma2"])
def test_what_the_template_wrote_is_told_from_what_was_said(family):
    model = SimpleNamespace(config=SimpleNamespace(max_position_embeddings=512))
    tokenizer = build_tokenizer(load_world(), family)
    subject = Subject(f"{family}-reader", family, model, tokenizer)  # type: ignore[arg-type]
    text = render_dialogue(subject, [ASK, SAY])
    marks = written_by_the_template(subject, text, [ASK, SAY])
    (ids,) = subject.encode([text], bos=False)
    said = [i for i, mark in zip(ids, marks, strict=True) if not mark]
    assert said == subject.encode([f"{ASK['content']} {SAY['content']}"], bos=False)[0]
    with pytest.raises(ValueError, match="turn 0 is not in the rendered dialogue"):
        written_by_the_template(subject, "nothing of it", [ASK])


def test_tokens_and_activations_of_the_held_out_dialogues_agree(bench):
    tokens = bench.tokens(QWEN)
    acts = torch.cat(list(bench.parts(QWEN, 12, with_sink=True)))
    assert len(acts) == len(tokens.dialogue) and int(tokens.dialogue.max()) == 7
    assert int(tokens.classes["position 0"].sum()) == 8
    assert 0 < int(tokens.special_in_template.sum()) <= int(tokens.special.sum())


def test_the_arms_differ_as_the_house_s_do_and_nothing_is_scaled(bench):
    base = published.base_cell(("Qwen2.5-0.5B", 12, 8), bench.subject.d_model)
    specs = {arm: bench.spec(base._replace(arm=arm)) for arm in (*arms.PAPER_ARMS, "masked")}
    assert [s.packing for s in specs.values()] == ["packed", "packed", "single", "masked"]
    assert [s.corpus for s in specs.values()] == ["pile", "chats", "chats", "chats"]
    assert [s.context for s in specs.values()] == [64, 64, 128, 64]
    assert bench.source.input_scale(QWEN, base.arm) == 1.0
    with pytest.raises(ValueError, match="is no cell of"):
        bench.spec(base._replace(arm="base SAE"))


def test_the_whole_grid_is_the_paper_s_240_saes():
    whole = config(hub_grid="whole", hub_cell="Qwen2.5-7B 18 8")
    widths = published.tables.WIDTHS
    cells = [c for model, width in widths.items() for c in published.cells_of(model, width, whole)]
    one_seed = [c for c in cells if c.seed == 0 and c.architecture != "topk"]
    assert len(one_seed) == len(set(one_seed)) == 240


def test_rows_without_a_ledger_key_of_their_own_are_named_as_the_ledger_names_them():
    from saebook.claims import load_ledger

    parts = load_ledger("li2025")["F4"].paper.test.parts
    renamed = {name.replace("ReLU", "Standard", 1) if name.startswith("ReLU") else name
               for name in published.effects.ASKED}  # fmt: skip
    assert renamed == set(parts)


def test_names_that_are_no_models_of_the_paper_or_lack_text_are_refused(hub):
    with pytest.raises(HubError, match="holds the models mistral-7b"):
        published.published_tables(config(hub_names="mistral-7b pile tulu-3"))
    with pytest.raises(HubError, match="has to hold pile and at least one set of dialogues"):
        published.published_tables(config(hub_names=f"{QWEN} pile"))
    with pytest.raises(HubError, match="which Tables 3 to 9 do not hold"):
        published.published_tables(config(hub_cell="Qwen2.5-0.5B 13 8"))
    with pytest.raises(HubError, match="hub_names lacks its model"):
        published.published_tables(config(hub_cell="Qwen2.5-7B 18 8"))


def test_a_pool_that_runs_out_or_is_empty_says_so(subject):
    with pytest.raises(HubError, match="dialogues and 9999 are to be held out"):
        Pool([("tulu-3", None)], subject, 9_999).held_out()
    with pytest.raises(HubError, match="at least one data set"):
        Pool([], subject, 8)
    subject.tokenizer.chat_template = None
    with pytest.raises(HubError, match="no chat template"):
        Pool([("tulu-3", None)], subject, 8)


def test_dialogues_that_cannot_be_rendered_are_counted_by_reason(subject, monkeypatch):
    bad = [[ASK], [{"role": "wizard", "content": "x"}, SAY], [ASK, SAY]]
    monkeypatch.setattr("saebook.papers.li2025.pool.published_turns", lambda *a: iter(bad))
    pool = Pool([("tulu-3", None)], subject, 1)
    assert pool.held_out() == [[ASK, SAY]]
    assert pool.left_out.total() == 2
    assert any("needs an assistant turn" in reason for reason in pool.left_out)
