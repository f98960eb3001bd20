"""The chapter on the testbed: its frames, its gates, its records, and its notebook's source."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pandas as pd
import pytest
import torch

from saebook.claims.gate_tables import (
    LEDGER_GATES,
    all_ledgers,
    claims_behind,
    consequences,
    gate_frame,
    gate_table,
)
from saebook.claims.gates import GateResults, load_gates
from saebook.claims.results import ResultsError
from saebook.papers.testbed import models, sae_gates, world_frames
from saebook.papers.testbed.parameters import Parameters
from saebook.run.check import flat_yaml, notebook_defaults
from saebook.testbed import AnnotatedText, house, load_world
from saebook.testbed.gates import GateResult, model_gates
from saebook.testbed.house import HOUSE_MODELS, HouseModel, build_model
from saebook.testbed.tokenizers import build_tokenizer
from saebook.zoo import SAESpec, house_grid

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "00_testbed.ipynb"
WORLD = load_world()
SAMPLES = world_frames.sample_registers(WORLD, 30, 0)
REPORT = {
    "valid_l0": 12.9,
    "valid_fvu_pooled": 0.2,
    "valid_dead_fraction": 0.1,
    "loss_recovered_mean_ablation": 0.9,
    "best_latent_f1_median": 0.75,
    "n_nameable_latents": 120,
    "n_valid_tokens": 5000,
}
CARD = {
    "name": "gemma2-base", "family": "gemma2", "kind": "base", "seed": 0, "residual_mean": 1.0,
    "world_version": "1", "sha256": "0" * 64, "parameters": 718_944, "vocabulary": 1128,
    "tokens": 5_000_000, "batch_tokens": 2048, "learning_rate": 0.003, "seconds": 1200.0,
    "threads": 1, "final_loss": 0.5, "torch": "2", "transformers": "5",
    "losses": {"problems": {"loss": 0.7, "floor": 0.45}, "behaviours": {"loss": 0.4, "floor": 0.3}},
}  # fmt: skip


def gate(name="steering-moves", paper="mayne2024", model="gemma2-base", value=1.0, low=5.0,
         high=7.0, unit="behaviours", n=100) -> GateResult:  # fmt: skip
    return GateResult(name, paper, model, value, low, high, unit, "what it is", n)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One model's folder with a synthetic card; no other model is there."""
    for module in (models, house):
        monkeypatch.setattr(module, "model_folder", lambda name: tmp_path / name)
    folder = tmp_path / "gemma2-base"
    folder.mkdir()
    (folder / "card.json").write_text(json.dumps(CARD))
    (folder / "model.safetensors").write_bytes(b"0" * 2_000_000)
    return tmp_path


def test_shares_of_concepts_are_counts_over_all_words() -> None:
    texts = SAMPLES["behaviours"]
    frame = world_frames.concept_frame(WORLD, texts).set_index("concept")
    words = sum(map(len, texts))
    asked = sum("role/question" in held for text in texts for held in text.concepts)
    assert frame.loc["role/question", "count"] == asked
    assert frame.loc["role/question", "share"] == pytest.approx(asked / words)
    assert len(frame) == len(WORLD.concepts)


def test_kinds_add_up_to_the_inventory() -> None:
    concepts = world_frames.concept_frame(WORLD, SAMPLES["exams"])
    kinds = world_frames.kind_frame(concepts)
    assert kinds["concepts"].sum() == len(WORLD.concepts)
    assert (kinds["met"] <= kinds["concepts"]).all()
    assert kinds.loc["behaviour", "met"] == 0


def test_cooccurrence_is_a_conditional_share() -> None:
    held = (frozenset({"entity/a", "topic/x"}), frozenset({"topic/x"}), frozenset({"topic/y"}))
    text: Any = SimpleNamespace(concepts=held)
    table = world_frames.cooccurrence([text], ("entity", "topic", "skill"))
    assert table.loc["entity", "topic"] == 1.0
    assert table.loc["topic", "entity"] == pytest.approx(1 / 3)
    assert table.loc["skill"].tolist() == [0.0, 0.0, 0.0]


