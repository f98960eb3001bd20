"""The protocol on the shipped model: settings, cells, methods and tables of record."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from saebook.interpretability import LatentCodes
from saebook.papers.wang2025 import cells, grid, live, methods, store, utility
from saebook.papers.wang2025.cards import latent_card
from saebook.papers.wang2025.checks import implementation_table
from saebook.papers.wang2025.latents import choose_latents, explain
from saebook.papers.wang2025.measures import Measured
from saebook.papers.wang2025.parameters import Parameters
from saebook.papers.wang2025.setting import openings, read_setting
from saebook.subjects import load_subject
from saebook.testbed import load_world
from saebook.zoo import find_saes

CONFIG = Parameters(
    tier="smoke", model_names="gemma2-base", n_corpus_tokens=4_000, n_latents=5,
    n_control_latents=5, n_prompts=4, factors="0.8 2", n_new_tokens=5, n_unsteered=8,
    n_concepts=5, n_live_latents=5, n_live_tokens=2_000, n_resamples=100,
)  # fmt: skip
ROW = 14  # topk at sparsity 7


@pytest.fixture(scope="module")
def setting():
    return read_setting(load_subject("gemma2-base"), load_world(), CONFIG)


@pytest.fixture(scope="module")
def entry():
    found = find_saes(grid.grid_specs(CONFIG))
    if len(found) < 30:
        pytest.skip("the shipped SAEs belong to other models")
    return found[grid.grid_specs(CONFIG)[ROW]]


@pytest.fixture(scope="module")
def tables(setting, entry):
    return cells.measure_cell(setting, entry, CONFIG)


def test_openings_name_different_topics_and_share_their_length(setting):
    topics = [opening.topic for opening in setting.openings]
    assert len(set(topics)) == 4
    assert len({len(row) for row in setting.opening_rows}) == 1
    with pytest.raises(ValueError, match="n_prompts 40 exceeds"):
        openings(load_world(), 40, seed=0)


def test_unsteered_texts_keep_to_their_topic_and_read_well(setting):
    rows = [row for part in setting.fresh for row in part]
    prompts = [p for p, part in enumerate(setting.fresh) for _ in part]
    _, instruction, fluency = setting.graded(rows, prompts, [0] * len(rows))
    assert instruction.mean() > 0.8 and fluency.mean() > 1.2
    _, crossed, _ = setting.graded(rows, [(p + 1) % 4 for p in prompts], [0] * len(rows))
    assert crossed.mean() < 0.5 * instruction.mean()
    assert setting.fresh[0] != setting.unsteered[0]


def test_a_cell_holds_every_table_and_nothing_that_is_not_a_number(tables):
    assert set(tables) == set(grid.CELL_TABLES) - {"floors"}
    latents, texts = tables["latents"], tables["texts"]
    assert len(latents) == 5 and latents["concept"].notna().all()
    assert latents.select_dtypes("number").drop(columns=["balanced_true", "auroc_true",
        "inventory_balanced", "inventory_auroc"]).notna().all(axis=None)  # fmt: skip
    assert len(texts) == 3 * 5 * 2 * 4
    assert texts[["concept", "instruction", "fluency", "lexicon"]].isin([0, 1, 2]).all(axis=None)


def test_a_permuted_encoder_is_detected_by_chance_alone_and_a_shuffled_one_is_not(setting, entry):
    config = CONFIG.model_copy(update={"n_latents": 60})
    floors = cells.measure_floors(setting, entry, config)["floors"]
    found = floors.groupby("kind")["balanced_true"].mean()
    assert set(found.index) == {cells.RANDOM, cells.PERMUTED_ENCODER, cells.SHUFFLED_ENCODER}
    assert 0.4 < found[cells.PERMUTED_ENCODER] < 0.6 < found[cells.SHUFFLED_ENCODER]
    assert (floors.groupby("kind").size() <= 60).all()


def test_some_latents_of_an_sae_read_as_all_of_them_do(setting, entry):
    every = LatentCodes.whole(setting.corpus.codes(entry.sae))
    some = setting.corpus.sampled_codes(entry.sae, 40, seed=0)
    assert torch.allclose(some.codes, every.codes[..., some.ids], atol=1e-5)
    assert torch.allclose(some.peaks, every.peaks, atol=1e-5)
    column = choose_latents(some, setting.corpus.kept, 5, seed=0)
    here = explain(setting.corpus, some, column, seed=0)
    there = explain(setting.corpus, every, here.ids.tolist(), seed=0)
    assert torch.equal(here.windows.scoring, there.windows.scoring)


def test_the_same_cell_measured_twice_is_the_same(setting, entry, tables):
    again = cells.measure_cell(setting, entry, CONFIG)
    for name, table in tables.items():
        pd.testing.assert_frame_equal(table, again[name])


def test_a_latent_s_texts_do_not_depend_on_what_else_is_steered(setting, entry, tables):
    ids = tables["latents"]["latent"].tolist()
    rows = entry.sae.W_dec[ids]
    scale = torch.ones(5)
    frame, together = utility.steered_texts(setting, rows, scale, ids, CONFIG)
    _, alone = utility.steered_texts(setting, rows[3:4], scale[3:4], ids[3:4], CONFIG)
    own = frame.index[frame["row"] == 3]
    assert [together[i] for i in own] == alone


def test_fewer_live_latents_than_asked_for_is_an_error(setting, entry):
    read = LatentCodes.whole(setting.corpus.codes(entry.sae))
    with pytest.raises(ValueError, match="latents fire in enough windows, 5000 are asked for"):
        choose_latents(read, setting.corpus.kept, 5000, seed=0)


def test_a_dead_latent_is_refused_by_name(setting, entry):
    codes = setting.corpus.codes(entry.sae)
    dead = (codes.flatten(0, 1).amax(0) == 0).nonzero().flatten().tolist()
    if not dead:
        codes[..., 9], dead = 0, [9]
    with pytest.raises(ValueError, match=rf"\[{dead[0]}\] are dead"):
        explain(setting.corpus, LatentCodes.whole(codes), [dead[0]], seed=0)


def test_permuted_rows_are_others_and_random_rows_have_unit_norm(entry):
    ids = torch.arange(50)
    partners = cells.partners(768, seed=0)
    assert (
        sorted(partners.tolist()) == list(range(768)) and not (partners == torch.arange(768)).any()
    )
    rows = cells.decoder_rows(entry.sae, ids, cells.PERMUTED, seed=0)
    assert torch.equal(rows[3], entry.sae.W_dec[partners[3]])
    random = cells.decoder_rows(entry.sae, ids, cells.RANDOM, seed=0)
    assert torch.allclose(random.norm(dim=1), torch.ones(50), atol=1e-5)
    with pytest.raises(ValueError, match="unknown arm 'other'"):
        cells.decoder_rows(entry.sae, ids, "other", seed=0)


@pytest.mark.slow
def test_methods_are_compared_on_one_list_of_concepts(setting, entry):
    codes = setting.corpus.codes(entry.sae)
    concepts = methods.shared_concepts(setting, 5, seed=0)
    frame = methods.compare_steering(setting, entry.sae, codes, concepts, CONFIG)
    assert set(frame["method"]) == {methods.CHOSEN, methods.CLAMPED, methods.DIFFMEAN,
                                    methods.PROMPT, methods.NOTHING}  # fmt: skip
    assert set(frame["item"]) == set(concepts)
    found = methods.detection_by_concept(setting, codes, {concepts[0]: 3}, concepts, seed=0)
    assert found[["chosen", "diffmean"]].to_numpy().mean() > 0.6
    with pytest.raises(ValueError, match="5000 are asked for"):
        methods.shared_concepts(setting, 5000, seed=0)


def test_an_explanation_is_named_by_its_words_or_not_at_all(setting):
    concepts = methods.shared_concepts(setting, 5, seed=0)
    values = [c for c in concepts if c.startswith(("entity/", "value/", "attribute/"))]
    word = setting.subject.encode([values[0].split("/")[1]], bos=False)[0][0]
    assert methods.words_concept(setting, [(word, 0.9)], concepts) == values[0]
    assert methods.words_concept(setting, [], concepts) is None


def test_the_implementation_agrees_with_what_shares_no_code_with_it(setting):
    assert implementation_table(setting, CONFIG)["match"].all()


def test_a_card_holds_windows_and_steered_samples(setting, entry, tables):
    card = latent_card(setting, entry.sae, int(tables["latents"]["latent"].iloc[0]), CONFIG)
    assert len(card.windows) == 4 and len(card.samples) == 2
    assert card.samples[0][1].startswith(setting.openings[0].text)


def test_tables_of_record_are_read_only_by_the_parameters_that_made_them(tables, entry, tmp_path):
    row = {n: t.assign(sae=ROW) for n, t in tables.items()}
    whole = {"saes": grid.sae_table(row.pop("figures"), CONFIG), **row}
    folder = store.save_records(whole, tmp_path / "wang2025")
    read = dict(store.read_tables(folder))
    assert read["saes"].index.tolist() == [ROW] and len(read["texts"]) == len(tables["texts"])
    assert grid.committed_tables(CONFIG, folder) is None, "29 SAEs are missing"
    assert grid.committed_tables(CONFIG, tmp_path / "nowhere") is None
    specs, source = grid.grid_specs(CONFIG), grid.HouseSource()
    other = CONFIG.model_copy(update={"seed": 1})
    keys = {grid.cell_key(specs[ROW], c, source) for c in (CONFIG, other)}
    assert len(keys) == 2 and read["saes"].loc[ROW, "key"] in keys


def test_records_need_no_sae_at_hand_and_fewer_models_than_they_hold(tables, tmp_path):
    both = CONFIG.model_copy(update={"model_names": "gemma2-base llama-base"})
    n = len(grid.grid_specs(both))
    figures = pd.concat([tables["figures"].assign(sae=i) for i in range(n)])
    rows = {name: pd.concat([t.assign(sae=i) for i in range(n)])
            for name, t in tables.items() if name != "figures"}  # fmt: skip
    per_model = pd.DataFrame({"model": both.models, "score": 1.0})
    whole = {"saes": grid.sae_table(figures, both), **rows,
             **dict.fromkeys(grid.MODEL_TABLES, per_model)}  # fmt: skip
    folder = store.save_records(whole, tmp_path / "wang2025")
    every, one = (grid.committed_tables(c, folder) for c in (both, CONFIG))
    assert every is not None and len(every["saes"]) == 60
    assert one is not None and set(one["saes"]["model"]) == {"gemma2-base"}
    assert len(one["texts"]) == 30 * len(tables["texts"]) and len(one["methods"]) == 1


def test_rounding_keeps_eleven_bits_and_the_range_of_single_precision():
    values = pd.Series([1.0, 1 / 3, 3e-30, -7e20, float("nan"), 0.0], dtype="float32")
    frame = pd.DataFrame({"x": values, "n": range(6), "wide": [1 / 3] * 6, "factor": values})
    found = store.rounded(frame)
    pd.testing.assert_series_equal(found["factor"], frame["factor"])
    assert found["x"].dtype == "float32" and found["wide"].iloc[0] == 1 / 3
    assert found["x"].tolist()[:4] == pytest.approx(values.tolist()[:4], rel=2**-11)
    assert found["x"].isna().tolist() == [False] * 4 + [True, False]
    pd.testing.assert_frame_equal(store.rounded(found), found)


def test_a_cell_measured_anew_agrees_with_the_tables_and_a_changed_text_shows(setting, tables):
    held = {"texts": tables["texts"].assign(sae=ROW)}
    assert grid.reference_row(CONFIG) == ROW
    assert live.repeated(setting, held, CONFIG)["same grades"].all()
    other = held["texts"].assign(fluency=2 - held["texts"]["fluency"].where(lambda f: f != 1, 2))
    assert not live.repeated(setting, {"texts": other}, CONFIG)["same grades"].all()
    with pytest.raises(ValueError, match="of them in the tables"):
        live.repeated(setting, {"texts": held["texts"].iloc[::2]}, CONFIG)


def test_the_floor_of_unsteered_text_lies_below_what_the_arms_score(setting, tables):
    figures = tables["figures"].assign(sae=ROW)
    rows = {n: t.assign(sae=ROW) for n, t in tables.items() if n != "figures"}
    measured = Measured({"saes": grid.sae_table(figures, CONFIG), **rows}, CONFIG)
    table = live.floor_table(setting, measured)
    assert table.index.tolist() == [*cells.ARMS, "unsteered"] and table.notna().all(axis=None)
    held = table["texts with the concept"]
    assert held["unsteered"] < held[cells.OWN]
    twin = live.twin_table(setting, measured, CONFIG)
    assert twin.loc[live.TOKENS].tolist() == [2, 200] and twin.notna().all(axis=None)


def test_a_row_that_the_grid_does_not_have_is_refused():
    with pytest.raises(ValueError, match="SAE 99 is out of range"):
        grid.sae_of(99, CONFIG)
