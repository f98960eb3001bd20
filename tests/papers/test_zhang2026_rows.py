"""Every row of the chapter on made-up records in which the score is right, or is wrong."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from saebook.claims import Results, load_ledger
from saebook.papers.zhang2026 import (
    arrays,
    baselines,
    drawn,
    frames,
    gates,
    live,
    rows,
    rows_dependence,
    rows_latents,
    worlds,
)
from saebook.papers.zhang2026.cells import TARGET, Cell
from saebook.papers.zhang2026.evidence import Evidence
from saebook.papers.zhang2026.parameters import Parameters
from saebook.papers.zhang2026.plan import (
    ALL_LATENTS,
    FAMILIES,
    LATENT_COUNTS,
    MAIN,
    MIXES,
    WHICH,
    plan,
    vector_parts,
)
from saebook.papers.zhang2026.records import Records, missing, tables
from saebook.papers.zhang2026.store import Store
from saebook.testbed.lexicon import DOMAINS

CONFIG = Parameters.checked({"tier": "smoke", "n_resamples": 60, "n_exam": 60})
D_SAE, D_MODEL, N_SEEDS = 120, 6, 2
SAES = [(3, f"L0 {s}") for s in (3, 7, 13, 22, 34)]
SAES += [(3, "L0 13 seed 1"), (4, "L0 13"), (5, "L0 13"), (3, "raw"), (4, "raw"), (5, "raw")]
EXAM = 60


def _end_arrays(cell: Cell) -> dict[str, np.ndarray]:
    """Before, nine of ten are right at either end; afterwards none is at the late end."""
    right = np.arange(EXAM) < EXAM * 0.9
    late = right & (cell.variant == "before-ends")
    ends = {"early": right, "late": late}
    return {f"bits/{domain} {end}": bits for domain in DOMAINS for end, bits in ends.items()}


def _cell_arrays(cell: Cell, rng: np.random.Generator) -> dict[str, np.ndarray]:
    if cell.variant.endswith("ends"):
        return _end_arrays(cell)
    size = worlds.expected_size(cell.kind, cell.source)
    held: dict[str, np.ndarray] = {"losses": np.ones(3)}
    for domain in DOMAINS:
        chance = 0.9 if cell.variant == "before" else 0.9 - 0.9 * size[domain]
        held[f"bits/{domain}"] = np.arange(EXAM) < EXAM * chance + rng.normal(0, 0.5)
    held[f"bits/{TARGET}"] = rng.random(EXAM) < (0.0 if cell.variant == "before" else 0.9)
    if cell.variant == "before":
        for name in ("none", "shifted", *(f"matched {i}" for i in range(5))):
            held[f"bits/zero {name}"] = np.arange(EXAM) < EXAM * (0.2 if name == "shifted" else 0.9)
    for layer, name in SAES:
        n = D_MODEL if name == "raw" else D_SAE
        held[f"shift/{layer}/{name}"] = rng.random(n) + 9.0 * (np.arange(n) < 4)
    return held


def _vector_arrays(rng: np.random.Generator, blind: bool) -> dict[str, np.ndarray]:
    held: dict[str, np.ndarray] = {}
    kinds: tuple[worlds.Kind, ...] = ("skill", "format", "signed")
    for layer, name in SAES:
        n = D_MODEL if name == "raw" else D_SAE
        for kind in kinds:
            for score in ("act", "ICL", "squared"):
                values = rng.random((14, n)) * 0.05
                for column, skill in enumerate(worlds.CHANGEABLE):
                    share = [worlds.exam_mix()[d][skill] for d in DOMAINS]
                    values[:, column] = rng.random(14) if blind else share
                held[f"profile/{kind}/{layer}/{name}/{score}"] = values
            for source, skill in worlds.SOURCES.items():
                change = rng.random(n) * 1e-3
                change[worlds.CHANGEABLE.index(skill)] = 1.0
                for pairing in (
                    "aligned", "last", "masked", "unrelated", "unaligned", "second_moment",
                    "variance", "first_half", "second_half",
                ):  # fmt: skip
                    path = f"change/{kind}/{source}/{layer}/{name}/{pairing}"
                    held[path] = change if pairing == "aligned" else rng.random(n) + 0.1
    for kind in kinds:
        held[f"length/{kind}"] = rng.random(14) + [worlds.closed_shares()[d] for d in DOMAINS]
        for source in worlds.SOURCES:
            held[f"similarity/{kind}/{source}"] = rng.random(14)
            held[f"gradient/{kind}/{source}"] = rng.random(14)
            held[f"axes/{kind}/{source}"] = rng.random((2, D_MODEL))
    for draw in worlds.DRAWS:
        compare = np.array([worlds.exam_mix()[d]["compare"] for d in DOMAINS])
        late = np.array([worlds.closed_shares(draw)[d] for d in DOMAINS])
        values = rng.random((14, D_SAE)) * 0.05
        values[:, 0] = late if blind else compare
        held[f"profile/drawn/{draw}/3/L0 13/ICL"] = values
    held["moment/skill"] = rng.random((14, D_MODEL * D_MODEL))
    return held


@lru_cache
def _evidence(blind: bool = False) -> Evidence:
    rng = np.random.default_rng(3)
    cells = [(cell, _cell_arrays(cell, rng)) for cell in plan(N_SEEDS, N_SEEDS, N_SEEDS, N_SEEDS)]
    for i, (cell, made) in enumerate(cells):
        if cell.variant.startswith("mix-"):
            kept = {k: v for k, v in made.items() if k.split("/")[-1] in ("law", "math", TARGET)}
            cells[i] = cell, kept
    vectors = [(family, _vector_arrays(rng, blind)) for family in FAMILIES]
    return Evidence(tables(cells, vectors), CONFIG)


def _rows(evidence: Evidence) -> dict[str, rows.Row | None]:
    rule = load_ledger("zhang2026")["C7"].testbed.test.cell  # type: ignore[union-attr]
    best = {j: "skill/compare" if j < 2 else "topic/law" for j in range(D_SAE)}
    return {
        "C1": rows_latents.concentration_row(evidence),
        "C2": rows_latents.overlap_row(evidence),
        "C3": rows_latents.zeroing_row(evidence),
        "C4": rows.main_row(evidence),
        "C5": rows.stability_row(evidence),
        "C6": rows.robust_row(evidence),
        "C7": rows.sources_row(evidence, rule.passes),
        "C8": rows_dependence.sparsity_row(evidence),
        "C9": rows_dependence.layers_row(evidence),
        "C10": rows_dependence.rank_row(evidence),
        "C11": rows_dependence.baselines_row(evidence),
        "C12": rows_latents.mixture_row(evidence),
        "C13": rows_latents.selective_row(evidence),
        "C14": rows_latents.reinforced_row(evidence),
        "C15": rows_latents.labels_row(evidence, best, "math", "compare"),
        "C16": rows.sign_row(evidence),
        "C17": rows_latents.pairing_row(evidence),
    }


def _recorded(evidence: Evidence) -> Results:
    results = Results.start("zhang2026", "smoke", 0, CONFIG)
    for gate in results.ledger.gates:
        results.gate(gate, True)
    for claim, row in _rows(evidence).items():
        assert row is not None, claim
        results.record(claim, "testbed", **row)
    return results


def test_every_row_fits_the_ledger_and_a_right_score_passes_where_it_must() -> None:
    results = _recorded(_evidence())
    assert list(results.records["testbed"]) == [f"C{i}" for i in range(1, 18)]
    verdicts = {c: str(results.verdict(c, "testbed").verdict) for c in results.records["testbed"]}
    assert {verdicts[c] for c in ("C4", "C6", "C7")} == {"reproduced"}
    assert verdicts["C3"] == "reproduced"


def test_a_blind_score_does_not_pass() -> None:
    results = _recorded(_evidence(blind=True))
    assert str(results.verdict("C4", "testbed").verdict) != "reproduced"
    assert str(results.verdict("C11", "testbed").verdict) != "reproduced"


def test_a_score_of_skills_is_silent_in_drawn_format_worlds_and_one_of_format_is_not() -> None:
    silent, loud = (
        drawn.drawn_summary(drawn.drawn_frame(_evidence(blind))) for blind in (False, True)
    )
    assert silent["r"].abs().max() < 0.2 < 0.5 < float(loud["r"]["as asked"])
    assert silent["r_relatedness"].abs().max() < 0.2
    assert (silent["deals"] == len(worlds.DRAWS)).all()


def test_a_deal_moves_where_items_are_asked_and_nothing_else() -> None:
    late = drawn.asked_late(1, 200).mean(1)
    shares = [worlds.closed_shares(1)[domain] for domain in DOMAINS]
    assert late == pytest.approx(shares, abs=0.12)
    assert worlds.closed_shares(1) != worlds.closed_shares(2)
    assert sorted(worlds.closed_shares(1).values()) == sorted(worlds.closed_shares().values())


def test_without_its_records_a_drawn_world_says_nothing() -> None:
    whole = _evidence().records
    less = Records(whole.items[whole.items["variant"] != "ends"], whole.vectors)
    assert drawn.drawn_frame(Evidence(less, CONFIG)).empty
    assert rows.main_row(Evidence(less, CONFIG)) is None


def test_the_gates_see_what_the_worlds_were_built_for() -> None:
    table = gates.world_gates(_evidence(), worlds.KINDS, MAIN)
    assert gates.damage_follows_skill(table, MAIN)
    assert gates.format_world_flat(table)
    assert gates.spread_enough(table)
    null = table[table["kind"] == "null"]
    assert null["mean_change"].abs().max() < 5


def test_no_records_of_a_world_fail_its_gate() -> None:
    table = gates.world_gates(_evidence(), ("null",), MAIN)
    assert not gates.damage_follows_skill(table, MAIN)
    assert not gates.format_world_flat(table)


def test_missing_cells_are_named_and_leave_their_rows_out() -> None:
    whole = _evidence().records
    cells = whole.items
    less = Records(cells[cells["variant"] != "rl"], whole.vectors)
    evidence = Evidence(less, CONFIG)
    assert rows_latents.reinforced_row(evidence) is None
    assert {c.variant for c in missing(less, plan(N_SEEDS, N_SEEDS, N_SEEDS, N_SEEDS))} == {"rl"}
    made = live.coverage(less, plan(N_SEEDS, N_SEEDS, N_SEEDS, N_SEEDS)).reset_index()
    made = made[made["variant"] == "rl"]
    assert made[["planned", "done"]].to_numpy().tolist() == [[N_SEEDS, 0]]


def test_records_come_back_from_their_files(tmp_path) -> None:
    whole = _evidence().records
    whole.save(tmp_path)
    again = Records.load(tmp_path)
    cell = Cell("skill", FAMILIES[0], "math", 1)
    assert (again.delta(cell) == whole.delta(cell)).all()
    with pytest.raises(FileNotFoundError, match="make full NB=zhang2026"):
        Records.load(tmp_path / "elsewhere")
    with pytest.raises(KeyError, match="no record of length/none"):
        again.vector(FAMILIES[0], "length/none")


def test_a_run_goes_on_from_the_records_and_not_from_other_weights(tmp_path) -> None:
    known = Store(CONFIG, tmp_path)
    made = {family: known.made_on(family) for family in FAMILIES[:1]}
    held = Records(_evidence().records.items, _evidence().records.vectors, made)
    held.save(tmp_path / "records")
    store = Store(CONFIG, tmp_path, Records.load(tmp_path / "records"))
    cell = Cell("skill", FAMILIES[0], "math", 1)
    found = arrays.cell_arrays(store, cell, run=False)
    assert (found["bits/law"] == held.bits(cell, "law")).all()
    assert {"losses", "shift/3/raw"} <= set(found)
    for part in vector_parts(FAMILIES[0]):
        names = arrays.vectors(store, FAMILIES[0], part, run=False)
        world = "drawn" if part[0] == "drawn" else part[1]
        assert names and all(f"/{world}" in name for name in names)
    profile = arrays.vectors(store, FAMILIES[0], ("profiles", "skill", ""), run=False)
    assert profile["profile/skill/3/L0 13/ICL"].shape == (14, D_SAE)
    assert arrays.cell_arrays(store, Cell("skill", FAMILIES[1], "math", 1), run=False) == {}
    other = Store(CONFIG, tmp_path, Records(held.items, held.vectors, {FAMILIES[0]: "other"}))
    assert arrays.cell_arrays(other, cell, run=False) == {}


def test_what_float16_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="float16 ends at 65504"):
        tables([], [(FAMILIES[0], {"length/skill": np.array([1e6])})])


def test_the_probe_never_sees_the_domain_it_judges() -> None:
    rng = np.random.default_rng(0)
    features, sizes = rng.normal(size=(14, 5)), rng.random(14)
    said = baselines.probe(features, sizes)
    other = sizes.copy()
    other[3] += 100.0
    assert baselines.probe(features, other)[3] == pytest.approx(said[3])


def test_the_figures_frames_have_rows_for_every_main_source() -> None:
    evidence = _evidence()
    assert set(frames.fan(evidence, "skill", MAIN)["group"]) == set(MAIN)
    assert len(frames.scatter(evidence, "skill", "math")) == 14
    assert set(frames.mixture_frame(evidence)["condition"]) == {
        m.removeprefix("mix-") for m in MIXES
    }
    conditions = (len(WHICH) + 1) * len(LATENT_COUNTS) + 2
    assert len(frames.selective_frame(evidence)) == N_SEEDS * conditions
    assert all(len(frame) for frame in frames.ablation_frame(evidence).values())
    assert frames.baseline_frame(evidence, "skill")["r"].between(-1, 1).all()
    assert set(frames.choices_frame(evidence)["source"]) == set(MAIN)


def test_at_their_own_rate_all_latents_learn_half_of_what_all_weights_learn() -> None:
    records = Records.load()
    taught = {}
    for variant in (ALL_LATENTS, "sft"):
        seeds = records.seeds("skill", FAMILIES[0], MAIN[0], variant)
        cells = [Cell("skill", FAMILIES[0], MAIN[0], seed, variant) for seed in seeds]
        taught[variant] = np.mean([records.bits(cell, TARGET) for cell in cells])
        assert len(seeds) == 5
    assert taught[ALL_LATENTS] >= 0.5 * taught["sft"] > 0.25