def test_skill_overlap_is_one_with_itself_and_symmetric() -> None:
    assert world_frames.skill_overlap(WORLD, "math")["math"] == pytest.approx(1.0)
    there = world_frames.skill_overlap(WORLD, "math")["law"]
    assert there == pytest.approx(world_frames.skill_overlap(WORLD, "law")["math"])
    with pytest.raises(ValueError, match="unknown domain 'alchemy'"):
        world_frames.skill_overlap(WORLD, "alchemy")


def test_fact_frames_show_the_worlds_facts() -> None:
    frame = world_frames.fact_frame(WORLD, "biology")
    assert frame.loc["otter", "habitat"] == WORLD.facts["otter", "habitat"]
    with pytest.raises(ValueError, match="unknown domain"):
        world_frames.fact_frame(WORLD, "alchemy")


def test_families_are_told_apart_by_what_they_begin_with() -> None:
    frame = world_frames.family_frame(WORLD, 0)
    assert frame.loc["begins with"].to_dict() == {
        "gemma2": "<bos>",
        "llama": "<|begin_of_text|>",
        "qwen2": "nothing",
    }


def test_the_engine_keeps_its_promises() -> None:
    assert list(world_frames.agreement(WORLD, SAMPLES)["match"]) == [True] * 7


def test_a_broken_promise_is_seen() -> None:
    held = (frozenset(), frozenset({"entity/unicorn"}))
    broken = AnnotatedText("x", ("a", "unicorn"), held, (0.0, 0.0))
    frame = world_frames.agreement(WORLD, {"x": [broken]})
    assert list(frame["match"])[:2] == [False, False]


def test_cards_become_tables(shipped: Path) -> None:
    row = models.card_frame(["gemma2-base"]).loc["gemma2-base"]
    assert (row["minutes"], row["tokens [M]"], row["size [MB]"]) == (20.0, 5.0, 2.0)
    losses = models.loss_frame(["gemma2-base"]).set_index("register")
    assert losses.loc["problems", "gap"] == pytest.approx(0.25)
    assert models.loss_table(["gemma2-base"]).loc["gemma2-base", "problems"] == "0.70 (+0.25)"
    table = models.card_table(["gemma2-base"])
    assert table.loc["all of them"].tolist() == ["", "", "", "5", "20", "2"]


def test_only_shipped_models_are_gated_and_the_asked_one_must_be(shipped: Path) -> None:
    assert models.chosen_models("gemma2-base", "all") == ("gemma2-base",)
    with pytest.raises(ValueError, match="'llama-base' is not shipped; train it"):
        models.chosen_models("llama-base", "one")
    with pytest.raises(ValueError, match="unknown house model 'gpt2'"):
        models.chosen_models("gpt2", "one")
    with pytest.raises(ValueError, match="not shipped"):
        models.read_card("qwen2-base")


def test_a_valid_sae_passes_every_gate_and_each_fault_fails_its_own() -> None:
    spec = SAESpec()
    assert all(g.passed for g in sae_gates.sae_gates(spec, REPORT))
    faults = {
        "sae-l0": ("valid_l0", 30.0),
        "sae-fvu": ("valid_fvu_pooled", 0.6),
        "sae-dead": ("valid_dead_fraction", 0.7),
        "sae-loss": ("loss_recovered_mean_ablation", 0.3),
        "sae-f1": ("best_latent_f1_median", 0.69),
        "sae-nameable": ("n_nameable_latents", 99),
    }
    assert set(faults) == set(sae_gates.SAE_GATES)
    for name, (key, value) in faults.items():
        failed = [g.name for g in sae_gates.sae_gates(spec, {**REPORT, key: value}) if not g.passed]
        assert failed == [name]


def test_a_report_without_a_measurement_is_refused() -> None:
    report = {k: v for k, v in REPORT.items() if k != "valid_l0"}
    with pytest.raises(ValueError, match="lacks valid_l0"):
        sae_gates.sae_gates(SAESpec(), report)


def test_every_sae_of_the_grid_has_a_name_of_its_own() -> None:
    labels = {sae_gates.sae_label(spec) for spec in house_grid()}
    assert len(labels) == 30
    frame = sae_gates.sae_frame((spec, REPORT) for spec in house_grid())
    assert list(frame["valid"]) == [True] * 30


