"""The suite's SAEs on both models: from names to rows, on stand-ins, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch

from saebook.activations import capture
from saebook.claims import load_ledger
from saebook.corpora import token_batches
from saebook.hub import HubError
from saebook.hub.chats import rendered_chats
from saebook.hub.models import load_published
from saebook.hub.saes import load_sae
from saebook.papers.he2024 import published, published_measures, published_tables
from saebook.papers.he2024.parameters import Parameters
from saebook.papers.he2024.published_rows import published_rows
from saebook.papers.he2024.transfer import ordinary_tokens_only
from saebook.paths import CACHE_VARIABLE
from saebook.reconstruction import next_token_nll, reconstruct

MODELS = "llama-3.1-8b llama-3.1-8b-instruct"
SAES = "llama-scope-l15r-8x llama-scope-l31r-8x llama-scope-l15r-32x llama-scope-l31r-32x"
CONFIG = Parameters(
    hub_names=f"{MODELS} {SAES} slimpajama pile tulu-3",
    n_resamples=50,
    hub_context=40,
    hub_documents=34,
    hub_chats=6,
    hub_long_context=60,
    hub_long_documents=3,
)


def config(**changes: object) -> Parameters:
    return CONFIG.model_copy(update=changes)


def test_names_are_sorted_by_their_part_and_layers_taken_from_the_last_one_down():
    plan = published.planned(config(hub_names=f"{MODELS} llama-scope-l*r-8x slimpajama pile tulu-3",
                                    hub_layer_step=8))  # fmt: skip
    assert (plan.base[0], plan.instruct[0]) == tuple(MODELS.split())
    assert list(plan.narrow) == [7, 15, 23, 31] and not plan.wide
    assert (plan.documents[0], plan.long_documents[0], plan.chats[0]) == (
        "slimpajama", "pile", "tulu-3",
    )  # fmt: skip
    assert not plan.is_whole
    assert published.planned(CONFIG).is_whole


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        (f"llama-3.1-8b-instruct {SAES} pile", "one base model.*found 0, 1 and 1"),
        (f"llama-3.1-8b gemma-2-2b {SAES} pile", "found 2, 0 and 1"),
        (f"llama-3.1-8b {SAES} tulu-3", "found 1, 0 and 0"),
        ("llama-3.1-8b llama-scope-l14r-8x pile", r"layers \[14\] and \[\]; both widths"),
        ("llama-3.1-8b llama-scope-l15r-8x llama-scope-l14r-32x pile", r"\[15\] and \[14\]"),
        (f"llama-3.1-8b {SAES} gemma-scope-2b-l14-16k pile", r"the widths \[16384, 32768, 131072"),
    ],
)
def test_names_that_leave_a_part_open_or_doubled_are_refused(names, fault):
    with pytest.raises(HubError, match=fault):
        published.planned(config(hub_names=names))


def test_rows_come_from_stand_ins_and_a_second_run_reads_finished_cells(hub, tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cells"))
    monkeypatch.setattr(published_measures, "CODE_TOKENS", 1_024)
    tables = published_tables.measured(CONFIG)
    assert tables.scale == "rehearsal"
    rows = published_rows(tables, CONFIG)
    waiting = [c.id for c in load_ledger("he2024").claims if c.paper.pending == "hub"]
    assert list(rows) == waiting
    numbers = [n for row in rows.values() for n in _numbers(row["estimate"])]
    assert all(math.isfinite(n) for n in numbers)
    # The stand-ins of both models hold the same weights, so model and model cannot differ.
    assert rows["L2"]["estimate"] == pytest.approx(1.0)
    assert rows["L1"]["estimate"]["same text"] == pytest.approx(1.0)
    assert rows["L1"]["estimate"]["base"] == pytest.approx(_delta_by_hand(), abs=1e-6)
    assert rows["L5"]["n"] == 1_024
    assert tables.positions["sequence"].nunique() == rows["L4"]["n"] == 3

    monkeypatch.setattr(published_measures, "load_sae", None)
    again = published_rows(published_tables.measured(CONFIG), CONFIG)
    assert [row["estimate"] for row in again.values()] == [r["estimate"] for r in rows.values()]


def _numbers(estimate: object) -> list[float]:
    return list(estimate.values()) if isinstance(estimate, dict) else [float(estimate)]  # type: ignore[arg-type]


def _delta_by_hand() -> float:
    subject, sae = load_published("llama-3.1-8b"), load_sae("llama-scope-l15r-32x").sae
    texts = published.documents(("slimpajama", None), CONFIG.hub_documents)
    batches = token_batches(subject, texts, CONFIG.hub_context, "single")
    plain = next_token_nll(subject, batches, where=ordinary_tokens_only)
    return next_token_nll(subject, batches, 15, reconstruct(sae), ordinary_tokens_only) - plain


def test_of_the_base_model_on_documents_one_row_remains_and_its_first_blocks_are_enough(
    hub, tmp_path, monkeypatch
):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cells"))
    alone = config(hub_names="llama-3.1-8b llama-scope-l15r-8x slimpajama", hub_blocks=16)
    assert list(published_rows(published_tables.measured(alone), alone)) == ["L5"]


def test_the_first_blocks_put_out_what_the_whole_model_does_and_cannot_be_more_than_it_has(hub):
    whole, first = (load_published("llama-3.1-8b", n_layers=n) for n in (None, 4))
    assert (whole.n_layers, first.n_layers) == (32, 4)
    texts = ["the otter lives in a river"]
    assert torch.equal(capture(whole, texts, [3])[3], capture(first, texts, [3])[3])
    with pytest.raises(HubError, match="has 32 blocks, not 33"):
        load_published("llama-3.1-8b", n_layers=33)


def test_texts_that_run_out_are_told_with_their_number(hub):
    with pytest.raises(HubError, match="slimpajama holds 40 documents and 41 are asked for"):
        published.documents(("slimpajama", None), 41)
    with pytest.raises(HubError, match=r"pile holds \d+ documents of 60 tokens and 41 are asked"):
        published.long_documents(("pile", None), load_published("llama-3.1-8b"), 41, 60)
    with pytest.raises(HubError, match="tulu-3 holds 40 dialogues that can be rendered and 41"):
        rendered_chats("tulu-3", load_published("llama-3.1-8b-instruct"), 41)


def test_dialogues_need_a_template_a_set_that_holds_some_and_an_assistant_turn(hub, monkeypatch):
    instruct = load_published("llama-3.1-8b-instruct")
    with pytest.raises(HubError, match="has no chat template"):
        rendered_chats("tulu-3", load_published("llama-3.1-8b"), 1)
    with pytest.raises(HubError, match="pile holds no dialogues; it has text, meta"):
        rendered_chats("pile", instruct, 1)
    asked = {"role": "user", "content": "where"}
    told = {"from": "gpt", "value": "here"}
    odd = [[asked], [asked, {"role": "tool", "content": "x"}], [asked, told]]
    monkeypatch.setattr("saebook.hub.chats.rows", lambda *_: ({"messages": turns} for turns in odd))
    found = rendered_chats("tulu-3", instruct, 1)
    assert len(found.texts) == 1 and "here" in found.texts[0]
    assert sorted(found.left_out) == [
        "a dialogue needs an assistant turn, found the roles ['user']",
        "turn 1 has the role 'tool'; known: system, user, assistant",
    ]


def test_two_models_that_read_a_dialogue_otherwise_are_refused(hub):
    base = load_published("llama-3.1-8b")
    ids = base.encode(["the otter lives"])
    published.check_same_tokens(base, ["the otter lives"], ids)
    with pytest.raises(HubError, match=r"dialogue 0 has 4 tokens for \S+ and 3 for"):
        published.check_same_tokens(base, ["the otter lives"], [ids[0][:-1]])
