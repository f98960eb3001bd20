"""The paper's SAE, model, pairs and text, from the published layouts to the ledger's rows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch

from saebook.cache import Cache
from saebook.claims import Results, Verdict, load_ledger
from saebook.hub import HubError
from saebook.hub.entries import data_set
from saebook.hub.rehearsal.clones import write_clone
from saebook.papers.mayne2024 import published, published_cells, published_rows, tables
from saebook.papers.mayne2024.arms import Arm
from saebook.papers.mayne2024.construction import build_construction
from saebook.papers.mayne2024.generality import TESTED, judged
from saebook.papers.mayne2024.parameters import Parameters
from saebook.papers.mayne2024.published_bench import (
    Bench,
    OnHost,
    documents,
    kept_table,
    load_bench,
)
from saebook.papers.mayne2024.published_pairs import BEHAVIOURS, PublishedSource
from saebook.paths import CACHE_VARIABLE
from saebook.testbed import load_world

SAE = "gemma-scope-2b-l14-16k"
CONFIG = Parameters(
    hub_names=f"{SAE} gemma-2-2b pile",
    hub_pairs=8,
    hub_text_tokens=500,
    hub_prompts=4,
    hub_resamples=50,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A stand-in of the cloned pairs."""
    at = tmp_path_factory.mktemp("clones") / "caa"
    write_clone(data_set("caa"), at)
    return at


@pytest.fixture
def bench(hub, folder) -> Bench:
    config = CONFIG.model_copy(update={"caa_folder": str(folder)})
    held = published.named(config)
    return load_bench(held.subjects[0], documents(held.data[0], 500), config)


def _named(names: str, folder: str = "") -> Parameters:
    return Parameters(hub_names=names, caa_folder=folder)


@pytest.mark.parametrize(
    ("names", "folder", "said"),
    [
        ("gemma-2-2b pile", "x", "has to name the paper's SAE first"),
        (f"{SAE} gemma-2-2b", "x", "names models and one text"),
        (f"{SAE} pile", "x", "names models and one text"),
        (f"{SAE} mistral-7b pile", "x", "are measured on gemma-2-2b"),
        (f"{SAE} gemma-2-2b pile", "", "caa_folder is empty"),
        (f"{SAE} gemma-3 pile", "x", "gemma-3, which the catalogue does not"),
    ],
)
def test_names_that_make_no_run_are_refused_with_what_is_missing(names, folder, said):
    with pytest.raises(HubError, match=said):
        published.named(_named(names, folder))


def test_an_sae_alone_needs_no_model_and_no_folder():
    assert published.named(_named(SAE)).subjects == ()


def test_the_printed_numbers_are_found_in_a_file_that_holds_them(hub):
    rows = published.fingerprint_rows(published.load(_named(SAE)))
    assert rows["R1"]["estimate"] < 0.01
    assert rows["R1"]["detail"] == {"latents": [4888, 15603, 7589, 15471, 2350], "same_ids": True}
    assert rows["R2"]["detail"]["at_zero"] == "plain"
    assert rows["R2"]["estimate"] == pytest.approx(
        min(89.06 - 86.20, abs(rows["R2"]["detail"]["centred"] - 86.20)), abs=1e-4
    )
    assert rows["R3"]["estimate"] == pytest.approx(-0.82, abs=1e-4)


def test_the_rows_are_those_that_the_ledger_asks_for(hub, monkeypatch):
    rows = published.fingerprint_rows(published.load(_named(SAE)))
    monkeypatch.delenv("SAEBOOK_REHEARSAL")
    results = Results.start("mayne2024", "paper", 0, {})
    for claim, row in rows.items():
        results.record(claim, "paper", **row)
    assert results.verdict("R1", "paper").verdict is Verdict.REPRODUCED
    assert results.verdict("R2", "paper").verdict is Verdict.NOT_REPRODUCED
    assert results.verdict("R3", "paper").verdict is Verdict.REPRODUCED


def test_another_sae_of_the_same_set_fails_the_fingerprint(hub):
    loaded = published.load(_named(SAE))
    loaded.sae.b_enc[100] = 50.0
    row = published.fingerprint_rows(loaded)["R1"]
    assert not row["detail"]["same_ids"]
    assert row["estimate"] == pytest.approx(35.94 - 19.80, abs=0.01)  # the third place


def test_published_pairs_end_in_their_letter_and_test_prompts_before_it(bench):
    source = bench.source
    assert tuple(source.behaviours) == BEHAVIOURS
    positive, negative = source.pair_texts("survival-instinct", 100, 0)
    assert len(positive) == 10  # two of twelve match by a third option
    for yes, no in zip(positive, negative, strict=True):
        assert yes[:-1] == no[:-1] and {yes[-1], no[-1]} == {"A", "B"}
        assert yes.startswith("Input: ") and yes[:-1].endswith("\nResponse: (")
    items = source.items(bench.subject, "refusal", "letter", 5, 1)
    assert len(items.prompts) == 5 and all(p.endswith("(") for p in items.prompts)
    sides = zip(items.positive, items.negative, strict=True)
    assert all(sorted(bench.subject.decode(ids) for ids in pair) == ["A", "B"] for pair in sides)
    with pytest.raises(ValueError, match="'free' is not known"):
        source.items(bench.subject, "refusal", "free", 5, 1)


