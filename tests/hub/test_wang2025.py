"""The chapter on published models: from the hub's files to the ledger's rows, on stand-ins."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from saebook.claims import load_ledger
from saebook.hub import HubError
from saebook.papers.wang2025 import parameters
from saebook.papers.wang2025.measures import Measured
from saebook.papers.wang2025.parameters import Parameters
from saebook.papers.wang2025.published import grid
from saebook.papers.wang2025.published.judges import TextJudges, reencoded
from saebook.papers.wang2025.published.rows import ONE_MODEL, published_rows, smaller_gap
from saebook.papers.wang2025.published.setting import read_published
from saebook.papers.wang2025.tables import MODELS
from saebook.parameters import ParameterError
from saebook.paths import CACHE_VARIABLE
from saebook.zoo import ARCHITECTURES

QWEN = "qwen2.5-0.5b-instruct"
CONFIG = Parameters(
    tier="paper", hub_names=f"{QWEN} common-pile pile alpaca-eval", hub_layers="5",
    hub_architectures="gated batchtopk", hub_sparsities="6 8", hub_d_sae=56,
    hub_train_tokens=640, hub_context=64, hub_corpus_tokens=1_900, hub_latents=5,
    hub_prompts=4, hub_factors="1 4", hub_new_tokens=4, hub_unsteered=8,
    hub_control_latents=5, n_resamples=100,
)  # fmt: skip


@pytest.fixture
def measured(hub, tmp_path, monkeypatch) -> Measured:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "user"))
    tables, scale = grid.measure_published(CONFIG)
    assert scale == "rehearsal"
    return Measured(tables, CONFIG.published)


def test_one_model_answers_the_rows_over_latents_and_no_others(measured, monkeypatch):
    assert len(measured.saes) == 4 and set(measured.saes["model"]) == {QWEN}
    assert measured.saes["valid_l0"].between(1, 56).all()
    assert set(measured.tables["texts"]["prompt"]) == {0, 1, 2, 3}
    grades = measured.tables["texts"][["concept", "instruction", "fluency", "reencoded"]]
    assert grades.isin([0, 1, 2]).all(axis=None)
    rows = published_rows(measured)
    assert set(rows) == set(ONE_MODEL)
    assert all(np.isfinite(row["estimate"]) for row in rows.values() if "parts" not in row
               and not isinstance(row["estimate"], dict))  # fmt: skip
    monkeypatch.setattr(grid, "measure_published_cell", None)  # every cell is in the cache
    again, _ = grid.measure_published(CONFIG)
    pd.testing.assert_frame_equal(again["texts"], measured.tables["texts"])


def three_models(measured: Measured) -> Measured:
    """The tables of one stand-in in the place of all three models."""
    tables, parts = measured.tables, []
    n = len(tables["saes"])
    for i, model in enumerate(MODELS):
        shifted = {
            name: table.assign(sae=table["sae"] + i * n) if "sae" in table else table
            for name, table in tables.items()
            if name not in ("saes", "prefixes")
        }
        saes = tables["saes"].assign(model=model)
        prefixes = tables["prefixes"].assign(model=model)
        parts.append({**shifted, "saes": saes.set_index(saes.index + i * n), "prefixes": prefixes})
    joined = {n: pd.concat([p[n] for p in parts], ignore_index=n != "saes") for n in parts[0]}
    return Measured(joined, measured.config)


def test_three_models_answer_every_row_that_waits_for_the_hub_in_the_ledger_s_own_parts(measured):
    rows = published_rows(three_models(measured))
    claims = {c.id: c.paper for c in load_ledger("wang2025").claims if c.paper.pending == "hub"}
    assert set(rows) == set(claims)
    for claim, row in rows.items():
        parts = getattr(claims[claim].test, "parts", None)
        named = isinstance(row["estimate"], dict)
        assert named == (parts is not None or claim in ("C8", "K7")), claim
        if parts is not None:
            assert set(row["estimate"]) == set(parts), claim
    assert len(rows["C8"]["estimate"]) == 6 and len(rows["K7"]["estimate"]) == 12


def test_the_order_of_models_is_the_smaller_of_its_two_steps():
    taus = {"Qwen-2.5-3B": 3, "Gemma-2-9B": 2, "Gemma-2-2B": 0}  # pairs that agree of three
    orders = {3: [1, 2, 3], 2: [1, 3, 2], 0: [3, 2, 1]}
    rows = [(model, mu, g) for model, right in taus.items()
            for mu, g in zip([1, 2, 3], orders[right], strict=True)]  # fmt: skip
    saes = pd.DataFrame(rows, columns=["model", "mu", "g"])
    assert smaller_gap(saes) == pytest.approx(min(1 - 1 / 3, 1 / 3 + 1))


@pytest.fixture
def setting(hub):
    text, asked = ("pile", None), ("alpaca-eval", None)
    return read_published(grid.load_published(QWEN), 5, text, asked, CONFIG.published)


def test_an_empty_text_scores_nothing_and_a_loop_is_not_fluent(setting):
    rows = [setting.unsteered[0][0], [], [7] * 40]
    instruction, fluency = setting.judges.grades(rows, [0, 1, 2])
    assert instruction[1] == fluency[1] == fluency[2] == 0
    assert all(judged.tolist() == [0, 0] for judged in setting.judges.grades([[], []], [0, 1]))
    with pytest.raises(ValueError, match="every unsteered text is empty"):
        TextJudges.calibrated(setting.subject, ["a", "b"], [[[]], [[]]], 4, seed=0)


def test_outside_a_rehearsal_judges_that_know_nothing_are_refused(setting, monkeypatch):
    monkeypatch.delenv("SAEBOOK_REHEARSAL")
    same = [setting.unsteered[0], setting.unsteered[0]]
    prompts = [setting.openings[0].text] * 2
    with pytest.raises(ValueError, match="cannot tell them apart"):
        TextJudges.calibrated(setting.subject, prompts, same, 8, seed=0)


def test_a_text_is_graded_by_what_the_sae_reads_of_its_own_latent(setting):
    class Reader:
        """Latent 1 fires everywhere at half its natural peak, latent 0 nowhere."""

        W_dec = torch.zeros(2, 1)

        def to(self, device):
            return self

        def encode(self, acts):
            return torch.tensor([0.0, 5.0]).expand(len(acts), 2)

    texts = [setting.subject.decode(setting.unsteered[0][0]) or "leo"] * 2 + [""]
    found = reencoded(setting.subject, Reader(), 5, texts, torch.tensor([0, 1, 1]),
                      torch.full((3,), 10.0), batch_size=2)  # fmt: skip
    assert found.tolist() == [0, 2, 0]


@pytest.mark.parametrize(
    ("names", "layers", "message"),
    [
        (f"{QWEN} pile alpaca-eval", "5", "three data sets"),
        ("common-pile pile alpaca-eval", "5", "name models"),
        (f"{QWEN} common-pile pile alpaca-eval", "5 6", "'5 6' for 1 models"),
        (f"{QWEN} wiki pile alpaca-eval", "5", "holds wiki"),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused_before_anything_is_loaded(
    names, layers, message
):
    with pytest.raises(HubError, match=message):
        grid.plan_of(CONFIG.model_copy(update={"hub_names": names, "hub_layers": layers}))


def test_sizes_that_do_not_suit_are_refused():
    with pytest.raises(ParameterError, match="hub_sparsities '80 50' have to be positive and ris"):
        Parameters.checked({"hub_sparsities": "80 50"})
    with pytest.raises(ParameterError, match="hub_architectures holds relu"):
        Parameters.checked({"hub_architectures": "relu topk"})
    assert parameters.ARCHITECTURES == ARCHITECTURES
    with pytest.raises(ParameterError, match="hub_control_latents 20 exceeds hub_latents 5"):
        Parameters.checked({"hub_latents": 5})
    too_many = CONFIG.model_copy(update={"hub_prompts": 900}).published
    assert too_many.n_prompts == 900 and too_many.prefix == "From my experience,"


def test_too_little_published_text_and_too_few_instructions_are_said(hub):
    text, asked = ("pile", None), ("alpaca-eval", None)
    subject = grid.load_published(QWEN)
    long = CONFIG.model_copy(update={"hub_corpus_tokens": 10**6}).published
    with pytest.raises(ValueError, match=r"pile ends after .* lower hub_corpus_tokens"):
        read_published(subject, 5, text, asked, long)
    many = CONFIG.model_copy(update={"hub_prompts": 900}).published
    with pytest.raises(ValueError, match="40 instructions, hub_prompts asks for 900"):
        read_published(subject, 5, text, asked, many)