def entry(seed: int, decoder: torch.Tensor, **more) -> Any:
    return SimpleNamespace(spec=SAESpec(seed=seed, **more), sae=SimpleNamespace(W_dec=decoder))


def test_permuted_and_scaled_decoders_are_perfectly_stable() -> None:
    rows = torch.randn(40, 96, generator=torch.Generator().manual_seed(0))
    twin = entry(1, 3 * rows[torch.randperm(40, generator=torch.Generator().manual_seed(1))])
    assert sae_gates.stability_gate(entry(0, rows), twin).value == 1.0


def test_unrelated_decoders_are_not_stable() -> None:
    one, other = (torch.randn(40, 96, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
    found = sae_gates.stability_gate(entry(0, one), entry(1, other))
    assert found.value == 0.0 and not found.passed


def test_stability_refuses_saes_that_differ_in_more_than_their_seed() -> None:
    rows = torch.eye(96)
    with pytest.raises(ValueError, match="differ in their seed alone"):
        sae_gates.stability_gate(entry(0, rows), entry(1, rows, sparsity=7.0))


def test_an_untrained_model_fails_the_gates_that_ask_for_learning() -> None:
    spec = HOUSE_MODELS["gemma2-base"]
    model = build_model(spec, WORLD).eval()
    house = HouseModel(spec, model, build_tokenizer(WORLD, "gemma2", chat=False), {}, "0" * 64)
    found = GateResults.start("testbed", "smoke", 0, {}).record(model_gates(house, WORLD, 2, 0))
    frame = gate_frame(found).set_index("gate")
    assert not frame.loc[["loss-encyclopaedia", "loss-problems", "steering-moves"], "passed"].any()
    assert frame.loc["loss-problems", "value"] > 4  # near ln(vocabulary), far above the floor


def test_recorded_gates_are_read_back_and_their_bytes_repeat(tmp_path: Path) -> None:
    results = GateResults.start("testbed", "smoke", 0, {})
    results.record([gate(), gate("two-shots", "zhang2026", value=3.0, low=2.0, high=math.inf)])
    path = results.save(tmp_path)
    first = path.read_bytes()
    records = load_gates(path)
    assert records["steering-moves gemma2-base"].verdict == "fails"
    assert records["two-shots gemma2-base"].most is None
    assert results.save(tmp_path).read_bytes() == first
    assert "seconds" in json.loads((tmp_path / "testbed.run.json").read_text())


def test_a_gate_is_recorded_once_and_an_undefined_one_is_listed() -> None:
    results = GateResults.start("testbed", "smoke", 0, {})
    results.record([gate(value=math.nan)])
    assert results.undefined == ["steering-moves gemma2-base"]
    assert not results.records
    with pytest.raises(ResultsError, match="already recorded"):
        results.record([gate()])


def test_a_shares_room_is_its_wilson_interval() -> None:
    results = GateResults.start("testbed", "smoke", 0, {})
    results.record([gate("chat-format", "general", value=0.5, low=0.95, high=1.0, unit="share")])
    record = results.records["chat-format gemma2-base"]
    assert record.low == pytest.approx(0.4038, abs=1e-4)
    assert record.high == pytest.approx(0.5962, abs=1e-4)


def test_the_runner_compares_recorded_gates_row_by_row(tmp_path: Path) -> None:
    from saebook.run.compare import differences

    paths = []
    for value in (6.0, 1.0):
        results = GateResults.start("testbed", "smoke", 0, {})
        results.record([gate(value=value)])
        paths.append(results.save(tmp_path / str(value)))
    (found,) = differences(*paths)
    assert found.is_conflict
    assert not differences(paths[0], paths[0])


def recorded(*gates: GateResult):
    return GateResults.start("testbed", "smoke", 0, {}).record(gates)


def test_a_failing_gate_names_the_claims_whose_ledger_asks_for_it() -> None:
    ledgers = all_ledgers()
    assert set(claims_behind("steering-moves", "mayne2024", ledgers)) == {"mayne2024"}
    assert set(claims_behind("loss-problems", "general", ledgers)) == set(ledgers)
    assert claims_behind("new", "unknown2030", ledgers) == {}


def test_consequences_are_told_for_failing_gates_alone() -> None:
    records = recorded(
        gate(),
        gate("unsteered-undecided", value=6.0),
        gate("loss-problems", "general", model="qwen2-base"),
    )
    steer, loss = consequences(records, all_ledgers())
    assert steer.startswith(
        "**steering-moves** fails on gemma2-base (1). Inconclusive there: mayne"
    )
    assert loss.endswith("Inconclusive there: every testbed claim.")


def test_the_gate_table_sets_the_record_beside_this_run() -> None:
    of_record = recorded(gate(value=6.0), gate(model="qwen2-base", n=7))
    table = gate_table(of_record, recorded(gate(value=5.0, n=9)))
    row = table.loc["steering-moves"]
    assert row["asks for"] == "5 to 7 behaviours"
    assert row["of record"] == "1 of 2 (n = 100); fails on qwen2-base (1)"
    assert row["now"] == "1 of 1 (n = 9)"
    assert list(gate_table([], of_record).columns) == ["measures", "asks for", "now"]


def test_rows_measured_on_other_weights_are_left_out(tmp_path: Path) -> None:
    results = GateResults.start("testbed", "smoke", 0, {})
    results.weights = {"gemma2-base": "a", "qwen2-base": "b"}
    sae = gate("sae-l0", "general", model="qwen2-base layer 3 topk-13 200k")
    results.record([gate(), sae])
    path = results.save(tmp_path)
    found = load_gates(path, {"gemma2-base": "other", "qwen2-base": "b"})
    assert [r.model for r in found.values()] == ["qwen2-base layer 3 topk-13 200k"]
    assert load_gates(path, {"llama-base": "c"}) == {}
    assert load_gates(tmp_path / "absent.json") == {}


def test_a_trained_sae_finds_the_shipped_one_that_differs_in_its_tokens_alone() -> None:
    spec = SAESpec(n_tokens=6000)
    twin = sae_gates.grid_twin(spec, house_grid())
    assert twin == SAESpec()
    assert sae_gates.grid_twin(spec.model_copy(update={"seed": 7}), house_grid()) is None
    frame = sae_gates.twin_frame({"here": (spec, REPORT), "shipped": (SAESpec(), REPORT)})
    assert frame.loc["tokens it was trained on"].tolist() == ["6,000", "200,000"]
    assert frame.loc["variance left unexplained", "here"] == "0.2"


def test_every_gate_that_ledgers_are_said_to_name_is_in_them() -> None:
    ledgers = all_ledgers()
    for pairs in LEDGER_GATES.values():
        for slug, name in pairs:
            assert name in ledgers[slug].gates


def test_notebook_defaults_are_the_declared_ones() -> None:
    assert notebook_defaults(NOTEBOOK) == Parameters.checked({}).model_dump()


@pytest.mark.parametrize("tier", ["smoke", "full"])
def test_tier_files_hold_declared_parameters(tier: str) -> None:
    values = flat_yaml(ROOT / "notebooks" / "tiers" / tier / "testbed.yaml")
    assert Parameters.checked(values).tier == tier


def test_the_notebook_is_clean_and_its_figures_are_described() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert all(cell.execution_count is None and not cell.outputs for cell in code)
    assert all(len(cell.source.splitlines()) <= 25 for cell in code)
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    for cell in code:
        if "plots.figure(" in cell.source:
            held = cell.metadata["mystnb"]
            assert len(held["image"]["alt"]) > 30 and held["figure"]["caption"].endswith(".")
            assert f"{{numref}}`{held['figure']['name']}`" in prose
            assert "set_title" not in cell.source


def test_seeds_and_families_are_set_apart_and_models_without_records_leave_no_row() -> None:
    values = {
        "gemma2-base": 7.0, "gemma2-base-seed1": 0.0, "gemma2-base-seed2": 3.0,
        "llama-base": 6.0, "qwen2-base": 5.0, "gemma2-base-d64": 100.0, "llama-instruct": 100.0,
    }  # fmt: skip
    gates = pd.DataFrame([{"gate": "g", "model": m, "value": v} for m, v in values.items()])
    row = models.seed_or_family(gates).loc["g"]
    assert row["seeds apart"] == 7.0 and row["families apart"] == 2.0
    assert models.seed_or_family(gates.iloc[1:]).empty
    assert models.seed_or_family(gates.iloc[:0]).empty