def test_an_instruct_model_reads_the_pairs_in_the_model_s_turn(folder):
    from saebook.testbed.tokenizers import build_tokenizer

    class Speaking:
        tokenizer = build_tokenizer(load_world(), "gemma2", chat=True)

    source = PublishedSource(folder, Speaking(), True, [], 4)  # type: ignore[arg-type]
    text = source.pair_texts("refusal", 1, 0)[0][0]
    assert text[:-1].endswith("<start_of_turn> model(") and "Response:" not in text


def test_a_folder_without_the_behaviours_of_table_1_is_refused(tmp_path, bench):
    with pytest.raises(HubError, match=r"sycophancy, .* give the folder that holds"):
        PublishedSource(tmp_path, bench.subject, False, [], 4)


def test_every_row_has_the_shape_that_the_ledger_asks_for(bench, monkeypatch):
    loaded = published.load(bench.config)
    arm = bench.arm(loaded)
    rows = published_rows.all_rows(arm, loaded.threshold, bench.config)
    assert set(rows) == {"R4", "R5", "R6", "R7", "R8", "R9", "R10", "R11", "R14"}
    monkeypatch.delenv("SAEBOOK_REHEARSAL")
    results = Results.start("mayne2024", "paper", 0, {})
    for claim, row in rows.items():
        results.record(claim, "paper", **row)  # the ledger's shape, or it raises
    assert rows["R6"]["controls"]["difference_of_the_zero_vector"] < 0.01
    assert rows["R4"]["n"] == 500


def test_the_rows_read_the_printed_latents_by_hand(bench):
    loaded = published.load(bench.config)
    arm = bench.arm(loaded)
    rows = published_rows.all_rows(arm, loaded.threshold, bench.config)
    v, sae = arm.contrasts[tables.CORRIGIBLE].vector, loaded.sae
    assert rows["R7"]["estimate"]["vector"] == pytest.approx(
        float(v @ sae.W_enc[:, 4888]), rel=1e-4
    )
    text = float((arm.text @ sae.W_enc[:, 4888]).mean()) / 86.20
    assert rows["R7"]["estimate"]["text"] == pytest.approx(text, rel=1e-4)
    alpha = float(arm.text.norm(dim=1).median() / v.norm())
    for claim, latent in (("R9", 14004), ("R10", 3517)):
        code = float(sae.encode(alpha * v[None])[0, latent])
        assert rows[claim]["estimate"]["SAE(alpha v)"] == pytest.approx(code, abs=1e-4)
        along = float(v @ sae.W_enc[:, latent])
        assert rows[claim]["estimate"]["projection of the vector"] == pytest.approx(along, rel=1e-3)


def test_an_sae_on_the_host_gives_the_codes_of_the_one_it_wraps(hub):
    sae = published.load(_named(SAE)).sae
    x = torch.randn(3, sae.cfg.d_in, generator=torch.Generator().manual_seed(0))
    held = OnHost(sae)
    assert torch.equal(held.encode(x), sae.encode(x))
    assert held.encode(x).device.type == held.W_enc.device.type == "cpu"


def _made() -> Arm:
    made = build_construction(0)
    return Arm("made up", made.sae, made.text, {"made up": made.contrast})


def test_an_ordinary_activation_passes_no_cell_and_the_vector_does(bench):
    tests = {claim: load_ledger("mayne2024")[claim].paper.test for claim in TESTED}
    passes = {claim: getattr(test, "cell", test).passes for claim, test in tests.items()}
    passes["R11"] = lambda n: n > 0  # the construction has twenty latents and not a hundred
    cells = judged(published_cells.sae_cells(_made(), "made up", bench), passes)
    assert cells.loc[~cells["ordinary"], "all hold"].all()
    assert not cells.loc[cells["ordinary"], "R4 holds"].any()
    row = published_cells.generality_row(cells, bench.config)
    assert row["estimate"] == 1 and row["n"] == 1
    assert row["controls"] == {"share_of_cells_with_an_ordinary_activation": 0.0}


def test_a_kept_table_is_made_once_and_again_for_other_sizes(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    made = []

    def make() -> pd.DataFrame:
        made.append(1)
        return pd.DataFrame({"x": [len(made)]})

    assert [kept_table("t", [1], make)["x"][0] for _ in range(2)] == [1, 1]
    assert kept_table("t", [2], make)["x"][0] == 2
    assert Cache("mayne2024").folder.is_dir()
